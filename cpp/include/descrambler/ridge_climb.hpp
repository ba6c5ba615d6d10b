// The way to the nearest maximum of a ridge's likelihood.
#pragma once

#include <Eigen/Eigenvalues>

#include "ridge.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// Theta, the shares there, and the log-likelihood.
struct RidgePoint {
  Theta theta;
  Vector<double> share;
  double value;
};

// A Newton step within the bounds and the reach, and twice what its model promises.
struct RidgeStep {
  Theta step;
  double promised;
};

inline Theta lowest_theta() {
  return {-8, -8, std::log(1e-3)};
}
inline Theta highest_theta() {
  return {8, 8, std::log(2.0)};
}

inline RidgeStep newton_step(const Theta& theta, const RidgeSlopes& slopes) {
  // Longest step in offset, exponent and log width: beyond it the quadratic model does not hold.
  const Theta reach(0.5, 0.5, 1);
  const Theta low = lowest_theta(), high = highest_theta();
  Theta gradient = slopes.scores.colwise().sum();
  Eigen::Matrix3d hessian = slopes.hessian;
  for (Index i = 0; i < 3; ++i) {
    if (gradient(i) < 0 ? theta(i) > low(i) : theta(i) < high(i)) continue;
    gradient(i) = 0;
    hessian.row(i).setZero();
    hessian.col(i).setZero();
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d> solver(-hessian);
  // Uphill where the likelihood is convex, too.
  Theta curvature = solver.eigenvalues().cwiseAbs();
  curvature = curvature.cwiseMax(1e-6 * std::max(1.0, curvature.maxCoeff()));
  const Theta along = solver.eigenvectors().transpose() * gradient;
  Theta step = solver.eigenvectors() * along.cwiseQuotient(curvature);
  step /= std::max(1.0, step.cwiseAbs().cwiseQuotient(reach).maxCoeff());
  return {step, gradient.dot(step)};
}

// Go uphill until a step promises less than `settled` nats, or cannot lead to `best` any more: Newton's
// method in theta and the shares together, so that a step of theta costs one evaluation, not a search
// over shares.
template <class T>
RidgePoint climb(RidgeLikelihood<T>& model, RidgePoint at, double settled, double best) {
  // A start is given up if after so many steps four times what its model promises does not reach the
  // best.
  constexpr int steps = 60, halvings = 10, patience = 3;
  at.value = model.move(at.theta, at.share);
  at.share = model.share();
  for (int number = 0; number < steps; ++number) {
    const RidgeSlopes slopes = model.slopes();
    auto [step, promised] = newton_step(at.theta, slopes);
    promised += slopes.gain;
    if (promised < settled || (number >= patience && at.value + 2 * promised < best)) break;
    const RidgePoint before = at;
    for (int halving = 0; halving < halvings && !(at.value > before.value); ++halving, step /= 4) {
      const Theta moved = (before.theta + step).cwiseMax(lowest_theta()).cwiseMin(highest_theta());
      const Vector<double> share =
          before.share + slopes.share_step + slopes.share_slope * (moved - before.theta);
      const double reached = model.move(moved, share);
      if (reached > before.value) at = {moved, model.share(), reached};
    }
    if (!(at.value > before.value)) break;
  }
  return at;
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
