// The running Gram matrix, and how far its eigenvectors can be trusted.
#include <optional>

#include "arrays.hpp"
#include "compiled/gram.hpp"
#include "interrupt.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

namespace {

template <class T>
void add_layer(GramSum& self, const Array<T>& x, const Array<T>& weight, const Array<T>& bias,
               ActivationKind activation, T slope) {
  const auto inputs = as_matrix(x);
  const auto w = as_matrix(weight);
  const Vector<T> b = as_vector(bias);
  const py::gil_scoped_release nogil;
  self.add_layer<T>(inputs, w, b, activation, slope, Crew(SignalPoll(), threads_here()));
}

template <class T>
void bind_inputs(py::class_<GramSum>& gram) {
  gram.def("add_layer", &add_layer<T>, py::arg("x").noconvert(), py::arg("weight").noconvert(),
           py::arg("bias").noconvert(), py::arg("activation"), py::arg("slope"));
}

Array<double> mixing_of(const Array<double>& values, const Array<double>& squared_rounding,
                        const Array<double>& squared_residual, double share,
                        const std::optional<Array<double>>& moments) {
  const Eigenvalues known{as_vector(values), as_vector(squared_rounding), as_vector(squared_residual)};
  const double* const given = moments ? moments->data() : nullptr;
  Vector<double> angles;
  {
    const py::gil_scoped_release nogil;
    angles = compiled_mixing(known, share, given);
  }
  return to_array(angles);
}

}  // namespace

void bind_gram(py::module_& m) {
  py::native_enum<ActivationKind>(m, "Activation", "enum.Enum")
      .value("identity", ActivationKind::identity)
      .value("tanh", ActivationKind::tanh)
      .value("logistic", ActivationKind::logistic)
      .value("relu", ActivationKind::relu)
      .value("leaky_relu", ActivationKind::leaky_relu)
      .value("softplus", ActivationKind::softplus)
      .finalize();
  py::class_<GramSum> gram(m, "GramSum");
  gram.def(py::init<Index>(), py::arg("n"));
  bind_inputs<float>(gram);
  bind_inputs<double>(gram);
  gram.def_property_readonly("any", &GramSum::any);
  gram.def("finish", [](GramSum& self) {
    self.finish();
    return py::make_tuple(to_array(self.matrix()), to_array(self.sum()));
  });
  m.def("mixing", &mixing_of, py::arg("values").noconvert(), py::arg("squared_rounding").noconvert(),
        py::arg("squared_residual").noconvert(), py::arg("share"), py::arg("moments").noconvert());
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
