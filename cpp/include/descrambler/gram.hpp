// Gram matrix of signals in one pass: the signals of a layer exist one small block of rows at a time.
#pragma once

#include <algorithm>
#include <type_traits>
#include <vector>

#include "activation.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

template <class T>
using ConstRows = Eigen::Ref<const Matrix<T>>;

template <class T>
ConstPart<T> rows_of(const ConstRows<T>& m) {
  return {m.data(), m.rows(), m.cols(), Eigen::OuterStride<>(m.outerStride())};
}

// A Gram matrix of a layer's signals and their sum, both float64.
class GramSum {
 public:
  explicit GramSum(Index n) : lanes_(lanes, Lane(n)) {}

  // Signals f(x W^T + b) of inputs x. Block by block they go to the lanes in turn, which threads share:
  // sums of lanes, added in their order, do not depend on the number of threads.
  template <class T>
  void add_layer(const ConstRows<T>& x, const ConstRows<T>& weight, const Vector<T>& bias,
                 ActivationKind activation, T slope, const Crew& crew);

  // Adds up the lanes, once, and completes the matrix below its diagonal.
  void finish() {
    Lane& total = lanes_.front();
    for (std::size_t lane = 1; lane < lanes_.size(); ++lane) {
      total.matrix += lanes_[lane].matrix;
      total.sum += lanes_[lane].sum;
      total.any = total.any || lanes_[lane].any;
    }
    lanes_.resize(1, Lane(0));
    total.matrix.triangularView<Eigen::StrictlyLower>() = total.matrix.transpose();
  }

  const Matrix<double>& matrix() const { return lanes_.front().matrix; }
  const Vector<double>& sum() const { return lanes_.front().sum; }
  // Whether any signal is not zero.
  bool any() const { return lanes_.front().any; }

 private:
  static constexpr Index block = 512;
  static constexpr Index lanes = 8;

  // The upper triangle, and the sum, of some of the signals.
  struct Lane {
    explicit Lane(Index n) : matrix(Matrix<double>::Zero(n, n)), sum(Vector<double>::Zero(n)) {}

    template <class Rows>
    void add(const Rows& rows) {
      any = any || (rows.array() != 0).any();
      if constexpr (std::is_same_v<typename Rows::Scalar, double>) {
        matrix.selfadjointView<Eigen::Upper>().rankUpdate(rows.transpose());
        sum += rows.colwise().sum().transpose();
      } else {
        wide = rows.template cast<double>();
        matrix.selfadjointView<Eigen::Upper>().rankUpdate(wide.transpose());
        sum += wide.colwise().sum().transpose();
      }
    }

    Matrix<double> matrix, wide;
    Vector<double> sum;
    bool any = false;
  };

  std::vector<Lane> lanes_;
};

// Outside the class, so that the extension compiles it once (cpp/compiled/gram.cpp).
template <class T>
void GramSum::add_layer(const ConstRows<T>& x, const ConstRows<T>& weight, const Vector<T>& bias,
                        ActivationKind activation, T slope, const Crew& crew) {
  const ConstPart<T> inputs = rows_of<T>(x), weights = rows_of<T>(weight);
  const Index blocks = (x.rows() + block - 1) / block;
  crew.each(std::min<Index>(lanes, blocks), [&](Index lane, int worker) {
    Matrix<T> signals(std::min(block, x.rows()), weight.rows());
    for (Index number = lane; number < blocks; number += lanes) {
      crew.check(worker);
      const Index start = number * block, count = std::min(block, x.rows() - start);
      auto z = signals.topRows(count);
      z.setZero();
      add_nt<T>(part(whole(signals), 0, 0, count, z.cols()), part(inputs, start, 0, count, x.cols()),
                weights);
      z.rowwise() += bias.transpose();
      activate<T>(activation, slope, {signals.data(), count * signals.cols()});
      lanes_[static_cast<std::size_t>(lane)].add(z);
    }
  });
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
