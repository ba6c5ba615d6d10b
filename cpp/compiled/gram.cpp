#include "gram.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {
DESCRAMBLER_GRAM(template, float)
DESCRAMBLER_GRAM(template, double)

Vector<double> compiled_mixing(const Eigenvalues& known, double share, const double* moments) {
  return mixing(known, share, moments);
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
