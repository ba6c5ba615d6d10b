// The parts of the module, each defined in a file of its own name.
#pragma once

// Every unit sees the same casters: one that a unit alone knows would break the one-definition rule.
#include <pybind11/native_enum.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "descrambler/matrix.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

namespace py = pybind11;

void bind_options(py::module_& m);
void bind_group(py::module_& m);
void bind_criterion(py::module_& m);
void bind_matrix_criteria(py::module_& m);
void bind_signal_terms(py::module_& m);
void bind_signal_criteria(py::module_& m);
void bind_optimizer(py::module_& m);
void bind_gram(py::module_& m);
void bind_product(py::module_& m);
void bind_ridge(py::module_& m);

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
