#include "group.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {
DESCRAMBLER_GROUP(template, float)
DESCRAMBLER_GROUP(template, double)

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
