// SO(n): the Cayley chart, the polar projection, and storage that their users keep.
#pragma once

#include <cmath>
#include <limits>

#include "generator.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// K = (1 + Q)^-1 by LU. The Cayley image of Q is (1 + Q)^-1 (1 - Q) = 2 K - 1.
template <class T>
class Resolvent {
 public:
  explicit Resolvent(Index n) : lu_(n), k_(n, n) {}

  void compute(const Matrix<T>& one_plus_q, const Poll& poll) {
    lu_.compute(one_plus_q);
    k_ = lu_.permutationP();
    constexpr Index panel = 512;
    for (Index column = 0; column < k_.cols(); column += panel) {
      auto block = k_.middleCols(column, std::min(panel, k_.cols() - column));
      poll();
      lu_.matrixLU().template triangularView<Eigen::UnitLower>().solveInPlace(block);
      lu_.matrixLU().template triangularView<Eigen::Upper>().solveInPlace(block);
    }
  }

  const Matrix<T>& k() const { return k_; }

 private:
  Eigen::PartialPivLU<Matrix<T>> lu_;
  Matrix<T> k_;
};

template <class T>
Matrix<T> skew_part(const Matrix<T>& m) {
  return (m - m.transpose()) / T(2);
}

// P = (1 + Q)^-1 (1 - Q).
template <class T>
Matrix<T> cayley(const Matrix<T>& q) {
  Matrix<T> p = q;
  p.diagonal().array() += T(1);
  Resolvent<T> resolvent(q.rows());
  resolvent.compute(p, [] {});
  p = T(2) * resolvent.k();
  p.diagonal().array() -= T(1);
  return p;
}

// The Cayley map is its own inverse, except where P has an eigenvalue -1. False where P is so close to
// one that Q would return it to half precision at best.
template <class T>
bool inverse_cayley(const Matrix<T>& p, Matrix<T>& q) {
  q = cayley(p);
  const bool inside = q.norm() < T(1) / std::sqrt(std::numeric_limits<T>::epsilon());
  q = skew_part(q);
  return inside;
}

// d value / dQ for P = cayley(Q): M - M^T of M = -(1+Q)^-T G (1+P)^T = -2 K^T G K^T.
template <class T>
Matrix<T> cayley_pullback(const Matrix<T>& q, const Matrix<T>& gradient) {
  Matrix<T> m = q, product(q.rows(), q.rows());
  m.diagonal().array() += T(1);
  Resolvent<T> resolvent(q.rows());
  resolvent.compute(m, [] {});
  multiply_tn(product, resolvent.k(), gradient, [] {});
  multiply_nt(m, product, resolvent.k(), [] {});
  return T(-4) * skew_part(m);
}

// One Newton-Schulz step towards the nearest orthogonal matrix; returns ||X^T X - 1||_F before it.
template <class T>
T newton_schulz_step(Matrix<T>& x, Matrix<T>& gram, Matrix<T>& product, const Poll& poll) {
  multiply_tn(gram, x, x, poll);
  gram.diagonal().array() -= T(1);
  const T error = gram.norm();
  multiply(product, x, gram, poll);
  x -= product / T(2);
  return error;
}

// X <- orthogonal polar factor of X, by matrix products alone; false where X is singular.
template <class T>
bool polar_in_place(Matrix<T>& x, Matrix<T>& gram, Matrix<T>& product, const Poll& poll) {
  const T bound = std::sqrt(x.cwiseAbs().rowwise().sum().maxCoeff()) *
                  std::sqrt(x.cwiseAbs().colwise().sum().maxCoeff());
  if (!(bound > T(0))) return false;
  x /= bound;
  // Small singular values grow by 3/2 a step: this many bring up the smallest that is not rounding.
  const T epsilon = std::numeric_limits<T>::epsilon();
  const int steps = 12 + static_cast<int>(-std::log(epsilon) / std::log(T(1.5)));
  for (int step = 0; step < steps; ++step)
    if (newton_schulz_step(x, gram, product, poll) < std::sqrt(epsilon)) return true;
  return false;
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
