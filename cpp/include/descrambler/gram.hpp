// Gram matrix of signals in one pass: the signals of a layer exist one small block of rows at a time.
#pragma once

#include <algorithm>
#include <type_traits>

#include "activation.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

template <class T>
using ConstRows = Eigen::Ref<const Matrix<T>>;

// A Gram matrix (upper triangle) of a layer's signals and their sum, both float64.
class GramSum {
 public:
  explicit GramSum(Index n) : matrix_(Matrix<double>::Zero(n, n)), sum_(Vector<double>::Zero(n)) {}

  // Signals f(x W^T + b) of inputs x.
  template <class T>
  void add_layer(const ConstRows<T>& x, const ConstRows<T>& weight, const Vector<T>& bias,
                 ActivationKind activation, T slope, const Poll& poll) {
    Matrix<T> signals(block, weight.rows());
    for (Index start = 0; start < x.rows(); start += block) {
      poll();
      const Index count = std::min(block, x.rows() - start);
      auto z = signals.topRows(count);
      z.noalias() = x.middleRows(start, count) * weight.transpose();
      z.rowwise() += bias.transpose();
      activate<T>(activation, slope, {signals.data(), count * signals.cols()});
      add(z);
    }
  }

  // Completes the matrix below its diagonal.
  void mirror() { matrix_.triangularView<Eigen::StrictlyLower>() = matrix_.transpose(); }

  const Matrix<double>& matrix() const { return matrix_; }
  const Vector<double>& sum() const { return sum_; }
  // Whether any signal is not zero.
  bool any() const { return any_; }

 private:
  static constexpr Index block = 512;

  template <class Rows>
  void add(const Rows& rows) {
    any_ = any_ || (rows.array() != 0).any();
    if constexpr (std::is_same_v<typename Rows::Scalar, double>) {
      matrix_.selfadjointView<Eigen::Upper>().rankUpdate(rows.transpose());
      sum_ += rows.colwise().sum().transpose();
    } else {
      wide_ = rows.template cast<double>();
      matrix_.selfadjointView<Eigen::Upper>().rankUpdate(wide_.transpose());
      sum_ += wide_.colwise().sum().transpose();
    }
  }

  Matrix<double> matrix_, wide_;
  Vector<double> sum_;
  bool any_ = false;
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
