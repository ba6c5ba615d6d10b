#include "products.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {
DESCRAMBLER_PRODUCTS(template, float)
DESCRAMBLER_PRODUCTS(template, double)

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
