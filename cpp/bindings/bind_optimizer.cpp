// The optimizers, and the reference's chart by itself.
#include "any_criterion.hpp"
#include "arrays.hpp"
#include "compiled/optimizers.hpp"
#include "interrupt.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

namespace {

using CancellationPointer = std::shared_ptr<Cancellation>;

template <class T>
py::tuple as_tuple(const Found<T>& found) {
  const Outcome& outcome = found.outcome;
  return py::make_tuple(to_array(found.rotation), outcome.status, outcome.iterations,
                        outcome.evaluations, outcome.history);
}

template <class T>
py::tuple cayley_lbfgs(const AnyCriterion& criterion, bool maximized, const Array<T>& start,
                       const Options& options, const CancellationPointer& cancellation) {
  Task<T> task{*criterion.in<T>(), maximized, as_matrix(start)};
  Found<T> found;
  {
    const py::gil_scoped_release nogil;
    found =
        search_cayley_chart(std::move(task), options, Crew(SignalPoll(cancellation), threads_here()));
  }
  return as_tuple(found);
}

template <class T>
py::tuple riemannian_lbfgs(const AnyCriterion& criterion, bool maximized, const Array<T>& start,
                           RetractionKind retraction, const Options& options,
                           const CancellationPointer& cancellation) {
  Task<T> task{*criterion.in<T>(), maximized, as_matrix(start)};
  Found<T> found;
  {
    const py::gil_scoped_release nogil;
    found = search_recentered_charts(std::move(task), retraction, options,
                                     Crew(SignalPoll(cancellation), threads_here()));
  }
  return as_tuple(found);
}

template <class T>
void bind_optimizer_in(py::module_& m) {
  m.def("cayley_lbfgs", &cayley_lbfgs<T>, py::arg("criterion"), py::arg("maximized"),
        py::arg("start").noconvert(), py::arg("options"), py::arg("cancellation"));
  m.def("riemannian_lbfgs", &riemannian_lbfgs<T>, py::arg("criterion"), py::arg("maximized"),
        py::arg("start").noconvert(), py::arg("retraction"), py::arg("options"),
        py::arg("cancellation"));
}

// One chart, its storage kept, in double precision: the benchmark of an evaluation calls it in a loop.
struct CayleyChartOf {
  Evaluation evaluate;
  Vector<double> here, gradient;
};

void bind_cayley_chart(py::module_& m) {
  py::class_<CayleyChartOf>(m, "CayleyChart")
      .def(py::init([](const AnyCriterion& criterion) {
             const Crew crew(SignalPoll(), threads_here());
             return CayleyChartOf{cayley_evaluation(*criterion.in<double>(), crew), {}, {}};
           }),
           py::arg("criterion"), py::keep_alive<1, 2>())
      .def(
          "value_and_gradient",
          [](CayleyChartOf& chart, const Array<double>& generator) {
            chart.here = as_vector(generator);
            chart.gradient.resize(chart.here.size());
            double value;
            {
              const py::gil_scoped_release nogil;
              value = chart.evaluate(chart.here, chart.gradient);
            }
            return py::make_tuple(value, to_array(chart.gradient));
          },
          py::arg("generator").noconvert());
}

}  // namespace

void bind_optimizer(py::module_& m) {
  bind_optimizer_in<float>(m);
  bind_optimizer_in<double>(m);
  bind_cayley_chart(m);
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
