// The optimisers, and what they are asked.
#pragma once

#include <pybind11/stl.h>

#include <string>

#include "arrays.hpp"
#include "descrambler/lbfgs.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

template <class T>
py::tuple minimise(Problem<T>& problem, bool maximised, const Options& options) {
  Outcome outcome;
  {
    const py::gil_scoped_release nogil;
    outcome = lbfgs(problem, maximised, options);
    Matrix<T>& p = problem.rotation;
    Matrix<T> gram(p.rows(), p.rows()), product(p.rows(), p.rows());
    newton_schulz_step(p, gram, product, [] {});
  }
  return py::make_tuple(to_array(problem.rotation), outcome.status, outcome.iterations,
                        outcome.evaluations, outcome.history);
}

template <class T>
void bind_optimiser(py::module_& m, const std::string& suffix) {
  // One chart, its storage kept: what a loop outside may call for value and gradient.
  py::class_<CayleyChart<T>>(m, ("CayleyChart" + suffix).c_str())
      .def(py::init([](Criterion<T>& criterion) {
             const Index n = criterion.size();
             return CayleyChart<T>({criterion, false}, Matrix<T>::Identity(n, n), SignalPoll());
           }),
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
      [](Criterion<T>& criterion, bool maximised, const Array<T>& start, const Options& options,
         const Cancellation& cancellation) {
        CayleyChart<T> chart({criterion, maximised}, as_matrix(start), SignalPoll(cancellation));
        return minimise(chart, maximised, options);
      },
      py::arg("criterion"), py::arg("maximised"), py::arg("start").noconvert(), py::arg("options"),
      py::arg("cancellation"));
  m.def(
      "riemannian_lbfgs",
      [](Criterion<T>& criterion, bool maximised, const Array<T>& start, RetractionKind retraction,
         const Options& options, const Cancellation& cancellation) {
        RecentredChart<T> chart({criterion, maximised}, as_matrix(start), retraction,
                                SignalPoll(cancellation));
        return minimise(chart, maximised, options);
      },
      py::arg("criterion"), py::arg("maximised"), py::arg("start").noconvert(), py::arg("retraction"),
      py::arg("options"), py::arg("cancellation"));
}

inline void bind_options(py::module_& m) {
  py::enum_<Status>(m, "Status")
      .value("converged", Status::converged)
      .value("max_iterations", Status::max_iterations)
      .value("line_search_failed", Status::line_search_failed)
      .value("stopped", Status::stopped)
      .value("interrupted", Status::interrupted);
  py::class_<std::atomic<bool>, Cancellation>(m, "Cancellation")
      .def(py::init([] { return std::make_shared<std::atomic<bool>>(false); }))
      .def("cancel", [](std::atomic<bool>& flag) { flag = true; });
  py::enum_<RetractionKind>(m, "Retraction")
      .value("cayley", RetractionKind::cayley)
      .value("exponential", RetractionKind::exponential)
      .value("polar", RetractionKind::polar);
  py::class_<Progress>(m, "Progress")
      .def_readonly("iteration", &Progress::iteration)
      .def_readonly("objective", &Progress::objective)
      .def_readonly("gradient_norm", &Progress::gradient_norm);
  py::class_<Options>(m, "Options")
      .def(py::init([](Index memory, Index max_iterations, double tolerance, py::function stop) {
             const auto asked = [stop = std::move(stop)](const Progress& progress) {
               const py::gil_scoped_acquire gil;
               return interruptible([&] { return stop(progress).cast<bool>(); });
             };
             return Options{memory, max_iterations, tolerance, asked};
           }),
           py::arg("memory"), py::arg("max_iterations"), py::arg("tolerance"), py::arg("stop"));
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
