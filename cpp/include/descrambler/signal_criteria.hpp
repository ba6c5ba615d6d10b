// Criteria of the descrambled signals Y = X P^T, met one block of rows at a time: two products and one
// pass over a block that stays in the cache, and no matrix of the size of X.
#pragma once

#include <memory>
#include <vector>

#include "criteria.hpp"
#include "signal_terms.hpp"

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

// For curvatures a sample of the signals is enough.
inline Index curvature_sample(Index n) {
  return std::max<Index>(1000, 4 * n);
}

// Weighted sum of terms, each a function of one descrambled signal, over all signals.
template <class T>
class SignalSum final : public Criterion<T> {
 public:
  using Terms = std::vector<std::pair<double, std::shared_ptr<SignalTerm<T>>>>;
  SignalSum(Signals<T> signals, Terms terms) : loop_(signals), terms_(std::move(terms)) {}

  Index size() const override { return loop_.n(); }
  double scale() const override {
    double sum = 0;
    for (const auto& [weight, term] : terms_) sum += std::abs(weight);
    return sum * static_cast<double>(loop_.n()) * static_cast<double>(loop_.count());
  }

  double value_and_gradient(const Matrix<T>& p, Matrix<T>& gradient, const Poll& poll) override {
    double value = 0;
    loop_.gradient(p, gradient, poll, [&](ConstRow<T> y, Row<T> slope) {
      for (const auto& [weight, term] : terms_)
        value += weight * term->add(y, static_cast<T>(weight), slope);
    });
    return value;
  }

  bool curvature(Matrix<T>& pairs, const Poll& poll) override {
    loop_.curvature(pairs, curvature_sample(size()), poll, [&](ConstRow<T> y, Row<T> curvature) {
      for (const auto& [weight, term] : terms_)
        term->add_curvature(y, static_cast<T>(weight), curvature);
    });
    return true;
  }

 private:
  SignalLoop<T> loop_;
  Terms terms_;
};

// sum_i m (sum y_i^4) / (sum y_i^2)^2: the kurtosis of every unit over the m signals. Its curvature is
// left unknown: where signals are not white the estimate by pairs misleads.
template <class T>
class Kurtosis final : public Criterion<T> {
 public:
  Kurtosis(Signals<T> signals, Matrix<T> b)
      : loop_(signals),
        b_(std::move(b)),
        product_(b_.rows(), b_.cols()),
        fourth_(b_.rows()),
        power_(b_.rows()) {}

  Index size() const override { return loop_.n(); }
  double scale() const override { return 3 * static_cast<double>(loop_.n()); }

  double value_and_gradient(const Matrix<T>& p, Matrix<T>& gradient, const Poll& poll) override {
    fourth_.setZero();
    loop_.gradient(p, gradient, poll, [&](ConstRow<T> y, Row<T> slope) {
      slope = y.cube();
      fourth_ += (y * slope).template cast<double>();
    });
    multiply(product_, p, b_, poll);
    power_ = product_.cwiseProduct(p).rowwise().sum().template cast<double>();
    const Eigen::ArrayXd inverse = inverse_power();
    const Eigen::ArrayXd kurtosis = count() * fourth_ * inverse.square();
    gradient.array().colwise() *= (4 * count() * inverse.square()).template cast<T>();
    product_.array().colwise() *= (4 * kurtosis * inverse).template cast<T>();
    gradient -= product_;
    return kurtosis.sum();
  }

 private:
  double count() const { return static_cast<double>(loop_.count()); }

  // A unit without power has no kurtosis.
  Eigen::ArrayXd inverse_power() const {
    const double least = std::numeric_limits<T>::epsilon() * power_.sum();
    return (power_ > least).select(power_.inverse(), 0);
  }

  SignalLoop<T> loop_;
  Matrix<T> b_, product_;
  Eigen::ArrayXd fourth_, power_;
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
