// What L-BFGS remembers: its model of the inverse Hessian.
#pragma once

#include <algorithm>
#include <limits>

#include "matrix.hpp"

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
  void add(const Vector<T>& step, const Vector<T>& change) {
    const T curvature = step.dot(change);
    if (!(curvature > std::numeric_limits<T>::epsilon() * step.norm() * change.norm())) return;
    newest_ = (newest_ + 1) % steps_.cols();
    steps_.col(newest_) = step;
    changes_.col(newest_) = change;
    rho_(newest_) = T(1) / curvature;
    count_ = std::min(count_ + 1, steps_.cols());
  }

  // direction = -H gradient, by the two-loop recursion from H = 1 / curvature where it is given.
  void direction(const Vector<T>& gradient, const Vector<T>* curvature, Vector<T>& direction) {
    direction = -gradient;
    for (Index k = 0; k < count_; ++k) {
      const Index i = place(k);
      alpha_(i) = rho_(i) * steps_.col(i).dot(direction);
      direction -= alpha_(i) * changes_.col(i);
    }
    if (curvature)
      direction.array() /= curvature->array();
    else if (count_ > 0)
      direction /= rho_(newest_) * changes_.col(newest_).squaredNorm();
    for (Index k = count_; k-- > 0;) {
      const Index i = place(k);
      direction += (alpha_(i) - rho_(i) * changes_.col(i).dot(direction)) * steps_.col(i);
    }
  }

 private:
  Index place(Index age) const { return (newest_ - age + steps_.cols()) % steps_.cols(); }

  Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic> steps_, changes_;
  Vector<T> rho_, alpha_;
  Index newest_ = 0, count_ = 0;
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
