// Terms of the descrambled signals.
#include "any_term.hpp"
#include "arrays.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

namespace {

AnyTerm quartic() {
  return AnyTerm([](auto zero) { return new_quartic<decltype(zero)>(); });
}

AnyTerm entropy() {
  return AnyTerm([](auto zero) { return new_entropy<decltype(zero)>(); });
}

AnyTerm smooth_l1(double width) {
  return AnyTerm([=](auto zero) {
    using T = decltype(zero);
    return new_smooth_l1<T>(static_cast<T>(width));
  });
}

AnyTerm total_variation(double width, bool periodic) {
  return AnyTerm([=](auto zero) {
    using T = decltype(zero);
    return new_total_variation<T>(static_cast<T>(width), periodic);
  });
}

AnyTerm descent(double sign, bool periodic) {
  return AnyTerm([=](auto zero) {
    using T = decltype(zero);
    return new_descent<T>(static_cast<T>(sign), periodic);
  });
}

AnyTerm spread(const Array<double>& points) {
  const Matrix<double> wide = as_matrix(points);
  return AnyTerm([=](auto zero) {
    using T = decltype(zero);
    return new_spread<T>(wide.cast<T>());
  });
}

}  // namespace

void bind_signal_terms(py::module_& m) {
  py::class_<AnyTerm>(m, "SignalTerm");
  m.def("quartic", &quartic);
  m.def("entropy", &entropy);
  m.def("smooth_l1", &smooth_l1, py::arg("width"));
  m.def("total_variation", &total_variation, py::arg("width"), py::arg("periodic"));
  m.def("descent", &descent, py::arg("sign"), py::arg("periodic"));
  m.def("spread", &spread, py::arg("points").noconvert());
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
