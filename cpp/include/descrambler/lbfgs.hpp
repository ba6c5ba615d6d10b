// Limited-memory BFGS (Nocedal and Wright, algorithm 7.4) over the packed generators of SO(n).
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "lbfgs_memory.hpp"
#include "optimization.hpp"
#include "problem.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// Minimizes from where `problem` stands, which then stands at the best point.
template <class T>
class Lbfgs {
 public:
  Lbfgs(Problem<T>& problem, bool maximized, const Options& options)
      : problem_(problem),
        options_(options),
        sign_(maximized ? -1 : 1),
        gradient_(problem.dimension()),
        trial_gradient_(problem.dimension()),
        direction_(problem.dimension()),
        curvature_(problem.dimension()),
        memory_(problem.dimension(), options.memory) {
    outcome_.history.reserve(static_cast<std::size_t>(options.max_iterations) + 1);
  }

  Outcome run() {
    try {
      outcome_.status = iterate();
    } catch (const Interrupted&) {
      outcome_.status = Status::interrupted;
    }
    return std::move(outcome_);
  }

 private:
  Status iterate() {
    evaluate();
    outcome_.history.push_back(sign_ * value_);
    const T rounding = std::numeric_limits<T>::epsilon() * static_cast<T>(problem_.scale());
    for (;;) {
      // Frobenius norm of the skew gradient (M - M^T) / 2, whose strict lower triangle is half of ours.
      const T norm = length(gradient_) / std::sqrt(T(2));
      if (options_.stop && options_.stop({outcome_.iterations, sign_ * value_, norm}))
        return Status::stopped;
      if (norm <= T(options_.tolerance) * std::abs(value_) + rounding) return Status::converged;
      if (outcome_.iterations == options_.max_iterations) return Status::max_iterations;
      if (!step()) return Status::line_search_failed;
    }
  }

  void evaluate() {
    value_ = problem_.start(gradient_);
    ++outcome_.evaluations;
  }

  // Along the quasi-Newton direction, or, where that fails, anew without memory.
  bool step() {
    const bool preconditioned = problem_.curvature(curvature_);
    for (;;) {
      memory_.direction(gradient_, preconditioned ? &curvature_ : nullptr, direction_, problem_.crew());
      const Sample<T> start{T(0), value_, dot<T>(gradient_, direction_, problem_.crew())};
      Sample<T> last = start;
      const auto phi = [&](T t) {
        ++outcome_.evaluations;
        return last = problem_.sample(direction_, t, trial_gradient_);
      };
      if (start.slope < T(0) && strong_wolfe(phi, start, first_length(preconditioned))) {
        trial_gradient_.swap(gradient_);
        assign(direction_, direction_ * last.step, problem_.crew());
        assign(trial_gradient_, gradient_ - trial_gradient_, problem_.crew());
        memory_.add(direction_, trial_gradient_, problem_.crew());
        // An interruption finds the point and the end of the history together before this, or after.
        const bool anew = problem_.accept();
        ++outcome_.iterations;
        value_ = last.value;
        outcome_.history.push_back(sign_ * value_);
        if (anew) {
          evaluate();
          outcome_.history.back() = sign_ * value_;
        }
        return true;
      }
      if (memory_.empty()) return false;
      memory_.clear();
    }
  }

  // No plane turns by more than a radian at first.
  T first_length(bool preconditioned) const {
    if (preconditioned) return std::min(T(1), T(1) / direction_.cwiseAbs().maxCoeff());
    return memory_.empty() ? std::min(T(1), T(1) / length(gradient_)) : T(1);
  }

  T length(const Vector<T>& v) const { return std::sqrt(dot<T>(v, v, problem_.crew())); }

  Problem<T>& problem_;
  const Options& options_;
  const double sign_;
  T value_ = 0;
  Vector<T> gradient_, trial_gradient_, direction_, curvature_;
  Memory<T> memory_;
  Outcome outcome_{Status::max_iterations, 0, 0, {}};
};

template <class T>
Outcome lbfgs(Problem<T>& problem, bool maximized, const Options& options) {
  Lbfgs<T> search(problem, maximized, options);
  Outcome outcome = search.run();
  problem.orthogonalize();
  return outcome;
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
