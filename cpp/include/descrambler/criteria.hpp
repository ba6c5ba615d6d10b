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
  virtual bool maximised() const = 0;
  // A bound on |value|: what rounding is measured against.
  virtual T scale() const = 0;
  virtual T value_and_gradient(const Matrix<T>& p, Matrix<T>& gradient, const Poll& poll) = 0;
};

// tr(diag(a) P B P^T), the Brockett function: Tikhonov smoothness (paper, Eqs 4-8) in the basis in
// which the derivative operator is diagonal. Minimised.
template <class T>
class Brockett final : public Criterion<T> {
 public:
  Brockett(Vector<T> a, Matrix<T> b) : a_(std::move(a)), b_(std::move(b)) {}

  Index size() const override { return b_.rows(); }
  bool maximised() const override { return false; }
  T scale() const override { return a_.cwiseAbs().maxCoeff() * b_.trace(); }

  T value_and_gradient(const Matrix<T>& p, Matrix<T>& gradient, const Poll& poll) override {
    multiply(gradient, p, b_, poll);
    T value = 0;
    for (Index i = 0; i < p.rows(); ++i) {
      value += a_(i) * gradient.row(i).dot(p.row(i));
      gradient.row(i) *= T(2) * a_(i);
    }
    return value;
  }

 private:
  Vector<T> a_;
  Matrix<T> b_;
};

// tr(P W) (paper, Eq. 14). Maximised.
template <class T>
class DiagonalSum final : public Criterion<T> {
 public:
  explicit DiagonalSum(Matrix<T> w) : w_(std::move(w)) {}

  Index size() const override { return w_.rows(); }
  bool maximised() const override { return true; }
  T scale() const override { return w_.colwise().norm().sum(); }

  T value_and_gradient(const Matrix<T>& p, Matrix<T>& gradient, const Poll&) override {
    gradient = w_.transpose();
    return gradient.cwiseProduct(p).sum();
  }

 private:
  Matrix<T> w_;
};

// ||diag(P W)||^2 (paper, Eq. 14). Maximised.
template <class T>
class DiagonalNormSquare final : public Criterion<T> {
 public:
  explicit DiagonalNormSquare(Matrix<T> w) : w_(std::move(w)) {}

  Index size() const override { return w_.rows(); }
  bool maximised() const override { return true; }
  T scale() const override { return w_.squaredNorm(); }

  T value_and_gradient(const Matrix<T>& p, Matrix<T>& gradient, const Poll&) override {
    gradient = w_.transpose();
    T value = 0;
    for (Index i = 0; i < p.rows(); ++i) {
      const T diagonal = gradient.row(i).dot(p.row(i));
      value += diagonal * diagonal;
      gradient.row(i) *= T(2) * diagonal;
    }
    return value;
  }

 private:
  Matrix<T> w_;
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
