// Strong Wolfe line search (Nocedal and Wright, Numerical Optimization, algorithms 3.5 and 3.6), with
// the approximate Wolfe test of Hager and Zhang (2005) where rounding hides the decrease.
#pragma once

#include <cmath>
#include <limits>

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

template <class T>
struct Sample {
  T step, value, slope;
};

// Minimiser of the cubic through two samples, kept inside the middle of their interval.
template <class T>
T cubic_minimum(const Sample<T>& a, const Sample<T>& b) {
  const T width = b.step - a.step;
  const T d1 = a.slope + b.slope - T(3) * (b.value - a.value) / width;
  const T inside = d1 * d1 - a.slope * b.slope;
  T step = a.step + width / T(2);
  if (inside >= T(0)) {
    const T d2 = std::copysign(std::sqrt(inside), width);
    step = b.step - width * (b.slope + d2 - d1) / (b.slope - a.slope + T(2) * d2);
  }
  const T low = a.step + width / T(10), high = b.step - width / T(10);
  const bool outside = !((step - low) * (step - high) <= T(0));
  return outside ? a.step + width / T(2) : step;
}

// phi(step) samples the curve. Returns true when its last sample meets the conditions.
template <class T, class Phi>
bool strong_wolfe(Phi&& phi, const Sample<T>& start, T step) {
  constexpr T armijo = T(1e-4), curvature = T(0.9);
  constexpr int max_samples = 30;
  const T rounding = T(10) * std::numeric_limits<T>::epsilon() * std::abs(start.value);
  // Only where rounding can hide the decrease: a huge step that turns rows by pi changes nothing either.
  const auto decreased = [&](const Sample<T>& s) {
    const T asked = armijo * s.step * start.slope;
    return s.value <= start.value + asked || (-asked <= rounding && s.value <= start.value + rounding &&
                                              s.slope <= (T(2) * armijo - T(1)) * start.slope);
  };
  const auto flat = [&](const Sample<T>& s) { return std::abs(s.slope) <= -curvature * start.slope; };
  Sample<T> low = start, high = start;
  bool bracketed = false;
  for (int sample = 0; sample < max_samples; ++sample) {
    const Sample<T> here = phi(step);
    if (!decreased(here) || (bracketed && here.value > low.value + rounding)) {
      high = here;
      bracketed = true;
    } else if (flat(here)) {
      return true;
    } else {
      const bool past_minimum =
          bracketed ? here.slope * (high.step - low.step) >= T(0) : here.slope >= T(0);
      if (past_minimum) high = low;
      bracketed = bracketed || past_minimum;
      low = here;
    }
    if (!bracketed)
      step *= T(4);
    else if (std::abs(high.step - low.step) <= std::numeric_limits<T>::epsilon() * std::abs(step))
      return false;
    else
      step = cubic_minimum(low, high);
  }
  return false;
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
