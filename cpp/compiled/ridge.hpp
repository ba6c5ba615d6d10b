// Templates that one unit compiles: the likelihood of a ridge.
#pragma once

#include "descrambler/ridge_climb.hpp"
#include "products.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {
#define DESCRAMBLER_RIDGE(keyword, T) \
  keyword class RidgeLikelihood<T>;   \
  keyword RidgePoint climb<T>(RidgeLikelihood<T>&, RidgePoint, double, double);

DESCRAMBLER_RIDGE(extern template, float)
DESCRAMBLER_RIDGE(extern template, double)

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
