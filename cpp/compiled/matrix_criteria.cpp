// Criteria of a matrix: of weights, or of the signals' Gram matrix; and sums of criteria.
#include "criteria.hpp"
#include "descrambler/diagonal_criteria.hpp"
#include "descrambler/gram_criteria.hpp"
#include "descrambler/weighted_sum.hpp"
#include "products.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {
template <class T>
CriterionPointer<T> new_diagonal_sum(Matrix<T> w) {
  return std::make_shared<DiagonalSum<T>>(std::move(w));
}
template <class T>
CriterionPointer<T> new_diagonal_norm_square(Matrix<T> w) {
  return std::make_shared<DiagonalNormSquare<T>>(std::move(w));
}
template <class T>
CriterionPointer<T> new_brockett(Vector<T> a, Matrix<T> b) {
  return std::make_shared<Brockett<T>>(std::move(a), std::move(b));
}
template <class T>
CriterionPointer<T> new_quadratic(Matrix<T> a, Matrix<T> b) {
  return std::make_shared<Quadratic<T>>(std::move(a), std::move(b));
}
template <class T>
CriterionPointer<T> new_spectrum_deviation(Matrix<T> modes, Vector<T> target, Matrix<T> b) {
  return std::make_shared<SpectrumDeviation<T>>(std::move(modes), std::move(target), std::move(b));
}
template <class T>
CriterionPointer<T> new_squared_power(Matrix<T> b) {
  return std::make_shared<SquaredPower<T>>(std::move(b));
}
template <class T>
CriterionPointer<T> new_weighted_sum(Weighted<CriterionPointer<T>> parts) {
  return std::make_shared<WeightedSum<T>>(std::move(parts));
}

#define DESCRAMBLER_MATRIX_CRITERIA(T)                                                     \
  template CriterionPointer<T> new_diagonal_sum<T>(Matrix<T>);                             \
  template CriterionPointer<T> new_diagonal_norm_square<T>(Matrix<T>);                     \
  template CriterionPointer<T> new_brockett<T>(Vector<T>, Matrix<T>);                      \
  template CriterionPointer<T> new_quadratic<T>(Matrix<T>, Matrix<T>);                     \
  template CriterionPointer<T> new_spectrum_deviation<T>(Matrix<T>, Vector<T>, Matrix<T>); \
  template CriterionPointer<T> new_squared_power<T>(Matrix<T>);                            \
  template CriterionPointer<T> new_weighted_sum<T>(Weighted<CriterionPointer<T>>);

DESCRAMBLER_MATRIX_CRITERIA(float)
DESCRAMBLER_MATRIX_CRITERIA(double)

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
