// A chart about the current point, a new one at every step.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "problem.hpp"
#include "retraction.hpp"
#include "vectors.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// Every step starts a new chart: P <- R(t X) P. Gradient and direction live in so(n), acting from the
// left, so that nothing need be transported between points.
template <class T>
class RecenteredChart final : public Problem<T> {
 public:
  RecenteredChart(Objective<T> objective, Matrix<T> start, RetractionKind kind, Crew crew)
      : Problem<T>(objective, std::move(start), std::move(crew)),
        retraction_(kind, this->n_),
        tangent_(this->n_, this->n_),
        velocity_(this->dimension()),
        trial_(this->n_, this->n_),
        radial_(this->n_) {}

  T start(Vector<T>& gradient) override { return at(this->rotation_, gradient); }

  Sample<T> sample(const Vector<T>& direction, T step, Vector<T>& gradient) override {
    unpack_generator(direction, tangent_, this->crew_);
    retraction_.compute(tangent_, step, this->crew_);
    multiply(trial_, retraction_.rotation(), this->rotation_, this->crew_);
    const T value = at(trial_, gradient);
    pack_generator(retraction_.velocity(), velocity_, this->crew_);
    return {step, value, dot<T>(gradient, velocity_, this->crew_)};
  }

  bool accept() override {
    // Rounding drifts by about one unit a step: one Newton-Schulz step in a while undoes it.
    const bool drifted = ++steps_ % 32 == 0;
    if (drifted) newton_schulz_step(trial_, this->product_, this->work_, this->crew_);
    this->rotation_.swap(trial_);
    return drifted;
  }

  // Turning y_i and y_j into each other by an angle changes sum f_i(y_i) to second order by
  // sum f_i'' y_j^2 + f_j'' y_i^2 - f_i' y_i - f_j' y_j (Ablin, Cardoso and Gramfort 2018), where the
  // last two are the diagonal of G P^T. Signals need not be white.
  bool curvature(Vector<T>& pairs) override {
    if (!this->criterion_.curvature(this->work_, this->crew_)) return false;
    const Matrix<T>& second = this->work_;
    pack_pairs(second, pairs, this->crew_, [&](const auto& below, const auto& beyond, Index i, Index j) {
      const auto turned = (below + beyond).array();
      const auto radial = radial_.segment(i, below.size()).transpose().array() + radial_(j);
      return (turned - radial).abs().max(floor * (turned.abs() + radial.abs())).matrix();
    });
    const T mean =
        sum_of_chunks<T>(pairs.size(), this->crew_,
                         [&](Index start, Index size) { return pairs.segment(start, size).sum(); }) /
        static_cast<T>(pairs.size());
    assign(pairs, pairs.cwiseMax(std::numeric_limits<T>::epsilon() * mean), this->crew_);
    return mean > T(0) && std::isfinite(mean);
  }

 private:
  // Where the two sides nearly cancel the estimate says little.
  static constexpr T floor = T(1e-2);

  T at(const Matrix<T>& p, Vector<T>& gradient) {
    const T value = this->evaluate(p);
    multiply_nt(this->product_, this->gradient_, p, this->crew_);
    radial_ = this->product_.diagonal();
    pack_skew_part(this->product_, this->sign_, gradient, this->crew_);
    return value;
  }

  Retraction<T> retraction_;
  Matrix<T> tangent_;
  Vector<T> velocity_;
  Matrix<T> trial_;
  Vector<T> radial_;
  Index steps_ = 0;
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
