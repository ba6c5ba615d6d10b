#include "gram.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {
DESCRAMBLER_GRAM(template, float)
DESCRAMBLER_GRAM(template, double)

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
