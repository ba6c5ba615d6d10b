// The group: charts, inverses, pull-backs, projection, packing.
#include <stdexcept>

#include "arrays.hpp"
#include "compiled/group.hpp"
#include "interrupt.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

namespace {

template <class T, Matrix<T> (*function)(const Matrix<T>&)>
Array<T> map_matrix(const Array<T>& argument) {
  const Matrix<T> input = as_matrix(argument);
  Matrix<T> output;
  {
    const py::gil_scoped_release nogil;
    output = function(input);
  }
  return to_array(output);
}

template <class T, Matrix<T> (*function)(const Matrix<T>&, const Matrix<T>&)>
Array<T> map_matrices(const Array<T>& first, const Array<T>& second) {
  const Matrix<T> a = as_matrix(first), b = as_matrix(second);
  Matrix<T> output;
  {
    const py::gil_scoped_release nogil;
    output = function(a, b);
  }
  return to_array(output);
}

template <class T>
Matrix<T> exponential(const Matrix<T>& q) {
  Matrix<T> p(q.rows(), q.rows());
  Exponential<T> exp(q.rows());
  exp(q, p, Crew(SignalPoll(), threads_here()));
  return p;
}

// A rotation with an eigenvalue -1 lies outside the chart.
struct OutsideChart : std::domain_error {
  using std::domain_error::domain_error;
};

template <class T>
Matrix<T> cayley_generator(const Matrix<T>& p) {
  Matrix<T> q;
  if (!inverse_cayley(p, q))
    throw OutsideChart("P has an eigenvalue -1, which no Cayley generator reaches");
  return q;
}

template <class T>
Matrix<T> logarithm(const Matrix<T>& p) {
  Matrix<T> q;
  if (!log(p, q))
    throw OutsideChart("P has an eigenvalue -1, where the principal logarithm is not unique");
  return q;
}

template <class T>
Matrix<T> polar(const Matrix<T>& m) {
  Matrix<T> x = m, gram(m.rows(), m.rows()), product(m.rows(), m.rows());
  if (!polar_in_place(x, gram, product, Crew(SignalPoll(), threads_here())))
    throw std::invalid_argument(
        "M is singular to working precision: its nearest rotation is not unique");
  return x;
}

template <class T>
void bind_group_in(py::module_& m) {
  m.def("cayley", &map_matrix<T, cayley<T>>, py::arg("q").noconvert());
  m.def("inverse_cayley", &map_matrix<T, cayley_generator<T>>, py::arg("p").noconvert());
  m.def("exp", &map_matrix<T, exponential<T>>, py::arg("q").noconvert());
  m.def("log", &map_matrix<T, logarithm<T>>, py::arg("p").noconvert());
  m.def("polar", &map_matrix<T, polar<T>>, py::arg("m").noconvert());
  m.def("cayley_pullback", &map_matrices<T, cayley_pullback<T>>, py::arg("q").noconvert(),
        py::arg("gradient").noconvert());
  m.def("exp_pullback", &map_matrices<T, exp_pullback<T>>, py::arg("q").noconvert(),
        py::arg("gradient").noconvert());
  m.def(
      "pack",
      [](const Array<T>& skew) {
        Vector<T> packed(packed_size(skew.shape(0)));
        pack_generator(as_matrix(skew), packed, [] {});
        return to_array(packed);
      },
      py::arg("skew").noconvert());
  m.def(
      "unpack",
      [](const Array<T>& packed, Index n) {
        Matrix<T> skew(n, n);
        unpack_generator(as_vector(packed), skew, [] {});
        return to_array(skew);
      },
      py::arg("packed").noconvert(), py::arg("n"));
}

}  // namespace

void bind_group(py::module_& m) {
  py::register_exception<OutsideChart>(m, "OutsideChart", PyExc_ValueError);
  bind_group_in<float>(m);
  bind_group_in<double>(m);
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
