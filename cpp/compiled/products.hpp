// Templates that many units use and one compiles: the products.
#pragma once

#include "descrambler/matrix.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {
// What products.cpp says without `extern`, every other unit says with it.
#define DESCRAMBLER_PRODUCTS(keyword, T)                                                    \
  keyword void add_nn<T>(Part<T>, const ConstPart<T>&, const ConstPart<T>&, T);             \
  keyword void add_tn<T>(Part<T>, const ConstPart<T>&, const ConstPart<T>&);                \
  keyword void add_nt<T>(Part<T>, const ConstPart<T>&, const ConstPart<T>&);                \
  keyword void multiply<T>(Matrix<T>&, const Matrix<T>&, const Matrix<T>&, const Crew&);    \
  keyword void multiply_tn<T>(Matrix<T>&, const Matrix<T>&, const Matrix<T>&, const Crew&); \
  keyword void multiply_nt<T>(Matrix<T>&, const Matrix<T>&, const Matrix<T>&, const Crew&);

DESCRAMBLER_PRODUCTS(extern template, float)
DESCRAMBLER_PRODUCTS(extern template, double)

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
