// The exponential chart: exp of a matrix in storage that is reused, its pull-back, and the logarithm.
#pragma once

#include "group.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// Scaling and squaring with the diagonal [6/6] Pade approximant (Golub and Van Loan, section 9.3):
// its error is below 4e-16 where the norm is at most 1/2, and a diagonal approximant of a skew matrix
// is orthogonal by construction.
template <class T>
class Exponential {
 public:
  explicit Exponential(Index n)
      : scaled_(n, n), square_(n, n), even_(n, n), odd_(n, n), work_(n, n), resolvent_(n) {}

  void operator()(const Matrix<T>& q, Matrix<T>& p, const Crew& crew);

 private:
  void pade(Matrix<T>& p, const Crew& crew);

  Matrix<T> scaled_, square_, even_, odd_, work_;
  Resolvent<T> resolvent_;
};

// Outside the class, so that the extension compiles them once (cpp/compiled/group.cpp).
template <class T>
void Exponential<T>::operator()(const Matrix<T>& q, Matrix<T>& p, const Crew& crew) {
  const T norm = q.cwiseAbs().rowwise().sum().maxCoeff();
  const int squarings = std::max(0, std::min(std::ilogb(norm), 60) + 2);
  scaled_ = q * std::ldexp(T(1), -squarings);
  pade(p, crew);
  for (int step = 0; step < squarings; ++step) {
    multiply(work_, p, p, crew);
    p.swap(work_);
  }
}

// (even - X odd)^-1 (even + X odd), coefficients c_k = 6! (12-k)! / (12! k! (6-k)!).
template <class T>
void Exponential<T>::pade(Matrix<T>& p, const Crew& crew) {
  constexpr double c[] = {1., 1. / 2, 5. / 44, 1. / 66, 1. / 792., 1. / 15840, 1. / 665280.};
  multiply(square_, scaled_, scaled_, crew);
  multiply(work_, square_, square_, crew);
  even_ = T(c[2]) * square_ + T(c[4]) * work_;
  odd_ = T(c[3]) * square_ + T(c[5]) * work_;
  odd_.diagonal().array() += T(c[1]);
  multiply(p, work_, square_, crew);
  even_ += T(c[6]) * p;
  even_.diagonal().array() += T(c[0]);
  multiply(work_, scaled_, odd_, crew);
  odd_ = even_ - work_;
  even_ += work_;
  resolvent_.compute(odd_, crew);
  multiply(p, resolvent_.k(), even_, crew);
}

// d value / dQ for P = exp(Q): the adjoint of the Frechet derivative at Q is the derivative at -Q, and
// exp [[A, E], [0, A]] carries the derivative of exp at A along E in its corner (Higham, Functions of
// Matrices, section 3.2).
template <class T>
Matrix<T> exp_pullback(const Matrix<T>& q, const Matrix<T>& gradient) {
  const Index n = q.rows();
  const T norm = gradient.norm();
  if (norm == T(0)) return Matrix<T>::Zero(n, n);
  Matrix<T> block = Matrix<T>::Zero(2 * n, 2 * n), image(2 * n, 2 * n);
  block.topLeftCorner(n, n) = -q;
  block.bottomRightCorner(n, n) = -q;
  block.topRightCorner(n, n) = gradient / norm;
  Exponential<T> exponential(2 * n);
  exponential(block, image, [] {});
  return T(2) * norm * skew_part<T>(image.topRightCorner(n, n));
}

// Principal logarithm. The square root of a rotation is the polar factor of 1 + P; near the identity,
// log P = 2 artanh X with X = (P - 1) (P + 1)^-1. False where P has an eigenvalue -1, as for Cayley.
template <class T>
bool log(Matrix<T> p, Matrix<T>& q) {
  const Index n = p.rows();
  if (!inverse_cayley(p, q)) return false;
  const Crew nobody = [] {};
  Matrix<T> square(n, n), power(n, n);
  T factor = -2;
  for (; q.norm() > T(0.1); factor *= T(2)) {
    p.diagonal().array() += T(1);
    polar_in_place(p, square, power, nobody);
    inverse_cayley(p, q);
  }
  multiply(square, q, q, nobody);
  // The first term that 0.1^(2 k) leaves out is below rounding.
  Matrix<T> series = Matrix<T>::Zero(n, n);
  for (int k = 17; k >= 1; k -= 2) {
    multiply(power, square, series, nobody);
    series = power;
    series.diagonal().array() += T(1) / T(k);
  }
  multiply(power, q, series, nobody);
  q = factor * skew_part(power);
  return true;
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
