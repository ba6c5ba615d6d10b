// Gram matrix of signals in one pass: the signals of a layer exist one small block of rows at a time.
#pragma once

#include "activation.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

template <class T>
using ConstRows = Eigen::Ref<const Matrix<T>>;

// Adds rows to a Gram matrix (upper triangle) and to their sum, both float64.
class GramSum {
 public:
  explicit GramSum(Index n) : matrix(Matrix<double>::Zero(n, n)), sum(Vector<double>::Zero(n)) {}

  template <class T>
  void add(const ConstRows<T>& rows, const Poll& poll) {
    for_each_block(rows.rows(), poll,
                   [&](Index start, Index count) { add_block(rows.middleRows(start, count)); });
  }

  // Signals f(x W^T + b) of inputs x.
  template <class T>
  void add_layer(const ConstRows<T>& x, const ConstRows<T>& weight, const Vector<T>& bias,
                 ActivationKind activation, T slope, const Poll& poll) {
    Matrix<T> signals(block, weight.rows());
    for_each_block(x.rows(), poll, [&](Index start, Index count) {
      auto z = signals.topRows(count);
      z.noalias() = x.middleRows(start, count) * weight.transpose();
      z.rowwise() += bias.transpose();
      activate<T>(activation, slope, {signals.data(), count * signals.cols()});
      add_block(z);
    });
  }

  void mirror() { matrix.triangularView<Eigen::StrictlyLower>() = matrix.transpose(); }

 private:
  static constexpr Index block = 512;

  template <class Visit>
  static void for_each_block(Index rows, const Poll& poll, Visit visit) {
    for (Index start = 0; start < rows; start += block) {
      poll();
      visit(start, std::min(block, rows - start));
    }
  }

  template <class Rows>
  void add_block(const Rows& rows) {
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
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
