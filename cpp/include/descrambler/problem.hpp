// A criterion on SO(n) as a function of packed generators: what the optimiser steps in.
#pragma once

#include <cmath>

#include "criteria.hpp"
#include "line_search.hpp"
#include "retraction.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// A criterion with its sense: the charts minimise, so that one to be maximised changes its sign.
template <class T>
struct Objective {
  Criterion<T>& criterion;
  bool maximised;
};

template <class T>
class Problem {
 public:
  Problem(Objective<T> objective, Matrix<T> start, Poll poll)
      : criterion_(objective.criterion),
        poll_(std::move(poll)),
        sign_(objective.maximised ? T(-1) : T(1)),
        n_(criterion_.size()),
        gradient_(n_, n_),
        product_(n_, n_),
        work_(n_, n_),
        rotation(std::move(start)) {}
  virtual ~Problem() = default;

  Index dimension() const { return packed_size(n_); }
  double scale() const { return criterion_.scale(); }

  // Value at the current point, its gradient into `gradient`.
  virtual T start(Vector<T>& gradient) = 0;
  // The same at `step` along `direction`, and the slope there.
  virtual Sample<T> sample(const Vector<T>& direction, T step, Vector<T>& gradient) = 0;
  // Moves to the point sampled last. True where the move also undid rounding, which changes the value
  // and the gradient by more than one evaluation's rounding: they are to be had anew from start().
  virtual bool accept() = 0;
  // Positive estimates of the second derivatives at the current point; false where there are none.
  virtual bool curvature(Vector<T>&) { return false; }

 protected:
  T evaluate(const Matrix<T>& p) {
    return sign_ * static_cast<T>(criterion_.value_and_gradient(p, gradient_, poll_));
  }

  Criterion<T>& criterion_;
  Poll poll_;
  const T sign_;
  const Index n_;
  Matrix<T> gradient_, product_, work_;

 public:
  Matrix<T> rotation;
};

// The reference's chart: P = (1 + Q)^-1 (1 - Q) P_0, one Q from start to end (paper, Eqs 6-8).
template <class T>
class CayleyChart final : public Problem<T> {
 public:
  CayleyChart(Objective<T> objective, Matrix<T> start, Poll poll)
      : Problem<T>(objective, start, std::move(poll)),
        resolvent_(this->n_),
        origin_(std::move(start)),
        origin_is_identity_(origin_.isIdentity(T(0))),
        trial_(this->n_, this->n_),
        here_(Vector<T>::Zero(this->dimension())),
        there_(this->dimension()) {}

  // Value and gradient with respect to the generator.
  T value_and_gradient(const Vector<T>& generator, Vector<T>& gradient) {
    unpack_generator(generator, this->work_);
    this->work_.diagonal().setOnes();
    resolvent_.compute(this->work_, this->poll_);
    const Matrix<T>& k = resolvent_.k;
    trial_ = T(2) * k;
    trial_.diagonal().array() -= T(1);
    if (!origin_is_identity_) {
      multiply(this->work_, trial_, origin_, this->poll_);
      trial_.swap(this->work_);
    }
    const T value = this->evaluate(trial_);
    if (!origin_is_identity_) {
      multiply_nt(this->work_, this->gradient_, origin_, this->poll_);
      this->gradient_.swap(this->work_);
    }
    multiply_tn(this->product_, k, this->gradient_, this->poll_);
    multiply_nt(this->work_, this->product_, k, this->poll_);
    pack_skew_part(this->work_, T(-2) * this->sign_, gradient);
    return value;
  }

  T start(Vector<T>& gradient) override { return value_and_gradient(here_, gradient); }

  Sample<T> sample(const Vector<T>& direction, T step, Vector<T>& gradient) override {
    there_ = here_ + step * direction;
    const T value = value_and_gradient(there_, gradient);
    return {step, value, gradient.dot(direction)};
  }

  bool accept() override {
    here_.swap(there_);
    this->rotation.swap(trial_);
    return false;
  }

 private:
  Resolvent<T> resolvent_;
  Matrix<T> origin_;
  bool origin_is_identity_;
  Matrix<T> trial_;
  Vector<T> here_, there_;
};

// Every step starts a new chart: P <- R(t X) P. Gradient and direction live in so(n), acting from the
// left, so that nothing need be transported between points.
template <class T>
class RecentredChart final : public Problem<T> {
 public:
  RecentredChart(Objective<T> objective, Matrix<T> start, RetractionKind kind, Poll poll)
      : Problem<T>(objective, std::move(start), std::move(poll)),
        retraction_(kind, this->n_),
        tangent_(this->n_, this->n_),
        velocity_(this->dimension()),
        trial_(this->n_, this->n_),
        radial_(this->n_) {}

  T start(Vector<T>& gradient) override { return at(this->rotation, gradient); }

  Sample<T> sample(const Vector<T>& direction, T step, Vector<T>& gradient) override {
    unpack_generator(direction, tangent_);
    retraction_.compute(tangent_, step, this->poll_);
    multiply(trial_, retraction_.rotation, this->rotation, this->poll_);
    const T value = at(trial_, gradient);
    pack_generator(retraction_.velocity, velocity_);
    return {step, value, gradient.dot(velocity_)};
  }

  bool accept() override {
    this->rotation.swap(trial_);
    // Rounding drifts by about one unit a step: one Newton-Schulz step in a while undoes it.
    if (++steps_ % 32 != 0) return false;
    newton_schulz_step(this->rotation, this->product_, this->work_, this->poll_);
    return true;
  }

  // Turning y_i and y_j into each other by an angle changes sum f_i(y_i) to second order by
  // sum f_i'' y_j^2 + f_j'' y_i^2 - f_i' y_i - f_j' y_j (Ablin, Cardoso and Gramfort 2018), where the
  // last two are the diagonal of G P^T. Signals need not be white.
  bool curvature(Vector<T>& pairs) override {
    if (!this->criterion_.curvature(this->work_, this->poll_)) return false;
    const Matrix<T>& second = this->work_;
    for_each_packed(this->n_, [&](Index i, Index j, Index k) {
      const T turned = second(i, j) + second(j, i), radial = radial_(i) + radial_(j);
      const T natural = std::abs(turned) + std::abs(radial);
      pairs(k) = std::max(std::abs(turned - radial), floor * natural);
    });
    const T mean = pairs.mean();
    pairs = pairs.cwiseMax(std::numeric_limits<T>::epsilon() * mean);
    return mean > T(0) && std::isfinite(mean);
  }

 private:
  // Where the two sides nearly cancel the estimate says little.
  static constexpr T floor = T(1e-2);

  T at(const Matrix<T>& p, Vector<T>& gradient) {
    const T value = this->evaluate(p);
    multiply_nt(this->product_, this->gradient_, p, this->poll_);
    radial_ = this->product_.diagonal();
    pack_skew_part(this->product_, this->sign_, gradient);
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
