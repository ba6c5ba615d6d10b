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
      : steps_(dimension, length),
        changes_(dimension, length),
        rho_(length),
        alpha_(length),
        parts_((dimension + chunk - 1) / chunk) {}

  void clear() { count_ = 0; }
  bool empty() const { return count_ == 0; }

  // Pairs without positive curvature would spoil the model's definiteness: they are skipped.
  void add(const Vector<T>& step, const Vector<T>& change, const Crew& crew) {
    const T curvature = dot(step, change, crew);
    if (!(curvature > std::numeric_limits<T>::epsilon() * step.norm() * change.norm())) return;
    newest_ = (newest_ + 1) % steps_.cols();
    steps_.col(newest_) = step;
    changes_.col(newest_) = change;
    rho_(newest_) = T(1) / curvature;
    count_ = std::min(count_ + 1, steps_.cols());
  }

  // direction = -H gradient, by the two-loop recursion from H = 1 / curvature where it is given.
  void direction(const Vector<T>& gradient, const Vector<T>* curvature, Vector<T>& direction,
                 const Crew& crew) {
    direction = -gradient;
    for (Index k = 0; k < count_; ++k) {
      const Index i = place(k);
      alpha_(i) = rho_(i) * dot(steps_.col(i), direction, crew);
      add_to(direction, -alpha_(i), changes_.col(i), crew);
    }
    if (curvature)
      direction.array() /= curvature->array();
    else if (count_ > 0)
      direction /= rho_(newest_) * changes_.col(newest_).squaredNorm();
    for (Index k = count_; k-- > 0;) {
      const Index i = place(k);
      const T beta = rho_(i) * dot(changes_.col(i), direction, crew);
      add_to(direction, alpha_(i) - beta, steps_.col(i), crew);
    }
  }

 private:
  // What threads share of a vector.
  static constexpr Index chunk = 32768;

  template <class Visit>
  void for_each_chunk(const Crew& crew, const Visit& visit) {
    crew.each(parts_.size(), [&](Index part, int) {
      visit(part, part * chunk, std::min(chunk, steps_.rows() - part * chunk));
    });
  }
  template <class A, class B>
  T dot(const A& a, const B& b, const Crew& crew) {
    for_each_chunk(crew, [&](Index part, Index start, Index size) {
      parts_(part) = a.segment(start, size).dot(b.segment(start, size));
    });
    return parts_.sum();
  }
  template <class A>
  void add_to(Vector<T>& sum, T factor, const A& a, const Crew& crew) {
    for_each_chunk(crew, [&](Index, Index start, Index size) {
      sum.segment(start, size) += factor * a.segment(start, size);
    });
  }

  Index place(Index age) const { return (newest_ - age + steps_.cols()) % steps_.cols(); }

  Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic> steps_, changes_;
  Vector<T> rho_, alpha_, parts_;
  Index newest_ = 0, count_ = 0;
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
