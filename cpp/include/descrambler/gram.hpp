// Gram matrix of signals in one pass: the signals of a layer exist one small block of rows at a time.
#pragma once

#include "activation.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

template <class T>
using ConstRows = Eigen::Ref<const Matrix<T>>;

// A Gram matrix (upper triangle) of a layer's signals and their sum, both float64.
class GramSum {
 public:
  explicit GramSum(Index n) : matrix(Matrix<double>::Zero(n, n)), sum(Vector<double>::Zero(n)) {}

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

  void mirror() { matrix.triangularView<Eigen::StrictlyLower>() = matrix.transpose(); }

 private:
  static constexpr Index block = 512;

  template <class Rows>
  void add(const Rows& rows) {
    any = any || (rows.array() != 0).any();
    if constexpr (std::is_same_v<typename Rows::Scalar, double>) {
      matrix.selfadjointView<Eigen::Upper>().rankUpdate(rows.transpose());
      sum += rows.colwise().sum().transpose();
    } else {
      wide_ = rows.template cast<double>();
      matrix.selfadjointView<Eigen::Upper>().rankUpdate(wide_.transpose());
      sum += wide_.colwise().sum().transpose();
    }
  }

  Matrix<double> wide_;

 public:
  Matrix<double> matrix;
  Vector<double> sum;
  bool any = false;  // whether any signal is not zero
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
