// The optimizers, and the reference's chart by itself.
#include "any_criterion.hpp"
#include "arrays.hpp"
#include "descrambler/cayley_chart.hpp"
#include "descrambler/lbfgs.hpp"
#include "descrambler/recentered_chart.hpp"
#include "interrupt.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

namespace {

using CancellationPointer = std::shared_ptr<Cancellation>;

template <class T>
py::tuple minimize(Problem<T>& problem, bool maximized, const Options& options) {
  Outcome outcome;
  {
    const py::gil_scoped_release nogil;
    outcome = lbfgs(problem, maximized, options);
  }
  return py::make_tuple(to_array(problem.rotation()), outcome.status, outcome.iterations,
                        outcome.evaluations, outcome.history);
}

template <class T>
py::tuple cayley_lbfgs(const AnyCriterion& criterion, bool maximized, const Array<T>& start,
                       const Options& options, const CancellationPointer& cancellation) {
  CayleyChart<T> chart({*criterion.in<T>(), maximized}, as_matrix(start),
                       Crew(SignalPoll(cancellation), threads_here()));
  return minimize(chart, maximized, options);
}

template <class T>
py::tuple riemannian_lbfgs(const AnyCriterion& criterion, bool maximized, const Array<T>& start,
                           RetractionKind retraction, const Options& options,
                           const CancellationPointer& cancellation) {
  RecenteredChart<T> chart({*criterion.in<T>(), maximized}, as_matrix(start), retraction,
                           Crew(SignalPoll(cancellation), threads_here()));
  return minimize(chart, maximized, options);
}

template <class T>
void bind_in(py::module_& m) {
  m.def("cayley_lbfgs", &cayley_lbfgs<T>, py::arg("criterion"), py::arg("maximized"),
        py::arg("start").noconvert(), py::arg("options"), py::arg("cancellation"));
  m.def("riemannian_lbfgs", &riemannian_lbfgs<T>, py::arg("criterion"), py::arg("maximized"),
        py::arg("start").noconvert(), py::arg("retraction"), py::arg("options"),
        py::arg("cancellation"));
}

// One chart, its storage kept, in double precision: the benchmark of an evaluation calls it in a loop.
void bind_cayley_chart(py::module_& m) {
  using Chart = CayleyChart<double>;
  py::class_<Chart>(m, "CayleyChart")
      .def(py::init([](const AnyCriterion& criterion) {
             const Index n = criterion.size();
             return Chart({*criterion.in<double>(), false}, Matrix<double>::Identity(n, n),
                          Crew(SignalPoll(), threads_here()));
           }),
           py::arg("criterion"), py::keep_alive<1, 2>())
      .def(
          "value_and_gradient",
          [](Chart& chart, const Array<double>& generator) {
            const Vector<double> here = as_vector(generator);
            Vector<double> gradient(here.size());
            double value;
            {
              const py::gil_scoped_release nogil;
              value = chart.value_and_gradient(here, gradient);
            }
            return py::make_tuple(value, to_array(gradient));
          },
          py::arg("generator").noconvert());
}

}  // namespace

void bind_optimizer(py::module_& m) {
  bind_in<float>(m);
  bind_in<double>(m);
  bind_cayley_chart(m);
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
