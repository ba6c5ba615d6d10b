#include "bind_criteria.hpp"
#include "bind_gram.hpp"
#include "bind_group.hpp"
#include "bind_optimiser.hpp"
#include "bind_product.hpp"

PYBIND11_MODULE(DESCRAMBLER_MODULE, m, pybind11::mod_gil_not_used()) {
  using namespace descrambler;
  m.attr("__version__") = DESCRAMBLER_VERSION;
  m.attr("eigen_version") = std::to_string(EIGEN_WORLD_VERSION) + "." +
                            std::to_string(EIGEN_MAJOR_VERSION) + "." +
                            std::to_string(EIGEN_MINOR_VERSION);
  m.attr("compiler") = DESCRAMBLER_COMPILER;
  pybind11::register_exception<OutsideChart>(m, "OutsideChart", PyExc_ValueError);
  pybind11::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const Interrupted&) {
      PyErr_SetNone(PyExc_KeyboardInterrupt);
    }
  });
  bind_options(m);
  bind_group<float>(m);
  bind_group<double>(m);
  bind_criteria<float>(m, "32");
  bind_criteria<double>(m, "64");
  bind_optimiser<float>(m, "32");
  bind_optimiser<double>(m, "64");
  bind_gram(m);
  bind_product<float>(m);
  bind_product<double>(m);
}
