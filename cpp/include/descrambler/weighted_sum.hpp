// Weighted sums of criteria.
#pragma once

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "criterion.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

template <class T>
class WeightedSum final : public Criterion<T> {
 public:
  using Parts = std::vector<std::pair<double, std::shared_ptr<Criterion<T>>>>;
  explicit WeightedSum(Parts parts) : parts_(std::move(parts)), part_(size(), size()) {}

  Index size() const override { return parts_.front().second->size(); }

  double scale() const override {
    double sum = 0;
    for (const auto& [weight, part] : parts_) sum += std::abs(weight) * part->scale();
    return sum;
  }

  double value_and_gradient(const Matrix<T>& p, Matrix<T>& gradient, const Crew& crew) override {
    return add_up(gradient, [&](Criterion<T>& part, Matrix<T>& out) {
      return part.value_and_gradient(p, out, crew);
    });
  }

  // Parts of unknown curvature count as flat.
  bool curvature(Matrix<T>& pairs, const Crew& crew) override {
    return add_up(pairs, [&](Criterion<T>& part, Matrix<T>& out) {
             const bool known = part.curvature(out, crew);
             if (!known) out.setZero();
             return known ? 1.0 : 0.0;
           }) != 0;
  }

 private:
  template <class Visit>
  double add_up(Matrix<T>& total, Visit visit) {
    total.setZero();
    double value = 0;
    for (const auto& [weight, part] : parts_) {
      value += weight * visit(*part, part_);
      total += static_cast<T>(weight) * part_;
    }
    return value;
  }

  Parts parts_;
  Matrix<T> part_;
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
