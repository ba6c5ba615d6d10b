// Functions of one descrambled signal y = P s, with their slopes.
#pragma once

#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "signals.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// sum y^4
template <class T>
class Quartic final : public SignalTerm<T> {
 public:
  std::shared_ptr<SignalTerm<T>> again() const override { return std::make_shared<Quartic>(*this); }
  double add(ConstRow<T> y, T weight, Row<T> slope) override {
    slope += (T(4) * weight) * y.cube();
    return y.square().square().sum();
  }
  void add_curvature(ConstRow<T> y, T weight, Row<T> curvature) override {
    curvature += (T(12) * weight) * y.square();
  }
};

// -sum y^2 log(y^2 / ||y||^2): the Shannon entropy of the normalized power, times the power.
template <class T>
class Entropy final : public SignalTerm<T> {
 public:
  std::shared_ptr<SignalTerm<T>> again() const override { return std::make_shared<Entropy>(*this); }
  double add(ConstRow<T> y, T weight, Row<T> slope) override {
    logarithm(y);
    slope -= (T(2) * weight) * y * logarithm_;
    return -(y.square() * logarithm_).sum();
  }
  void add_curvature(ConstRow<T> y, T weight, Row<T> curvature) override {
    logarithm(y);
    curvature -= weight * (T(2) * logarithm_ + T(4));
  }

 private:
  void logarithm(ConstRow<T> y) {
    constexpr T tiny = std::numeric_limits<T>::min();
    logarithm_ = (y.square() + tiny).log() - std::log(y.square().sum() + tiny);
  }

  Eigen::Array<T, Eigen::Dynamic, 1> logarithm_;
};

// sum sqrt(y^2 + w^2) - w: the L1 norm, rounded over the width w.
template <class T>
class SmoothL1 {
 public:
  explicit SmoothL1(T width) : square_(width * width), width_(width) {}

  // In place of x: f'(x); returns the sum of f(x).
  template <class X>
  double slope(X& x) {
    root_ = (x.square() + square_).sqrt();
    const T sum = root_.sum() - width_ * static_cast<T>(x.size());
    x /= root_;
    return sum;
  }
  // In place of x: f''(x).
  template <class X>
  void curvature(X& x) {
    x = square_ / (x.square() + square_).cube().sqrt();
  }

 private:
  T square_, width_;
  Eigen::Array<T, Eigen::Dynamic, 1> root_;
};

// sum min(sign * x, 0)^2: what runs against the sign.
template <class T>
class Descent {
 public:
  explicit Descent(T sign) : sign_(sign) {}

  template <class X>
  double slope(X& x) {
    x = (sign_ * x).min(T(0));
    const T sum = x.square().sum();
    x *= T(2) * sign_;
    return sum;
  }
  template <class X>
  void curvature(X& x) {
    x = (sign_ * x < T(0)).select(T(2), Eigen::Array<T, Eigen::Dynamic, 1>::Zero(x.size()));
  }

 private:
  T sign_;
};

template <class T, class Function>
class Entries final : public SignalTerm<T> {
 public:
  std::shared_ptr<SignalTerm<T>> again() const override { return std::make_shared<Entries>(*this); }
  explicit Entries(Function function) : function_(std::move(function)) {}

  double add(ConstRow<T> y, T weight, Row<T> slope) override {
    x_ = y;
    const double value = function_.slope(x_);
    slope += weight * x_;
    return value;
  }
  void add_curvature(ConstRow<T> y, T weight, Row<T> curvature) override {
    x_ = y;
    function_.curvature(x_);
    curvature += weight * x_;
  }

 private:
  Function function_;
  Eigen::Array<T, Eigen::Dynamic, 1> x_;
};

// The function of the steps y_{i+1} - y_i along the link axis, closed to a ring or open.
template <class T, class Function>
class Steps final : public SignalTerm<T> {
 public:
  std::shared_ptr<SignalTerm<T>> again() const override { return std::make_shared<Steps>(*this); }
  Steps(Function function, bool periodic) : function_(std::move(function)), periodic_(periodic) {}

  double add(ConstRow<T> y, T weight, Row<T> slope) override {
    differences(y);
    const double value = function_.slope(x_);
    scatter(T(-weight), weight, slope);
    return value;
  }
  void add_curvature(ConstRow<T> y, T weight, Row<T> curvature) override {
    differences(y);
    function_.curvature(x_);
    scatter(weight, weight, curvature);
  }

 private:
  void differences(ConstRow<T> y) {
    const Index last = y.size() - 1;
    x_.resize(periodic_ ? last + 1 : last);
    x_.head(last) = y.tail(last) - y.head(last);
    if (periodic_) x_(last) = y(0) - y(last);
  }
  void scatter(T from, T to, Row<T> out) {
    const Index last = out.size() - 1;
    out.head(last) += from * x_.head(last);
    out.tail(last) += to * x_.head(last);
    if (periodic_) {
      out(last) += from * x_(last);
      out(0) += to * x_(last);
    }
  }

  Function function_;
  bool periodic_;
  Eigen::Array<T, Eigen::Dynamic, 1> x_;
};

// sum |r_i - c|^2 y_i^2 for points r_i and c the centre of the signal's own power. The centre minimizes
// the sum, so that moving it adds nothing to the slope.
template <class T>
class Spread final : public SignalTerm<T> {
 public:
  std::shared_ptr<SignalTerm<T>> again() const override { return std::make_shared<Spread>(*this); }
  using Points = Eigen::Array<T, 2, Eigen::Dynamic, Eigen::RowMajor>;
  explicit Spread(Points points) : points_(std::move(points)) {}

  double add(ConstRow<T> y, T weight, Row<T> slope) override {
    distances(y);
    slope += (T(2) * weight) * y * distance_;
    return (y.square() * distance_).sum();
  }
  void add_curvature(ConstRow<T> y, T weight, Row<T> curvature) override {
    distances(y);
    curvature += (T(2) * weight) * distance_;
  }

 private:
  void distances(ConstRow<T> y) {
    power_ = y.square();
    const T total = power_.sum();
    const T inverse = total > T(0) ? T(1) / total : T(0);
    const T first = (power_ * points_.row(0).transpose()).sum() * inverse;
    const T second = (power_ * points_.row(1).transpose()).sum() * inverse;
    distance_ =
        (points_.row(0).transpose() - first).square() + (points_.row(1).transpose() - second).square();
  }

  Points points_;
  Eigen::Array<T, Eigen::Dynamic, 1> power_, distance_;
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
