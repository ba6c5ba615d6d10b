// Criteria of a matrix: of weights, or of the signals' Gram matrix.
#include "any_criterion.hpp"
#include "arrays.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

namespace {

template <class T>
void bind_matrix_criteria_in(py::module_& m) {
  m.def(
      "DiagonalSum", [](const Array<T>& w) { return AnyCriterion(new_diagonal_sum<T>(as_matrix(w))); },
      py::arg("w").noconvert());
  m.def(
      "DiagonalNormSquare",
      [](const Array<T>& w) { return AnyCriterion(new_diagonal_norm_square<T>(as_matrix(w))); },
      py::arg("w").noconvert());
  m.def(
      "Brockett",
      [](const Array<T>& a, const Array<T>& b) {
        return AnyCriterion(new_brockett<T>(as_vector(a), as_matrix(b)));
      },
      py::arg("a").noconvert(), py::arg("b").noconvert());
  m.def(
      "Quadratic",
      [](const Array<T>& a, const Array<T>& b) {
        return AnyCriterion(new_quadratic<T>(as_matrix(a), as_matrix(b)));
      },
      py::arg("a").noconvert(), py::arg("b").noconvert());
  m.def(
      "SpectrumDeviation",
      [](const Array<T>& modes, const Array<T>& target, const Array<T>& b) {
        return AnyCriterion(
            new_spectrum_deviation<T>(as_matrix(modes), as_vector(target), as_matrix(b)));
      },
      py::arg("modes").noconvert(), py::arg("target").noconvert(), py::arg("b").noconvert());
  m.def(
      "SquaredPower", [](const Array<T>& b) { return AnyCriterion(new_squared_power<T>(as_matrix(b))); },
      py::arg("b").noconvert());
}

}  // namespace

void bind_matrix_criteria(py::module_& m) {
  bind_matrix_criteria_in<float>(m);
  bind_matrix_criteria_in<double>(m);
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
