// SO(n): the Cayley chart, the polar projection, and storage that their users keep.
#pragma once

#include <cmath>
#include <limits>

#include "generator.hpp"
#include "inverse.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// K = (1 + Q)^-1. The Cayley image of Q is (1 + Q)^-1 (1 - Q) = 2 K - 1.
template <class T>
class Resolvent {
 public:
  explicit Resolvent(Index n) : lu_(n), k_(n, n), room_(n < large ? 0 : n * n) {}

  // Of 1 + Q with a skew-symmetric Q: no inverse of a leading block, nor of a Schur complement,
  // exceeds 1. Without pivots the rounding grows with ||Q||^2, with them with ||Q||.
  void compute_of_skew(const Matrix<T>& one_plus_q, const Crew& crew);
  // Of any 1 + Q, by LU with pivots.
  void compute(const Matrix<T>& one_plus_q, const Crew& crew);

  const Matrix<T>& k() const { return k_; }

 private:
  static constexpr Index large = 96;
  static constexpr double largest_norm = 8;

  // Whether ||1 + Q|| is at most `largest_norm`.
  bool needs_no_pivots(const Matrix<T>& one_plus_q, const Crew& crew);
  // Spectral norm, from below, by a few steps of the power method.
  T estimated_norm(const Matrix<T>& m, const Crew& crew);

  Eigen::PartialPivLU<Matrix<T>> lu_;
  Matrix<T> k_;
  Vector<T> room_;
};

// Outside the class, so that the extension compiles them once (cpp/compiled/group.cpp).
template <class T>
void Resolvent<T>::compute_of_skew(const Matrix<T>& one_plus_q, const Crew& crew) {
  if (k_.rows() < large || !needs_no_pivots(one_plus_q, crew)) return compute(one_plus_q, crew);
  for_each_row(k_.rows(), crew, [&](Index i) { k_.row(i) = one_plus_q.row(i); });
  invert_in_place(whole(k_), room_.data(), crew);
}

template <class T>
void Resolvent<T>::compute(const Matrix<T>& one_plus_q, const Crew& crew) {
  lu_.compute(one_plus_q);
  k_ = lu_.permutationP();
  constexpr Index panel = 512;
  for (Index column = 0; column < k_.cols(); column += panel) {
    auto block = k_.middleCols(column, std::min(panel, k_.cols() - column));
    crew.poll();
    lu_.matrixLU().template triangularView<Eigen::UnitLower>().solveInPlace(block);
    lu_.matrixLU().template triangularView<Eigen::Upper>().solveInPlace(block);
  }
}

// ||1 + Q||^2 = 1 + ||Q||^2, and ||1 + Q||_F^2 = n + ||Q||_F^2, which bounds it in one pass.
template <class T>
bool Resolvent<T>::needs_no_pivots(const Matrix<T>& one_plus_q, const Crew& crew) {
  const Index n = one_plus_q.rows();
  auto squares = room_.head(n);
  for_each_row(n, crew, [&](Index i) { squares(i) = one_plus_q.row(i).squaredNorm(); });
  return squares.sum() - T(n - 1) < T(largest_norm * largest_norm) ||
         estimated_norm(one_plus_q, crew) <= T(largest_norm);
}

template <class T>
T Resolvent<T>::estimated_norm(const Matrix<T>& m, const Crew& crew) {
  auto from = room_.head(m.rows()), to = room_.segment(m.rows(), m.rows());
  for (Index i = 0; i < m.rows(); ++i) from(i) = std::cos(T(i * i % 1009));
  T norm = 0;
  for (int step = 0; step < 6; ++step) {
    from /= from.norm();
    for_each_row(m.rows(), crew, [&](Index i) { to(i) = m.row(i).dot(from); });
    norm = to.norm();
    from.swap(to);
  }
  return norm;
}

template <class T>
Matrix<T> skew_part(const Matrix<T>& m) {
  return (m - m.transpose()) / T(2);
}

// P = (1 + Q)^-1 (1 - Q), of any Q.
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
T newton_schulz_step(Matrix<T>& x, Matrix<T>& gram, Matrix<T>& product, const Crew& crew) {
  multiply_tn(gram, x, x, crew);
  gram.diagonal().array() -= T(1);
  const T error = gram.norm();
  multiply(product, x, gram, crew);
  x -= product / T(2);
  return error;
}

// X <- orthogonal polar factor of X, by matrix products alone; false where X is singular.
template <class T>
bool polar_in_place(Matrix<T>& x, Matrix<T>& gram, Matrix<T>& product, const Crew& crew) {
  multiply_tn(gram, x, x, crew);
  gram.diagonal().array() -= T(1);
  // Else no singular value exceeds sqrt(2): the steps converge from where X is.
  if (!(gram.norm() < T(1))) {
    const T bound = std::sqrt(x.cwiseAbs().rowwise().sum().maxCoeff()) *
                    std::sqrt(x.cwiseAbs().colwise().sum().maxCoeff());
    if (!(bound > T(0))) return false;
    x /= bound;
  }
  // Small singular values grow by 3/2 a step: this many bring up the smallest that is not rounding.
  const T epsilon = std::numeric_limits<T>::epsilon();
  const int steps = 12 + static_cast<int>(-std::log(epsilon) / std::log(T(1.5)));
  for (int step = 0; step < steps; ++step)
    if (newton_schulz_step(x, gram, product, crew) < std::sqrt(epsilon)) return true;
  return false;
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
