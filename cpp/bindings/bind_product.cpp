// Matrix products on the calling thread alone, for work that is shared between threads by the caller:
// there a BLAS with threads of its own is slower on two cores than on one.
#include "arrays.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

namespace {

template <class T>
void bind_in(py::module_& m) {
  m.def(
      "multiply",
      [](const Array<T>& a, const Array<T>& b) {
        Array<T> product({a.shape(0), b.shape(1)});
        const auto left = as_matrix(a), right = as_matrix(b);
        Eigen::Map<Matrix<T>> out(product.mutable_data(), left.rows(), right.cols());
        {
          const py::gil_scoped_release nogil;
          out.noalias() = left * right;
        }
        return product;
      },
      py::arg("a").noconvert(), py::arg("b").noconvert());
}

}  // namespace

void bind_product(py::module_& m) {
  bind_in<float>(m);
  bind_in<double>(m);
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
