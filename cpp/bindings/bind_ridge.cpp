// The likelihood of a ridge.
#include "arrays.hpp"
#include "compiled/ridge.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

namespace {

Theta as_theta(const Array<double>& array) {
  return Theta(array.data());
}

Array<double> as_rows(const decltype(RidgeSlopes::scores)& rows) {
  return to_array(Matrix<double>(rows));
}

template <class T>
py::tuple climb_from(RidgeLikelihood<T>& model, const Array<double>& theta, const Array<double>& share,
                     double settled, double best) {
  RidgePoint point{as_theta(theta), as_vector(share), 0};
  {
    const py::gil_scoped_release nogil;
    point = climb(model, point, settled, best);
  }
  return py::make_tuple(to_array(Vector<double>(point.theta)), to_array(point.share), point.value);
}

template <class T>
void bind_precision(py::module_& m) {
  using Model = RidgeLikelihood<T>;
  // No name in the module: `ridge_likelihood` makes them.
  py::class_<Model>(py::handle(), "RidgeLikelihood")
      .def_property_readonly("share", [](const Model& self) { return to_array(self.share()); })
      .def(
          "values",
          [](Model& self, const Array<double>& theta, double settled) {
            return to_array(self.values(as_theta(theta), settled));
          },
          py::arg("theta").noconvert(), py::arg("settled"))
      .def("slopes",
           [](const Model& self) {
             const RidgeSlopes found = self.slopes();
             return py::make_tuple(as_rows(found.scores), to_array(Matrix<double>(found.hessian)));
           })
      .def("climb", &climb_from<T>, py::arg("theta").noconvert(), py::arg("share").noconvert(),
           py::arg("settled"), py::arg("best"));
  m.def(
      "ridge_likelihood",
      [](const Array<T>& spectra, const Array<T>& frequency, double resolution) {
        return Model(as_matrix(spectra), as_vector(frequency), resolution);
      },
      py::arg("spectra").noconvert(), py::arg("frequency").noconvert(), py::arg("resolution"));
}

}  // namespace

void bind_ridge(py::module_& m) {
  bind_precision<float>(m);
  bind_precision<double>(m);
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
