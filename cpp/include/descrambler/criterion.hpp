// A figure of merit of a rotation P, with its Euclidean gradient.
#pragma once

#include "matrix.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

template <class T>
class Criterion {
 public:
  virtual ~Criterion() = default;
  virtual Index size() const = 0;
  // A bound on |value|, or an estimate of one: what rounding is measured against.
  virtual double scale() const = 0;
  // Writes the Euclidean gradient and returns the value, which is summed in float64.
  virtual double value_and_gradient(const Matrix<T>& p, Matrix<T>& gradient, const Crew& crew) = 0;
  // For a criterion that is, nearly, a sum of f_i(y_i) over signals y = P s: writes
  // pairs(i, j) = sum f_i''(y_i) y_j^2 at the point evaluated last. False where it is not known.
  virtual bool curvature(Matrix<T>&, const Crew&) { return false; }
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
