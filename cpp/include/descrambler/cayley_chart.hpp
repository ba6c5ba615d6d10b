// One Cayley chart about the start, as in the reference implementation.
#pragma once

#include <utility>

#include "problem.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

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
    const Matrix<T>& k = resolvent_.k();
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
    this->rotation_.swap(trial_);
    return false;
  }

 private:
  Resolvent<T> resolvent_;
  Matrix<T> origin_;
  bool origin_is_identity_;
  Matrix<T> trial_;
  Vector<T> here_, there_;
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
