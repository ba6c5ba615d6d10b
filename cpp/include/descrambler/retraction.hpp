// Curves through the identity of SO(n), and their velocities: the steps of the optimizer.
#pragma once

#include "exponential.hpp"
#include "retraction_kind.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// R(t) for a skew X, with R(0) = 1 and R'(0) = X, and its velocity V(t) = R'(t) R(t)^T.
// All three are functions of X, so everything commutes; with eigenvalues i x of X,
//   Cayley       R = (1 - tX/2)^-1 (1 + tX/2)     V: i x / (1 + (t x / 2)^2)
//   exponential  R = exp(tX)                      V: i x
//   polar        R = (1 + tX) (1 - t^2 X^2)^-1/2  V: i x / (1 + (t x)^2)
template <class T>
class Retraction {
 public:
  Retraction(RetractionKind kind, Index n)
      : kind_(kind),
        resolvent_(n),
        exponential_(kind == RetractionKind::exponential ? n : 0),
        scaled_(n, n),
        gram_(n, n),
        product_(n, n),
        rotation_(n, n),
        velocity_(n, n) {}

  void compute(const Matrix<T>& x, T t, const Crew& crew) {
    switch (kind_) {
      case RetractionKind::cayley:
        return cayley_curve(x, t, crew);
      case RetractionKind::exponential:
        return exponential_curve(x, t, crew);
      case RetractionKind::polar:
        return polar_curve(x, t, crew);
    }
  }

  const Matrix<T>& rotation() const { return rotation_; }
  const Matrix<T>& velocity() const { return velocity_; }

 private:
  // With K = (1 - tX/2)^-1, K K^T = (K + K^T) / 2, hence V = K X K^T = (K - K^T) / t.
  void cayley_curve(const Matrix<T>& x, T t, const Crew& crew) {
    for_each_row(x.rows(), crew, [&](Index i) { scaled_.row(i) = x.row(i) * (-t / T(2)); });
    scaled_.diagonal().array() += T(1);
    resolvent_.compute_of_skew(scaled_, crew);
    const Matrix<T>& k = resolvent_.k();
    for_each_row(k.rows(), crew, [&](Index i) {
      rotation_.row(i) = T(2) * k.row(i);
      velocity_.row(i) = (k.row(i) - k.col(i).transpose()) / t;
    });
    rotation_.diagonal().array() -= T(1);
  }

  void exponential_curve(const Matrix<T>& x, T t, const Crew& crew) {
    scaled_ = t * x;
    exponential_(scaled_, rotation_, crew);
    velocity_ = x;
  }

  // An eigenvalue of R is e^ia with tan a = t x, hence V = sin a cos a / t = (R^2 - R^-2) / 4t.
  void polar_curve(const Matrix<T>& x, T t, const Crew& crew) {
    rotation_ = t * x;
    rotation_.diagonal().array() += T(1);
    polar_in_place(rotation_, gram_, product_, crew);
    multiply(gram_, rotation_, rotation_, crew);
    velocity_ = (gram_ - gram_.transpose()) / (T(4) * t);
  }

  RetractionKind kind_;
  Resolvent<T> resolvent_;
  Exponential<T> exponential_;
  Matrix<T> scaled_, gram_, product_, rotation_, velocity_;
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
