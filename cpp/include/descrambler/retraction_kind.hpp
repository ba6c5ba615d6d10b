// Names of the curves that the optimizers step along.
#pragma once

#include "matrix.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

enum class RetractionKind { cayley, exponential, polar };

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
