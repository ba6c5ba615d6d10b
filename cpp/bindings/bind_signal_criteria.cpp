// Criteria of the descrambled signals.
#include "any_criterion.hpp"
#include "any_term.hpp"
#include "arrays.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

namespace {

// The criterion may outlive the array's own Python name: it keeps the array itself.
template <class T>
Signals<T> as_signals(const Array<T>& rows, double unit) {
  return {as_matrix(rows), static_cast<T>(unit), std::make_shared<const Array<T>>(rows)};
}

template <class T>
AnyCriterion signal_sum(const Array<T>& rows, double unit, const Weighted<AnyTerm>& terms) {
  Weighted<TermPointer<T>> typed;
  for (const auto& [weight, term] : terms) typed.emplace_back(weight, term.template in<T>());
  return new_signal_sum<T>(as_signals(rows, unit), std::move(typed));
}

template <class T>
AnyCriterion kurtosis(const Array<T>& rows, double unit, const Array<T>& b) {
  return new_kurtosis<T>(as_signals(rows, unit), as_matrix(b));
}

template <class T>
void bind_signal_criteria_in(py::module_& m) {
  m.def("SignalSum", &signal_sum<T>, py::arg("rows").noconvert(), py::arg("unit"), py::arg("terms"));
  m.def("Kurtosis", &kurtosis<T>, py::arg("rows").noconvert(), py::arg("unit"),
        py::arg("b").noconvert());
}

}  // namespace

void bind_signal_criteria(py::module_& m) {
  bind_signal_criteria_in<float>(m);
  bind_signal_criteria_in<double>(m);
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
