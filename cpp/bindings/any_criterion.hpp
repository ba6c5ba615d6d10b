// A criterion as Python holds it: one class for both precisions.
#pragma once

#include <memory>
#include <utility>
#include <variant>

#include "bind.hpp"
#include "descrambler/criterion.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

class AnyCriterion {
 public:
  template <class T>
  AnyCriterion(std::shared_ptr<Criterion<T>> criterion) : held_(std::move(criterion)) {}

  template <class T>
  bool holds() const {
    return std::holds_alternative<std::shared_ptr<Criterion<T>>>(held_);
  }

  // The criterion in the precision of the arrays that come with it.
  template <class T>
  const std::shared_ptr<Criterion<T>>& in() const {
    if (!holds<T>()) throw py::type_error("criteria and arrays that meet must have the same dtype");
    return std::get<std::shared_ptr<Criterion<T>>>(held_);
  }

  Index size() const {
    return std::visit([](const auto& criterion) { return criterion->size(); }, held_);
  }
  double scale() const {
    return std::visit([](const auto& criterion) { return criterion->scale(); }, held_);
  }

 private:
  std::variant<std::shared_ptr<Criterion<float>>, std::shared_ptr<Criterion<double>>> held_;
};

// A new criterion of class `Kind`.
template <class T, class Kind, class... Arguments>
AnyCriterion make_criterion(Arguments&&... arguments) {
  return std::shared_ptr<Criterion<T>>(std::make_shared<Kind>(std::forward<Arguments>(arguments)...));
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
