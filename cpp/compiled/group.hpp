// Templates that several units use and one compiles: the group.
#pragma once

#include "descrambler/exponential.hpp"
#include "products.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {
#define DESCRAMBLER_GROUP(keyword, T)                                                       \
  keyword void Resolvent<T>::compute(const Matrix<T>&, const Crew&);                        \
  keyword void Resolvent<T>::compute_of_skew(const Matrix<T>&, const Crew&);                \
  keyword Matrix<T> cayley<T>(const Matrix<T>&);                                            \
  keyword bool inverse_cayley<T>(const Matrix<T>&, Matrix<T>&);                             \
  keyword Matrix<T> cayley_pullback<T>(const Matrix<T>&, const Matrix<T>&);                 \
  keyword T newton_schulz_step<T>(Matrix<T>&, Matrix<T>&, Matrix<T>&, const Crew&);         \
  keyword bool polar_in_place<T>(Matrix<T>&, Matrix<T>&, Matrix<T>&, const Crew&);          \
  keyword void Exponential<T>::operator()(const Matrix<T>&, Matrix<T>&, const Crew&);       \
  keyword Matrix<T> exp_pullback<T>(const Matrix<T>&, const Matrix<T>&);                    \
  keyword bool log<T>(Matrix<T>, Matrix<T>&);                                               \
  keyword void pack_generator(const Eigen::Map<const Matrix<T>>&, Vector<T>&, const Crew&); \
  keyword void unpack_generator(const Eigen::Map<const Vector<T>>&, Matrix<T>&, const Crew&);

DESCRAMBLER_GROUP(extern template, float)
DESCRAMBLER_GROUP(extern template, double)

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
