// What the optimizers are asked, what they tell, and how they are interrupted.
#include <exception>

#include "descrambler/optimization.hpp"
#include "descrambler/retraction_kind.hpp"
#include "interrupt.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

namespace {

// Python raises KeyboardInterrupt where a loop was interrupted.
void translate_interrupted(std::exception_ptr thrown) {
  try {
    if (thrown) std::rethrow_exception(thrown);
  } catch (const Interrupted&) {
    PyErr_SetNone(PyExc_KeyboardInterrupt);
  }
}

}  // namespace

void bind_options(py::module_& m) {
  py::register_exception_translator(translate_interrupted);
  m.def("set_threads", [](int threads) { threads_here() = threads; }, py::arg("threads"));
  py::native_enum<Status>(m, "Status", "enum.Enum")
      .value("converged", Status::converged)
      .value("max_iterations", Status::max_iterations)
      .value("line_search_failed", Status::line_search_failed)
      .value("stopped", Status::stopped)
      .value("interrupted", Status::interrupted)
      .finalize();
  py::native_enum<RetractionKind>(m, "Retraction", "enum.Enum")
      .value("cayley", RetractionKind::cayley)
      .value("exponential", RetractionKind::exponential)
      .value("polar", RetractionKind::polar)
      .finalize();
  py::class_<Cancellation, std::shared_ptr<Cancellation>>(m, "Cancellation")
      .def(py::init())
      .def("cancel", &Cancellation::cancel);
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
