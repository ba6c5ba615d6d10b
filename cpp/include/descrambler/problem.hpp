// A criterion on SO(n) as a function of packed generators: what the optimiser steps in.
#pragma once

#include <cmath>

#include "criteria.hpp"
#include "line_search.hpp"
#include "retraction.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// Both charts minimise; a criterion to be maximised enters with its sign changed.
template <class T>
class Problem {
 public:
  Problem(Criterion<T>& criterion, Poll poll)
      : criterion_(criterion),
        poll_(std::move(poll)),
        sign_(criterion.maximised() ? T(-1) : T(1)),
        n_(criterion.size()),
        gradient_(n_, n_),
        product_(n_, n_),
        work_(n_, n_),
        rotation(Matrix<T>::Identity(n_, n_)) {}
  virtual ~Problem() = default;

  Index dimension() const { return packed_size(n_); }
  T scale() const { return criterion_.scale(); }

  // Value at the current point, its gradient into `gradient`.
  virtual T start(Vector<T>& gradient) = 0;
  // The same at `step` along `direction`, and the slope there.
  virtual Sample<T> sample(const Vector<T>& direction, T step, Vector<T>& gradient) = 0;
  // Moves to the point sampled last.
  virtual void accept() = 0;

 protected:
  T evaluate(const Matrix<T>& p) { return sign_ * criterion_.value_and_gradient(p, gradient_, poll_); }

  Criterion<T>& criterion_;
  Poll poll_;
  const T sign_;
  const Index n_;
  Matrix<T> gradient_, product_, work_;

 public:
  Matrix<T> rotation;
};

// The reference's chart: P = (1 + Q)^-1 (1 - Q), one Q from start to end (paper, Eqs 6-8).
template <class T>
class CayleyChart final : public Problem<T> {
 public:
  CayleyChart(Criterion<T>& criterion, Poll poll)
      : Problem<T>(criterion, std::move(poll)),
        resolvent_(this->n_),
        here_(Vector<T>::Zero(this->dimension())),
        there_(this->dimension()) {}

  // Value and gradient with respect to the generator.
  T value_and_gradient(const Vector<T>& generator, Vector<T>& gradient) {
    unpack_generator(generator, this->work_);
    this->work_.diagonal().setOnes();
    resolvent_.compute(this->work_, this->poll_);
    const Matrix<T>& k = resolvent_.k;
    this->rotation = T(2) * k;
    this->rotation.diagonal().array() -= T(1);
    const T value = this->evaluate(this->rotation);
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

  void accept() override { here_.swap(there_); }

 private:
  Resolvent<T> resolvent_;
  Vector<T> here_, there_;
};

// Every step starts a new chart: P <- R(t X) P. Gradient and direction live in so(n), acting from the
// left, so that nothing need be transported between points.
template <class T>
class RecentredChart final : public Problem<T> {
 public:
  RecentredChart(Criterion<T>& criterion, RetractionKind kind, Poll poll)
      : Problem<T>(criterion, std::move(poll)),
        retraction_(kind, this->n_),
        tangent_(this->n_, this->n_),
        velocity_(this->dimension()),
        trial_(this->n_, this->n_) {}

  T start(Vector<T>& gradient) override { return at(this->rotation, gradient); }

  Sample<T> sample(const Vector<T>& direction, T step, Vector<T>& gradient) override {
    unpack_generator(direction, tangent_);
    retraction_.compute(tangent_, step, this->poll_);
    multiply(trial_, retraction_.rotation, this->rotation, this->poll_);
    const T value = at(trial_, gradient);
    pack_generator(retraction_.velocity, velocity_);
    return {step, value, gradient.dot(velocity_)};
  }

  void accept() override {
    this->rotation.swap(trial_);
    // Rounding drifts by about one unit a step: one Newton-Schulz step in a while undoes it.
    if (++steps_ % 32 == 0) newton_schulz_step(this->rotation, this->product_, this->work_, this->poll_);
  }

 private:
  T at(const Matrix<T>& p, Vector<T>& gradient) {
    const T value = this->evaluate(p);
    multiply_nt(this->product_, this->gradient_, p, this->poll_);
    pack_skew_part(this->product_, this->sign_, gradient);
    return value;
  }

  Retraction<T> retraction_;
  Matrix<T> tangent_;
  Vector<T> velocity_;
  Matrix<T> trial_;
  Index steps_ = 0;
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
