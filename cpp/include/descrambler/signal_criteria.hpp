// Criteria of the descrambled signals: sums over them of terms, and the kurtosis of every unit.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "criterion.hpp"
#include "signal_loop.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// For curvatures a sample of the signals is enough.
inline Index curvature_sample(Index n) {
  return std::max<Index>(1000, 4 * n);
}

// Weighted sum of terms, each a function of one descrambled signal, over all signals.
template <class T>
class SignalSum final : public Criterion<T> {
 public:
  using Terms = std::vector<std::pair<double, std::shared_ptr<SignalTerm<T>>>>;
  SignalSum(Signals<T> signals, Terms terms)
      : loop_(signals), values_(static_cast<std::size_t>(loop_.stripes())), terms_{std::move(terms)} {}

  Index size() const override { return loop_.n(); }
  double scale() const override {
    double sum = 0;
    for (const auto& [weight, term] : terms_.front()) sum += std::abs(weight);
    return sum * static_cast<double>(loop_.n()) * static_cast<double>(loop_.count());
  }

  double value_and_gradient(const Matrix<T>& p, Matrix<T>& gradient, const Crew& crew) override {
    while (terms_.size() < static_cast<std::size_t>(crew.workers())) terms_.push_back(terms_again());
    std::fill(values_.begin(), values_.end(), 0.0);
    loop_.gradient(p, gradient, crew, [&](ConstRow<T> y, Row<T> slope, Index stripe, int worker) {
      for (const auto& [weight, term] : terms_[static_cast<std::size_t>(worker)])
        values_[static_cast<std::size_t>(stripe)] +=
            weight * term->add(y, static_cast<T>(weight), slope);
    });
    return std::accumulate(values_.begin(), values_.end(), 0.0);
  }

  bool curvature(Matrix<T>& pairs, const Crew& crew) override {
    loop_.curvature(pairs, curvature_sample(size()), crew, [&](ConstRow<T> y, Row<T> curvature) {
      for (const auto& [weight, term] : terms_.front())
        term->add_curvature(y, static_cast<T>(weight), curvature);
    });
    return true;
  }

 private:
  // Terms keep storage, which threads do not share.
  Terms terms_again() const {
    Terms again;
    for (const auto& [weight, term] : terms_.front()) again.emplace_back(weight, term->again());
    return again;
  }

  SignalLoop<T> loop_;
  std::vector<double> values_;
  std::vector<Terms> terms_;
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
        fourth_(b_.rows(), loop_.stripes()),
        power_(b_.rows()) {}

  Index size() const override { return loop_.n(); }
  double scale() const override { return 3 * static_cast<double>(loop_.n()); }

  double value_and_gradient(const Matrix<T>& p, Matrix<T>& gradient, const Crew& crew) override {
    fourth_.setZero();
    loop_.gradient(p, gradient, crew, [&](ConstRow<T> y, Row<T> slope, Index stripe, int) {
      slope = y.cube();
      fourth_.col(stripe) += (y * slope).template cast<double>();
    });
    multiply(product_, p, b_, crew);
    power_ = product_.cwiseProduct(p).rowwise().sum().template cast<double>();
    const Eigen::ArrayXd inverse = inverse_power();
    const Eigen::ArrayXd kurtosis = count() * fourth_.rowwise().sum() * inverse.square();
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
  Eigen::ArrayXXd fourth_;
  Eigen::ArrayXd power_;
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
