// The likelihood of a ridge in the spectrum of a matrix: in each row, a line on a floor.
#pragma once

#include <cmath>
#include <utility>
#include <vector>

#include "matrix.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// Offset, exponent and log width of a ridge: the line of link frequency k is at
// exp(offset + exponent (log k - mean log k)).
using Theta = Eigen::Vector3d;

// Derivatives of the log-likelihood by theta, where each share follows to its own maximum.
struct RidgeSlopes {
  Eigen::Matrix<double, Eigen::Dynamic, 3, Eigen::RowMajor> scores;  // the gradient, by link frequency
  Eigen::Matrix3d hessian;                                           // the sum over link frequencies
  Vector<double> share_step;  // Newton step of each share, theta held
  Eigen::Matrix<double, Eigen::Dynamic, 3, Eigen::RowMajor> share_slope;  // how it follows theta
  double gain;  // what the steps of the shares promise
};

// Each link frequency has a `share` of its power in the line. What it computed last is kept, so an
// instance is not for several threads.
template <class T>
class RidgeLikelihood {
 public:
  // Rows of `spectra` are distributions over `frequency`, whose points are evenly spaced; `resolution`
  // is the standard deviation of the line of one wave.
  RidgeLikelihood(Matrix<T> spectra, const Vector<T>& frequency, double resolution, Poll poll)
      : poll_(std::move(poll)),
        spectra_(std::move(spectra)),
        frequency_(frequency.transpose()),
        step_(double(frequency(1)) - double(frequency(0))),
        least_variance_(resolution * resolution + step_ * step_ / 12),
        lever_(Vector<double>::LinSpaced(spectra_.rows(), 1, double(spectra_.rows())).array().log()),
        share_(Vector<double>::Constant(spectra_.rows(), 0.3)),
        lines_(spectra_.rows()),
        line_(spectra_.rows(), spectra_.cols()),
        likelihood_(spectra_.rows(), spectra_.cols()) {
    lever_.array() -= lever_.mean();
  }

  const Vector<double>& share() const { return share_; }

  // Log-likelihood against the floor alone, by link frequency, at the best shares, found to `settled`.
  Vector<double> values(const Theta& theta, double settled) {
    place(theta);
    Vector<double> found(share_.size());
    for (Index k = 0; k < share_.size(); ++k) {
      improve_share(k, settled);
      found(k) = value(k);
    }
    return found;
  }

  // Go to theta and the shares; return the log-likelihood against the floor alone.
  double move(const Theta& theta, const Vector<double>& share) {
    place(theta);
    share_ = share.cwiseMax(least_share).cwiseMin(most_share);
    double sum = 0;
    for (Index k = 0; k < share_.size(); ++k) sum += value(k);
    return sum;
  }

  // The derivatives where it was last.
  RidgeSlopes slopes() const {
    const Index n = share_.size();
    RidgeSlopes found{decltype(RidgeSlopes::scores)(n, 3), Eigen::Matrix3d::Zero(),
                      Vector<double>::Zero(n), decltype(RidgeSlopes::share_slope)(n, 3), 0};
    for (Index k = 0; k < n; ++k) {
      poll_();
      add_slopes(k, found);
    }
    return found;
  }

 private:
  // A line of the least width may sum to 1.003 on a coarse axis: nothing of the floor would be left
  // at 1.
  static constexpr double least_share = 1e-4, most_share = 0.99;
  // Curvature below which a share has no say: its line is off the axis, where what little is left of it
  // is rounding.
  static constexpr double faint = 1e-16;

  using Row = Eigen::Array<T, 1, Eigen::Dynamic>;

  // Center and variance of a line, the ridge's own part of the variance, and the mean of the line.
  struct Line {
    double center, variance, spread;
    T mean;
  };

  // Work out the line of each link frequency.
  void place(const Theta& theta) {
    const auto size = double(frequency_.size());
    for (Index k = 0; k < lever_.size(); ++k) {
      poll_();
      Line& line = lines_[k];
      line.center = std::exp(std::clamp(theta(0) + theta(1) * lever_(k), -8.0, 8.0));
      line.spread = std::pow(std::exp(theta(2)) * line.center, 2);
      // The width of a bin adds to that of the line.
      line.variance = least_variance_ + line.spread;
      const T height = T(size * step_ / std::sqrt(2 * EIGEN_PI * line.variance));
      auto row = line_.row(k).array();
      // Where nothing of the line is left its logarithm may be what it wants; beyond -700 exp is slow.
      row =
          height * ((frequency_ - T(line.center)).square() * T(-0.5 / line.variance)).max(T(-100)).exp();
      line.mean = row.mean();
    }
  }

