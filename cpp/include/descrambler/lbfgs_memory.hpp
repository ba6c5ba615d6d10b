// What L-BFGS remembers: its model of the inverse Hessian.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "vectors.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// The last few steps and gradient changes, in a ring of columns.
template <class T>
class Memory {
 public:
  Memory(Index dimension, Index length)
      : steps_(dimension, length), changes_(dimension, length), rho_(length), alpha_(length) {}

  void clear() { count_ = 0; }
  bool empty() const { return count_ == 0; }

  // Pairs without positive curvature would spoil the model's definiteness: they are skipped.
  void add(const Vector<T>& step, const Vector<T>& change, const Crew& crew) {
    const T curvature = dot<T>(step, change, crew);
    const T square = dot<T>(change, change, crew);
    const T lengths = std::sqrt(dot<T>(step, step, crew)) * std::sqrt(square);
    if (!(curvature > std::numeric_limits<T>::epsilon() * lengths)) return;
    newest_ = (newest_ + 1) % steps_.cols();
    assign(steps_.col(newest_), step, crew);
    assign(changes_.col(newest_), change, crew);
    rho_(newest_) = T(1) / curvature;
    unit_ = curvature / square;
    count_ = std::min(count_ + 1, steps_.cols());
  }

  // direction = -H gradient, by the two-loop recursion from H = 1 / curvature where it is given.
  void direction(const Vector<T>& gradient, const Vector<T>* curvature, Vector<T>& direction,
                 const Crew& crew) {
    if (count_ == 0) {
      assign(direction, -gradient, crew);
      if (curvature) assign(direction, direction.cwiseQuotient(*curvature), crew);
      return;
    }
    // Every pass ends with the dot product that the next one begins with.
    T along = assign_and_dot<T>(direction, -gradient, steps_.col(newest_), crew);
    for (Index k = 0; k < count_; ++k) {
      const Index i = place(k), next = place(std::min(k + 1, count_ - 1));
      alpha_(i) = rho_(i) * along;
      along =
          assign_and_dot<T>(direction, direction - alpha_(i) * changes_.col(i), steps_.col(next), crew);
    }
    const auto oldest = changes_.col(place(count_ - 1));
    along = curvature ? assign_and_dot<T>(direction, direction.cwiseQuotient(*curvature), oldest, crew)
                      : assign_and_dot<T>(direction, unit_ * direction, oldest, crew);
    for (Index k = count_; k-- > 0;) {
      const Index i = place(k), next = place(std::max<Index>(k - 1, 0));
      const T more = alpha_(i) - rho_(i) * along;
      along = assign_and_dot<T>(direction, direction + more * steps_.col(i), changes_.col(next), crew);
    }
  }

 private:
  Index place(Index age) const { return (newest_ - age + steps_.cols()) % steps_.cols(); }

  Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic> steps_, changes_;
  Vector<T> rho_, alpha_;
  // H of the newest pair, as a multiple of the identity.
  T unit_ = 1;
  Index newest_ = 0, count_ = 0;
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
