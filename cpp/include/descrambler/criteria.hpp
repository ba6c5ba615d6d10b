// Figures of merit of a rotation P, with their Euclidean gradients.
#pragma once

#include "matrix.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

template <class T>
class Criterion {
 public:
  virtual ~Criterion() = default;
  virtual Index size() const = 0;
  // A bound on |value|, or an estimate of one: what rounding is measured against.
  virtual double scale() const = 0;
  // Writes the Euclidean gradient and returns the value, which is summed in float64.
  virtual double value_and_gradient(const Matrix<T>& p, Matrix<T>& gradient, const Poll& poll) = 0;
  // For a criterion that is, nearly, a sum of f_i(y_i) over signals y = P s: writes
  // pairs(i, j) = sum f_i''(y_i) y_j^2 at the point evaluated last. False where it is not known.
  virtual bool curvature(Matrix<T>&, const Poll&) { return false; }
};

// tr(diag(a) P B P^T), the Brockett function: Tikhonov smoothness (paper, Eqs 4-8) in the basis in
// which the derivative operator is diagonal.
template <class T>
class Brockett final : public Criterion<T> {
 public:
  Brockett(Vector<T> a, Matrix<T> b) : a_(std::move(a)), b_(std::move(b)), power_(a_.size()) {}

  Index size() const override { return b_.rows(); }
  double scale() const override { return a_.cwiseAbs().maxCoeff() * b_.trace(); }

  double value_and_gradient(const Matrix<T>& p, Matrix<T>& gradient, const Poll& poll) override {
    multiply(gradient, p, b_, poll);
    double value = 0;
    for (Index i = 0; i < p.rows(); ++i) {
      power_(i) = gradient.row(i).dot(p.row(i));
      value += double(a_(i)) * power_(i);
      gradient.row(i) *= T(2) * a_(i);
    }
    return value;
  }

  bool curvature(Matrix<T>& pairs, const Poll&) override {
    pairs.noalias() = T(2) * a_ * power_.transpose();
    return true;
  }

 private:
  Vector<T> a_;
  Matrix<T> b_;
  Vector<T> power_;
};

// tr(P W) (paper, Eq. 14).
template <class T>
class DiagonalSum final : public Criterion<T> {
 public:
  explicit DiagonalSum(Matrix<T> w) : w_(std::move(w)) {}

  Index size() const override { return w_.rows(); }
  double scale() const override { return w_.colwise().norm().sum(); }

  double value_and_gradient(const Matrix<T>& p, Matrix<T>& gradient, const Poll&) override {
    gradient = w_.transpose();
    return gradient.cwiseProduct(p).sum();
  }

 private:
  Matrix<T> w_;
};

// ||diag(P W)||^2 (paper, Eq. 14).
template <class T>
class DiagonalNormSquare final : public Criterion<T> {
 public:
  explicit DiagonalNormSquare(Matrix<T> w) : w_(std::move(w)) {}

  Index size() const override { return w_.rows(); }
  double scale() const override { return w_.squaredNorm(); }

  double value_and_gradient(const Matrix<T>& p, Matrix<T>& gradient, const Poll&) override {
    gradient = w_.transpose();
    double value = 0;
    for (Index i = 0; i < p.rows(); ++i) {
      const T diagonal = gradient.row(i).dot(p.row(i));
      value += double(diagonal) * diagonal;
      gradient.row(i) *= T(2) * diagonal;
    }
    return value;
  }

 private:
  Matrix<T> w_;
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
