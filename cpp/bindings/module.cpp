#include "bind.hpp"

PYBIND11_MODULE(DESCRAMBLER_VARIANT, m, pybind11::mod_gil_not_used()) {
  using namespace descrambler;
  m.attr("__version__") = DESCRAMBLER_VERSION;
  m.attr("eigen_version") = std::to_string(EIGEN_WORLD_VERSION) + "." +
                            std::to_string(EIGEN_MAJOR_VERSION) + "." +
                            std::to_string(EIGEN_MINOR_VERSION);
  m.attr("compiler") = DESCRAMBLER_COMPILER;
  bind_options(m);
  bind_group(m);
  bind_criterion(m);
  bind_matrix_criteria(m);
  bind_signal_terms(m);
  bind_signal_criteria(m);
  bind_optimizer(m);
  bind_gram(m);
  bind_product(m);
  bind_ridge(m);
}
