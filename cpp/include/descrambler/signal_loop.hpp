// Loops over the descrambled signals Y = X P^T, met one block of rows at a time: two products and one
// pass over a block that stays in the cache, and no matrix of the size of X.
#pragma once

#include <algorithm>
#include <memory>

#include "matrix.hpp"
#include "rows.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// Signals in rows, in storage of someone else that stays as long as this does, in a unit of their own.
template <class T>
struct Signals {
  Eigen::Map<const Matrix<T>> rows;
  T unit;
  std::shared_ptr<const void> owner;
};

template <class T>
class SignalLoop {
 public:
  explicit SignalLoop(Signals<T> signals)
      : signals_(signals),
        rotation_(signals.rows.cols(), signals.rows.cols()),
        y_(block, signals.rows.cols()),
        slope_(block, signals.rows.cols()) {}

  Index n() const { return signals_.rows.cols(); }
  Index count() const { return signals_.rows.rows(); }

  // gradient = sum of slope^T x over the signals x; visit(y, slope) fills the slope of one signal.
  template <class Visit>
  void gradient(const Matrix<T>& p, Matrix<T>& gradient, const Poll& poll, Visit visit) {
    rotation_ = p / signals_.unit;
    gradient.setZero();
    for (Index start = 0; start < count(); start += block) {
      poll();
      const Index rows = std::min(block, count() - start);
      const auto x = signals_.rows.middleRows(start, rows);
      y_.topRows(rows).noalias() = x * rotation_.transpose();
      slope_.setZero();
      for (Index row = 0; row < rows; ++row) visit(y_row(row), slope_row(row));
      gradient.noalias() += slope_.topRows(rows).transpose() * x;
    }
    gradient /= signals_.unit;
  }

  // pairs(i, j) = sum of curvature_i y_j^2, from at most `most` signals evenly spread.
  // At the rotation of the last gradient.
  template <class Visit>
  void curvature(Matrix<T>& pairs, Index most, const Poll& poll, Visit visit) {
    const Index stride = (count() + most - 1) / most, taken = (count() + stride - 1) / stride;
    const Eigen::Map<const Matrix<T>, 0, Eigen::OuterStride<>> thinned(
        signals_.rows.data(), taken, n(), Eigen::OuterStride<>(stride * n()));
    pairs.setZero();
    for (Index start = 0; start < taken; start += block) {
      poll();
      const Index rows = std::min(block, taken - start);
      y_.topRows(rows).noalias() = thinned.middleRows(start, rows) * rotation_.transpose();
      slope_.setZero();
      for (Index row = 0; row < rows; ++row) visit(y_row(row), slope_row(row));
      y_ = y_.cwiseAbs2();
      pairs.noalias() += slope_.topRows(rows).transpose() * y_.topRows(rows);
    }
    pairs *= static_cast<T>(count()) / static_cast<T>(taken);
  }

 private:
  static constexpr Index block = 256;

  ConstRow<T> y_row(Index row) const { return {y_.row(row).data(), n()}; }
  Row<T> slope_row(Index row) { return {slope_.row(row).data(), n()}; }

  Signals<T> signals_;
  Matrix<T> rotation_, y_, slope_;
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
