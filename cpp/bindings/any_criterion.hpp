// A criterion as Python holds it: one class for both precisions.
#pragma once

#include <memory>
#include <utility>
#include <variant>

#include "bind.hpp"
#include "compiled/criteria.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

class AnyCriterion {
 public:
  template <class T>
  AnyCriterion(std::shared_ptr<Criterion<T>> criterion) : held_(std::move(criterion)) {}

  template <class T>
  bool holds() const {
    return std::holds_alternative<CriterionPointer<T>>(held_);
  }

  // The criterion in the precision of the arrays that come with it.
  template <class T>
  const CriterionPointer<T>& in() const {
    if (!holds<T>()) throw py::type_error("criteria and arrays that meet must have the same dtype");
    return std::get<CriterionPointer<T>>(held_);
  }

  Index size() const {
    return std::visit([](const auto& criterion) { return criterion->size(); }, held_);
  }
  double scale() const {
    return std::visit([](const auto& criterion) { return criterion->scale(); }, held_);
  }

 private:
  std::variant<CriterionPointer<float>, CriterionPointer<double>> held_;
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
