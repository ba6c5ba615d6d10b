// Criteria that know the signals by their Gram matrix B alone.
#pragma once

#include <utility>

#include "criterion.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// tr(diag(a) P B P^T), the Brockett function: Tikhonov smoothness (paper, Eqs 4-8) in the basis in
// which the derivative operator is diagonal.
template <class T>
class Brockett final : public Criterion<T> {
 public:
  Brockett(Vector<T> a, Matrix<T> b) : a_(std::move(a)), b_(std::move(b)), power_(a_.size()) {}

  Index size() const override { return b_.rows(); }
  double scale() const override { return a_.cwiseAbs().maxCoeff() * b_.trace(); }

  double value_and_gradient(const Matrix<T>& p, Matrix<T>& gradient, const Crew& crew) override {
    multiply(gradient, p, b_, crew);
    for_each_row(p.rows(), crew, [&](Index i) {
      power_(i) = gradient.row(i).dot(p.row(i));
      gradient.row(i) *= T(2) * a_(i);
    });
    double value = 0;
    for (Index i = 0; i < p.rows(); ++i) value += double(a_(i)) * power_(i);
    return value;
  }

  bool curvature(Matrix<T>& pairs, const Crew&) override {
    pairs.noalias() = T(2) * a_ * power_.transpose();
    return true;
  }

 private:
  Vector<T> a_;
  Matrix<T> b_;
  Vector<T> power_;
};

// tr(A P B P^T) for any symmetric A.
template <class T>
class Quadratic final : public Criterion<T> {
 public:
  Quadratic(Matrix<T> a, Matrix<T> b)
      : a_(std::move(a)), b_(std::move(b)), product_(b_.rows(), b_.cols()), power_(b_.rows()) {}

  Index size() const override { return b_.rows(); }
  double scale() const override { return a_.norm() * b_.trace(); }

  double value_and_gradient(const Matrix<T>& p, Matrix<T>& gradient, const Crew& crew) override {
    multiply(product_, p, b_, crew);
    power_ = product_.cwiseProduct(p).rowwise().sum();
    multiply(gradient, a_, product_, crew);
    double value = 0;
    for (Index i = 0; i < p.rows(); ++i) value += gradient.row(i).dot(p.row(i));
    gradient *= T(2);
    return value;
  }

  bool curvature(Matrix<T>& pairs, const Crew&) override {
    pairs.noalias() = T(2) * a_.diagonal() * power_.transpose();
    return true;
  }

 private:
  Matrix<T> a_, b_, product_;
  Vector<T> power_;
};

// sum_i (p_i - t_i)^2 over the real Fourier modes 1, cos 1, sin 1, cos 2, ... in rows, where p_i is the
// power v_i^T P B P^T v_i, averaged over a cosine and its sine: deviation of the two-sided spectrum.
template <class T>
class SpectrumDeviation final : public Criterion<T> {
 public:
  SpectrumDeviation(Matrix<T> modes, Vector<T> target, Matrix<T> b)
      : modes_(std::move(modes)),
        target_(std::move(target)),
        b_(std::move(b)),
        rotated_(b_.rows(), b_.cols()),
        product_(b_.rows(), b_.cols()),
        power_(b_.rows()) {}

  Index size() const override { return b_.rows(); }
  double scale() const override { return b_.squaredNorm() + target_.squaredNorm(); }

  double value_and_gradient(const Matrix<T>& p, Matrix<T>& gradient, const Crew& crew) override {
    multiply(rotated_, modes_, p, crew);
    multiply(product_, rotated_, b_, crew);
    power_ = product_.cwiseProduct(rotated_).rowwise().sum();
    for (Index sine = 2; sine < size(); sine += 2)
      power_.segment(sine - 1, 2).setConstant(power_.segment(sine - 1, 2).mean());
    power_ -= target_;
    product_.array().colwise() *= T(4) * power_.array();
    multiply_tn(gradient, modes_, product_, crew);
    return power_.template cast<double>().squaredNorm();
  }

 private:
  Matrix<T> modes_;
  Vector<T> target_;
  Matrix<T> b_, rotated_, product_;
  Vector<T> power_;
};

// sum_i (P B P^T)_ii^2: what varimax takes from quartimax.
template <class T>
class SquaredPower final : public Criterion<T> {
 public:
  explicit SquaredPower(Matrix<T> b) : b_(std::move(b)), power_(b_.rows()) {}

  Index size() const override { return b_.rows(); }
  double scale() const override { return b_.squaredNorm(); }

  double value_and_gradient(const Matrix<T>& p, Matrix<T>& gradient, const Crew& crew) override {
    multiply(gradient, p, b_, crew);
    double value = 0;
    for (Index i = 0; i < p.rows(); ++i) {
      power_(i) = gradient.row(i).dot(p.row(i));
      value += double(power_(i)) * power_(i);
      gradient.row(i) *= T(4) * power_(i);
    }
    return value;
  }

  bool curvature(Matrix<T>& pairs, const Crew&) override {
    pairs.noalias() = T(4) * power_ * power_.transpose();
    return true;
  }

 private:
  Matrix<T> b_;
  Vector<T> power_;
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
