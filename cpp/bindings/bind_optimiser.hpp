// Criteria as objects, and the optimisers over them.
#pragma once

#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include <string>

#include "arrays.hpp"
#include "descrambler/lbfgs.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

template <class T>
py::tuple minimise(Problem<T>& problem, const Criterion<T>& criterion, const Options& options) {
  Outcome outcome;
  {
    const py::gil_scoped_release nogil;
    outcome = lbfgs(problem, criterion.maximised(), options);
    Matrix<T>& p = problem.rotation;
    Matrix<T> gram(p.rows(), p.rows()), product(p.rows(), p.rows());
    newton_schulz_step(p, gram, product, SignalPoll());
  }
  return py::make_tuple(to_array(problem.rotation), outcome.status, outcome.iterations,
                        outcome.evaluations, outcome.history);
}

template <class T>
void bind_criteria(py::module_& m, const std::string& suffix) {
  py::class_<Criterion<T>>(m, ("Criterion" + suffix).c_str())
      .def_property_readonly("size", &Criterion<T>::size)
      .def_property_readonly("maximised", &Criterion<T>::maximised)
      .def(
          "value_and_gradient",
          [](Criterion<T>& criterion, const Array<T>& p) {
            const Matrix<T> rotation = as_matrix(p);
            Matrix<T> gradient(rotation.rows(), rotation.cols());
            T value;
            {
              const py::gil_scoped_release nogil;
              value = criterion.value_and_gradient(rotation, gradient, SignalPoll());
            }
            return py::make_tuple(value, to_array(gradient));
          },
          py::arg("p").noconvert());
  py::class_<Brockett<T>, Criterion<T>>(m, ("Brockett" + suffix).c_str())
      .def(py::init([](const Array<T>& a, const Array<T>& b) {
             return Brockett<T>(as_vector(a), as_matrix(b));
           }),
           py::arg("a").noconvert(), py::arg("b").noconvert());
  py::class_<DiagonalSum<T>, Criterion<T>>(m, ("DiagonalSum" + suffix).c_str())
      .def(py::init([](const Array<T>& w) { return DiagonalSum<T>(as_matrix(w)); }),
           py::arg("w").noconvert());
  py::class_<DiagonalNormSquare<T>, Criterion<T>>(m, ("DiagonalNormSquare" + suffix).c_str())
      .def(py::init([](const Array<T>& w) { return DiagonalNormSquare<T>(as_matrix(w)); }),
           py::arg("w").noconvert());
}

template <class T>
void bind_optimiser(py::module_& m, const std::string& suffix) {
  bind_criteria<T>(m, suffix);
  // One chart, its storage kept: what a loop outside may call for value and gradient.
  py::class_<CayleyChart<T>>(m, ("CayleyChart" + suffix).c_str())
      .def(py::init([](Criterion<T>& criterion) { return CayleyChart<T>(criterion, SignalPoll()); }),
           py::arg("criterion"), py::keep_alive<1, 2>())
      .def(
          "value_and_gradient",
          [](CayleyChart<T>& chart, const Array<T>& generator) {
            const Vector<T> here = as_vector(generator);
            Vector<T> gradient(here.size());
            T value;
            {
              const py::gil_scoped_release nogil;
              value = chart.value_and_gradient(here, gradient);
            }
            return py::make_tuple(value, to_array(gradient));
          },
          py::arg("generator").noconvert());
  m.def(
      "cayley_lbfgs",
      [](Criterion<T>& criterion, const Options& options) {
        CayleyChart<T> chart(criterion, SignalPoll());
        return minimise(chart, criterion, options);
      },
      py::arg("criterion"), py::arg("options"));
  m.def(
      "riemannian_lbfgs",
      [](Criterion<T>& criterion, RetractionKind retraction, const Options& options) {
        RecentredChart<T> chart(criterion, retraction, SignalPoll());
        return minimise(chart, criterion, options);
      },
      py::arg("criterion"), py::arg("retraction"), py::arg("options"));
}

inline void bind_options(py::module_& m) {
  py::enum_<Status>(m, "Status")
      .value("converged", Status::converged)
      .value("max_iterations", Status::max_iterations)
      .value("line_search_failed", Status::line_search_failed)
      .value("stopped", Status::stopped);
  py::enum_<RetractionKind>(m, "Retraction")
      .value("cayley", RetractionKind::cayley)
      .value("exponential", RetractionKind::exponential)
      .value("polar", RetractionKind::polar);
  py::class_<Progress>(m, "Progress")
      .def_readonly("iteration", &Progress::iteration)
      .def_readonly("objective", &Progress::objective)
      .def_readonly("gradient_norm", &Progress::gradient_norm);
  py::class_<Options>(m, "Options")
      .def(py::init<Index, Index, double, std::function<bool(const Progress&)>>(), py::arg("memory"),
           py::arg("max_iterations"), py::arg("tolerance"), py::arg("stop") = nullptr);
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
