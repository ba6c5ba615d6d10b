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

enum class Status { converged, max_iterations, line_search_failed, stopped, interrupted };

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
class Lbfgs {
 public:
  Lbfgs(Problem<T>& problem, bool maximised, const Options& options)
      : problem_(problem),
        options_(options),
        sign_(maximised ? -1 : 1),
        gradient_(problem.dimension()),
        trial_gradient_(problem.dimension()),
        direction_(problem.dimension()),
        curvature_(problem.dimension()),
        memory_(problem.dimension(), options.memory) {
    outcome.history.reserve(static_cast<std::size_t>(options.max_iterations) + 1);
  }

  void run() {
    try {
      outcome.status = iterate();
    } catch (const Interrupted&) {
      outcome.status = Status::interrupted;
    }
  }

 private:
  Status iterate() {
    evaluate();
    const T rounding = std::numeric_limits<T>::epsilon() * static_cast<T>(problem_.scale());
    for (;; ++outcome.iterations) {
      // Frobenius norm of the skew gradient (M - M^T) / 2, whose strict lower triangle is half of ours.
      const T norm = gradient_.norm() / std::sqrt(T(2));
      outcome.history.push_back(sign_ * value_);
      if (options_.stop && options_.stop({outcome.iterations, sign_ * value_, norm}))
        return Status::stopped;
      if (norm <= T(options_.tolerance) * std::abs(value_) + rounding) return Status::converged;
      if (outcome.iterations == options_.max_iterations) return Status::max_iterations;
      if (!step()) return Status::line_search_failed;
    }
  }

  void evaluate() {
    value_ = problem_.start(gradient_);
    ++outcome.evaluations;
  }

  // Along the quasi-Newton direction, or, where that fails, anew without memory.
  bool step() {
    const bool preconditioned = problem_.curvature(curvature_);
    for (;;) {
      memory_.direction(gradient_, preconditioned ? &curvature_ : nullptr, direction_);
      const Sample<T> start{T(0), value_, gradient_.dot(direction_)};
      Sample<T> last = start;
      const auto phi = [&](T t) {
        ++outcome.evaluations;
        return last = problem_.sample(direction_, t, trial_gradient_);
      };
      if (start.slope < T(0) && strong_wolfe(phi, start, first_length(preconditioned))) {
        value_ = last.value;
        trial_gradient_.swap(gradient_);
        const bool anew = problem_.accept();
        direction_ *= last.step;
        trial_gradient_ = gradient_ - trial_gradient_;
        memory_.add(direction_, trial_gradient_);
        if (anew) evaluate();
        return true;
      }
      if (memory_.empty()) return false;
      memory_.clear();
    }
  }

  // No plane turns by more than a radian at first.
  T first_length(bool preconditioned) const {
    if (preconditioned) return std::min(T(1), T(1) / direction_.cwiseAbs().maxCoeff());
    return memory_.empty() ? std::min(T(1), T(1) / gradient_.norm()) : T(1);
  }

  Problem<T>& problem_;
  const Options& options_;
  const double sign_;
  T value_ = 0;
  Vector<T> gradient_, trial_gradient_, direction_, curvature_;
  Memory<T> memory_;

 public:
  Outcome outcome{Status::max_iterations, 0, 0, {}};
};

template <class T>
Outcome lbfgs(Problem<T>& problem, bool maximised, const Options& options) {
  Lbfgs<T> search(problem, maximised, options);
  search.run();
  return std::move(search.outcome);
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
