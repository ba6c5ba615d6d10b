// Matrix products on the calling thread alone, for work that is shared between threads by the caller:
// there a BLAS with threads of its own is slower on two cores than on one.
#include "arrays.hpp"
#include "compiled/products.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

namespace {

template <class T>
ConstPart<T> as_part(const Array<T>& array) {
  return {array.data(), array.shape(0), array.shape(1), Eigen::OuterStride<>(array.shape(1))};
}

template <class T>
void bind_product_in(py::module_& m) {
  m.def(
      "multiply",
      [](const Array<T>& a, const Array<T>& b) {
        Array<T> product({a.shape(0), b.shape(1)});
        const ConstPart<T> left = as_part(a), right = as_part(b);
        Part<T> out(product.mutable_data(), left.rows(), right.cols(),
                    Eigen::OuterStride<>(right.cols()));
        {
          const py::gil_scoped_release nogil;
          out.setZero();
          add_nn<T>(out, left, right, T(1));
        }
        return product;
      },
      py::arg("a").noconvert(), py::arg("b").noconvert());
}

}  // namespace

void bind_product(py::module_& m) {
  bind_product_in<float>(m);
  bind_product_in<double>(m);
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
