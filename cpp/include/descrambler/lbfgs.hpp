// Limited-memory BFGS (Nocedal and Wright, algorithm 7.4) over the packed generators of SO(n).
#pragma once

#include <vector>

#include "problem.hpp"

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

  // direction = -H gradient, by the two-loop recursion.
  void direction(const Vector<T>& gradient, Vector<T>& direction) {
    direction = -gradient;
    for (Index k = 0; k < count_; ++k) {
      const Index i = place(k);
      alpha_(i) = rho_(i) * steps_.col(i).dot(direction);
      direction -= alpha_(i) * changes_.col(i);
    }
    if (count_ > 0) direction /= rho_(newest_) * changes_.col(newest_).squaredNorm();
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

enum class Status { converged, max_iterations, line_search_failed, stopped };

struct Progress {
  Index iteration;
  double objective, gradient_norm;
};

struct Options {
  Index memory, max_iterations;
  // Stop where ||gradient|| <= tolerance * |value| + rounding.
  double tolerance;
  // Called once an iteration; true stops.
  std::function<bool(const Progress&)> stop;
};

struct Outcome {
  Status status;
  Index iterations, evaluations;
  // Objective at the start and after each iteration, with the criterion's own sign.
  std::vector<double> history;
};

// Minimises from where `problem` stands; leaves the best point in problem.rotation.
template <class T>
Outcome lbfgs(Problem<T>& problem, bool maximised, const Options& options) {
  const Index d = problem.dimension();
  Vector<T> gradient(d), trial_gradient(d), direction(d), step(d);
  Memory<T> memory(d, options.memory);
  Outcome outcome{Status::max_iterations, 0, 1, {}};
  outcome.history.reserve(static_cast<std::size_t>(options.max_iterations) + 1);
  T value = problem.start(gradient);
  const double sign = maximised ? -1 : 1;
  const T rounding = std::numeric_limits<T>::epsilon() * problem.scale();

  for (;; ++outcome.iterations) {
    // Frobenius norm of the skew gradient (M - M^T) / 2, whose strict lower triangle is half of ours.
    const T norm = gradient.norm() / std::sqrt(T(2));
    outcome.history.push_back(sign * value);
    if (options.stop && options.stop({outcome.iterations, sign * value, norm})) {
      outcome.status = Status::stopped;
      break;
    }
    if (norm <= T(options.tolerance) * std::abs(value) + rounding) {
      outcome.status = Status::converged;
      break;
    }
    if (outcome.iterations == options.max_iterations) break;

    bool found = false;
    while (!found) {
      memory.direction(gradient, direction);
      const Sample<T> start{T(0), value, gradient.dot(direction)};
      const T first = memory.empty() ? std::min(T(1), T(1) / gradient.norm()) : T(1);
      Sample<T> last = start;
      const auto phi = [&](T t) {
        ++outcome.evaluations;
        return last = problem.sample(direction, t, trial_gradient);
      };
      found = start.slope < T(0) && strong_wolfe(phi, start, first);
      if (found) {
        value = last.value;
        step = last.step * direction;
        trial_gradient.swap(gradient);
        problem.accept();
      } else if (memory.empty()) {
        break;
      } else {
        memory.clear();
      }
    }
    if (!found) {
      outcome.status = Status::line_search_failed;
      break;
    }
    trial_gradient = gradient - trial_gradient;
    memory.add(step, trial_gradient);
  }
  return outcome;
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