  // What of the line lies beyond the axis goes to the floor.
  auto excess(Index k) const { return line_.row(k).array() - lines_[k].mean; }

  // Return the log-likelihood of a row, and keep the likelihoods.
  double value(Index k) {
    auto row = likelihood_.row(k).array();
    row = T(share_(k)) * excess(k) + T(1);
    return (spectra_.row(k).array() * row.log()).sum();
  }

  // Maximize over the share of a row, a concave function, from where it was last: Newton's method.
  void improve_share(Index k, double settled) {
    double& share = share_(k);
    Row slope(spectra_.cols());
    for (int step = 0; step < 20; ++step) {
      slope = excess(k) / (T(share) * excess(k) + T(1));
      const double first = (spectra_.row(k).array() * slope).sum();
      const double second = (spectra_.row(k).array() * slope.square()).sum();
      const double before = share;
      share = std::clamp(share + first / std::max(second, 1e-300), least_share, most_share);
      if (!(std::abs(share - before) > settled)) break;
    }
  }

  // The derivatives of a normal density by its center are Hermite polynomials times the density, and its
  // derivative by the variance is half the second one by the center.
  void add_slopes(Index k, RidgeSlopes& all) const {
    const Line& line = lines_[k];
    const double share = share_(k), variance = line.variance, deviation = std::sqrt(variance);
    const auto density = line_.row(k).array();
    const Row beyond = excess(k);
    // Derivatives of the logarithm by the line: p / L, and p / L^2.
    const Row inverse = spectra_.row(k).array() / likelihood_.row(k).array();
    const Row square = inverse / likelihood_.row(k).array();
    const double by_share = (inverse * beyond).sum(), own = (square * beyond.square()).sum();

    const Row z = (frequency_ - T(line.center)) * T(1 / deviation);
    Row first = density * z, second = first * z - density;
    Row pull = inverse - inverse.mean();
    const double h1 = (pull * first).sum(), h2 = (pull * second).sum();
    pull *= z;
    const double bent1 = (pull * first).sum(), bent2 = (pull * second).sum();
    pull *= z;
    const double h3 = bent2 - 2 * h1, h4 = (pull * second).sum() - 2 * bent1 - 3 * h2;
    first -= first.mean();
    second -= second.mean();
    const double s11 = (square * first.square()).sum(), s12 = (square * first * second).sum();
    const double s22 = (square * second.square()).sum();

    // By center and variance of the line.
    const Eigen::Vector2d by_line(share * h1 / deviation, share * h2 / (2 * variance));
    const Eigen::Vector2d mixed((square * first).sum() / deviation,
                                (square * second).sum() / (2 * variance));
    Eigen::Matrix2d curvature;
    curvature(0, 0) = (share * h2 - share * share * s11) / variance;
    curvature(0, 1) = (share * h3 - share * share * s12) / (2 * variance * deviation);
    curvature(1, 0) = curvature(0, 1);
    curvature(1, 1) = (share * h4 - share * share * s22) / (4 * variance * variance);

    const double follows = is_free(share, by_share) && own > faint ? 1 / own : 0;
    const Eigen::Vector2d gradient = by_line + follows * by_share * mixed;
    curvature += follows * mixed * mixed.transpose();
    // Of the logarithms of center and spread, how they follow theta.
    curvature(0, 0) += by_line(0) / line.center;
    curvature(1, 1) += by_line(1) / line.spread;
    Eigen::Matrix<double, 2, 3> chain;
    chain.row(0) = line.center * Eigen::RowVector3d(1, lever_(k), 0);
    chain.row(1) = 2 * line.spread * Eigen::RowVector3d(1, lever_(k), 1);
    all.scores.row(k) = gradient.transpose() * chain;
    all.hessian += chain.transpose() * curvature * chain;
    all.share_step(k) = follows * by_share;
    all.share_slope.row(k) = follows * mixed.transpose() * chain;
    all.gain += follows * by_share * by_share;
  }

  // Whether a share may move: not if it is at an end that it would leave.
  static bool is_free(double share, double slope) {
    return !(share <= least_share && slope <= 0) && !(share >= most_share && slope >= 0);
  }

  Poll poll_;
  Matrix<T> spectra_;
  Row frequency_;
  double step_, least_variance_;
  Vector<double> lever_, share_;
  std::vector<Line> lines_;
  Matrix<T> line_, likelihood_;
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
