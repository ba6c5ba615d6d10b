// What one unit compiles: the Gram matrix of a layer's signals, and how far its eigenvectors can be
// trusted.
#pragma once

#include "descrambler/gram.hpp"
#include "descrambler/mixing.hpp"
#include "products.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {
#define DESCRAMBLER_GRAM(keyword, T)                                                             \
  keyword void GramSum::add_layer<T>(const ConstRows<T>&, const ConstRows<T>&, const Vector<T>&, \
                                     ActivationKind, T, const Crew&);

DESCRAMBLER_GRAM(extern template, float)
DESCRAMBLER_GRAM(extern template, double)

Vector<double> compiled_mixing(const Eigenvalues& known, double share, const double* moments);

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
