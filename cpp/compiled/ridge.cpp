#include "ridge.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {
DESCRAMBLER_RIDGE(template, float)
DESCRAMBLER_RIDGE(template, double)

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
