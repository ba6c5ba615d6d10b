// Criteria of a weight matrix W: how diagonal P W is.
#pragma once

#include <utility>

#include "criterion.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// tr(P W) (paper, Eq. 14).
template <class T>
class DiagonalSum final : public Criterion<T> {
 public:
  explicit DiagonalSum(Matrix<T> w) : w_(std::move(w)) {}

  Index size() const override { return w_.rows(); }
  double scale() const override { return w_.colwise().norm().sum(); }

  double value_and_gradient(const Matrix<T>& p, Matrix<T>& gradient, const Crew&) override {
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

  double value_and_gradient(const Matrix<T>& p, Matrix<T>& gradient, const Crew&) override {
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
