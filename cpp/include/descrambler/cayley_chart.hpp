// One Cayley chart about the start, as in the reference implementation.
#pragma once

#include <utility>

#include "problem.hpp"
#include "vectors.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// The reference's chart: P = (1 + Q)^-1 (1 - Q) P_0, one Q from start to end (paper, Eqs 6-8).
template <class T>
class CayleyChart final : public Problem<T> {
 public:
  CayleyChart(Objective<T> objective, Matrix<T> start, Crew crew)
      : Problem<T>(objective, start, std::move(crew)),
        resolvent_(this->n_),
        origin_(std::move(start)),
        origin_is_identity_(origin_.isIdentity(T(0))),
        trial_(this->n_, this->n_),
        here_(Vector<T>::Zero(this->dimension())),
        there_(this->dimension()) {}

  // Value and gradient with respect to the generator.
  T value_and_gradient(const Vector<T>& generator, Vector<T>& gradient) {
    unpack_generator(generator, this->work_, this->crew_);
    this->work_.diagonal().setOnes();
    resolvent_.compute_of_skew(this->work_, this->crew_);
    const Matrix<T>& k = resolvent_.k();
    for_each_row(k.rows(), this->crew_, [&](Index i) { trial_.row(i) = T(2) * k.row(i); });
    trial_.diagonal().array() -= T(1);
    if (!origin_is_identity_) {
      multiply(this->work_, trial_, origin_, this->crew_);
      trial_.swap(this->work_);
    }
    const T value = this->evaluate(trial_);
    if (!origin_is_identity_) {
      multiply_nt(this->work_, this->gradient_, origin_, this->crew_);
      this->gradient_.swap(this->work_);
    }
    multiply_tn(this->product_, k, this->gradient_, this->crew_);
    multiply_nt(this->work_, this->product_, k, this->crew_);
    pack_skew_part(this->work_, T(-2) * this->sign_, gradient, this->crew_);
    return value;
  }

  T start(Vector<T>& gradient) override { return value_and_gradient(here_, gradient); }

  Sample<T> sample(const Vector<T>& direction, T step, Vector<T>& gradient) override {
    assign(there_, here_ + step * direction, this->crew_);
    const T value = value_and_gradient(there_, gradient);
    return {step, value, dot<T>(gradient, direction, this->crew_)};
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
