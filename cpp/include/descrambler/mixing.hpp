// How far the eigenvectors of a sample's Gram matrix are from those of all signals.
#pragma once

#include "matrix.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// What is known of eigenvalues, descending: each a vector of k numbers.
struct Eigenvalues {
  Eigen::Map<const Vector<double>> values, squared_rounding, squared_residual;
};

// Expected squared sine of the angle of each eigenvector i: the sum over all others j of
//   (max(rounding_i, rounding_j) + residual_i + share m_ij) / (b_i - b_j)^2,
// where m_ij is b_i b_j if no moments are given.
inline Vector<double> mixing(const Eigenvalues& known, double share, const double* moments) {
  const auto b = known.values.array(), rounding = known.squared_rounding.array();
  const Index k = b.size();
  Vector<double> angles(k);
  for (Index i = 0; i < k; ++i) {
    const auto others = [&](Index start, Index size) {
      const auto closeness = (b(i) - b.segment(start, size)).square().inverse();
      const auto error = rounding.segment(start, size).max(rounding(i)) + known.squared_residual(i);
      if (!moments) return (closeness * (error + share * b(i) * b.segment(start, size))).sum();
      const Eigen::Map<const Vector<double>> row(moments + i * k, k);
      return (closeness * (error + share * row.segment(start, size).array())).sum();
    };
    angles(i) = others(0, i) + others(i + 1, k - i - 1);
  }
  return angles;
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
