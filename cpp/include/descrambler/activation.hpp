// Elementwise activations, vectorised by Eigen.
#pragma once

#include <cmath>

#include "matrix.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

enum class ActivationKind { identity, tanh, logistic, relu, leaky_relu, softplus };

// Eigen 3.4 has no vectorised float64 tanh. Near zero, where 1 - 2 / (e^2x + 1) cancels, the eighth
// convergent of Lambert's continued fraction x / (1 + x^2 / (3 + x^2 / (5 + ...))) is exact to 1e-17.
// Both sides are computed for every entry: the compiler then blends instead of branching.
template <class T>
void tanh_in_place(Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>> x) {
  constexpr Index chunk = 256;
  Eigen::Array<T, chunk, 1> exponential;
  for (Index start = 0; start < x.size(); start += chunk) {
    const Index count = std::min(chunk, x.size() - start);
    T* const values = x.data() + start;
    exponential.head(count) = (T(2) * x.segment(start, count).abs()).exp();
    for (Index i = 0; i < count; ++i) {
      const T v = values[i], s = v * v;
      const T top = v * (T(2027025) + s * (T(270270) + s * (T(6930) + s * T(36))));
      const T bottom = T(2027025) + s * (T(945945) + s * (T(51975) + s * (T(630) + s)));
      const T near = top / bottom;
      const T far = std::copysign(T(1) - T(2) / (exponential[i] + T(1)), v);
      values[i] = std::abs(v) < T(0.625) ? near : far;
    }
  }
}

template <class T>
void activate(ActivationKind kind, T slope, Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>> x) {
  switch (kind) {
    case ActivationKind::identity:
      return;
    case ActivationKind::tanh:
      return tanh_in_place(x);
    case ActivationKind::logistic:
      x = T(1) / (T(1) + (-x).exp());
      return;
    case ActivationKind::relu:
      x = x.max(T(0));
      return;
    case ActivationKind::leaky_relu:
      x = x.max(T(0)) + slope * x.min(T(0));
      return;
    case ActivationKind::softplus:
      x = x.max(T(0)) + (-x.abs()).exp().log1p();
      return;
  }
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
