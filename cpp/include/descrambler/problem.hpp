// A criterion on SO(n) as a function of packed generators: what the optimizer steps in.
#pragma once

#include <utility>

#include "criterion.hpp"
#include "group.hpp"
#include "line_search.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// A criterion with its sense: the charts minimize, so that one to be maximized changes its sign.
template <class T>
struct Objective {
  Criterion<T>& criterion;
  bool maximized;
};

template <class T>
class Problem {
 public:
  Problem(Objective<T> objective, Matrix<T> start, Crew crew)
      : criterion_(objective.criterion),
        crew_(std::move(crew)),
        sign_(objective.maximized ? T(-1) : T(1)),
        n_(criterion_.size()),
        gradient_(n_, n_),
        product_(n_, n_),
        work_(n_, n_),
        rotation_(std::move(start)) {}
  virtual ~Problem() = default;

  Index dimension() const { return packed_size(n_); }
  double scale() const { return criterion_.scale(); }
  const Crew& crew() const { return crew_; }
  // The current point.
  const Matrix<T>& rotation() const { return rotation_; }

  // Value at the current point, its gradient into `gradient`.
  virtual T start(Vector<T>& gradient) = 0;
  // The same at `step` along `direction`, and the slope there.
  virtual Sample<T> sample(const Vector<T>& direction, T step, Vector<T>& gradient) = 0;
  // Moves to the point sampled last; where it is interrupted, it has not moved. True where the move also
  // undid rounding, which changes the value and the gradient by more than one evaluation's rounding:
  // they are to be had anew from start().
  virtual bool accept() = 0;
  // Positive estimates of the second derivatives at the current point; false where there are none.
  virtual bool curvature(Vector<T>&) { return false; }
  // Undoes what rounding has left in the current point. Short, hence not to be interrupted.
  void orthogonalize() {
    newton_schulz_step(rotation_, product_, work_, [] {});
  }

 protected:
  T evaluate(const Matrix<T>& p) {
    return sign_ * static_cast<T>(criterion_.value_and_gradient(p, gradient_, crew_));
  }

  Criterion<T>& criterion_;
  Crew crew_;
  const T sign_;
  const Index n_;
  Matrix<T> gradient_, product_, work_, rotation_;
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
