// The likelihood of a ridge, in the precision of the spectra.
#include <variant>

#include "arrays.hpp"
#include "compiled/ridge.hpp"
#include "interrupt.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

namespace {

struct AnyRidge {
  std::variant<RidgeLikelihood<float>, RidgeLikelihood<double>> model;
};

template <class T>
void bind_init(py::class_<AnyRidge>& ridge) {
  ridge.def(py::init([](const Array<T>& spectra, const Array<T>& frequency, double resolution) {
              return AnyRidge{RidgeLikelihood<T>(as_matrix(spectra), as_vector(frequency), resolution,
                                                 SignalPoll())};
            }),
            py::arg("spectra").noconvert(), py::arg("frequency").noconvert(), py::arg("resolution"));
}

Array<double> share_of(const AnyRidge& self) {
  return std::visit([](const auto& model) { return to_array(model.share()); }, self.model);
}

// Calls with the model, the GIL released.
template <class Ridge, class Call>
auto unlocked(Ridge& self, const Call& call) {
  const py::gil_scoped_release nogil;
  return std::visit(call, self.model);
}

Array<double> values_of(AnyRidge& self, const Array<double>& theta, double settled) {
  const Theta at(theta.data());
  return to_array(unlocked(self, [&](auto& model) { return model.values(at, settled); }));
}

py::tuple slopes_of(const AnyRidge& self) {
  const RidgeSlopes found = unlocked(self, [](const auto& model) { return model.slopes(); });
  return py::make_tuple(to_array(Matrix<double>(found.scores)), to_array(Matrix<double>(found.hessian)));
}

py::tuple climb_from(AnyRidge& self, const Array<double>& theta, const Array<double>& share,
                     double settled, double best) {
  const RidgePoint start{Theta(theta.data()), as_vector(share), 0};
  const RidgePoint point =
      unlocked(self, [&](auto& model) { return climb(model, start, settled, best); });
  return py::make_tuple(to_array(Vector<double>(point.theta)), to_array(point.share), point.value);
}

}  // namespace

void bind_ridge(py::module_& m) {
  py::class_<AnyRidge> ridge(m, "RidgeLikelihood");
  bind_init<float>(ridge);
  bind_init<double>(ridge);
  ridge.def_property_readonly("share", &share_of)
      .def("values", &values_of, py::arg("theta").noconvert(), py::arg("settled"))
      .def("slopes", &slopes_of)
      .def("climb", &climb_from, py::arg("theta").noconvert(), py::arg("share").noconvert(),
           py::arg("settled"), py::arg("best"));
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
