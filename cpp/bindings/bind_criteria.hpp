// Criteria as objects: those of a matrix, of a Gram matrix, of signals, sums of them, and the user's
// own.
#pragma once

#include <pybind11/stl.h>

#include <string>

#include "arrays.hpp"
#include "descrambler/gram_criteria.hpp"
#include "descrambler/signal_criteria.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// A Python callable P -> (value, gradient).
template <class T>
class UserCriterion final : public Criterion<T> {
 public:
  UserCriterion(py::function function, Index n, double scale)
      : function_(std::move(function)), n_(n), scale_(scale) {}

  Index size() const override { return n_; }
  double scale() const override { return scale_; }

  double value_and_gradient(const Matrix<T>& p, Matrix<T>& gradient, const Poll&) override {
    const py::gil_scoped_acquire gil;
    return interruptible([&] {
      const auto [value, slope] = function_(to_array(p)).template cast<std::pair<double, Array<T>>>();
      gradient = as_matrix(slope);
      return value;
    });
  }

 private:
  py::function function_;
  Index n_;
  double scale_;
};

// The criterion may outlive its Python object, inside a sum: it keeps the array itself.
template <class T>
Signals<T> as_signals(const Array<T>& rows, T unit) {
  return {as_matrix(rows), unit, std::make_shared<const Array<T>>(rows)};
}

template <class T>
void bind_terms(py::module_& m, const std::string& suffix) {
  using Term = SignalTerm<T>;
  py::classh<Term>(m, ("SignalTerm" + suffix).c_str());
  m.def(("quartic" + suffix).c_str(),
        []() -> std::shared_ptr<Term> { return std::make_shared<Quartic<T>>(); });
  m.def(("entropy" + suffix).c_str(),
        []() -> std::shared_ptr<Term> { return std::make_shared<Entropy<T>>(); });
  m.def(("smooth_l1" + suffix).c_str(),
        [](T width) -> std::shared_ptr<Term> {
          return std::make_shared<Entries<T, SmoothL1<T>>>(SmoothL1<T>(width));
        },
        py::arg("width"));
  m.def(("total_variation" + suffix).c_str(),
        [](T width, bool periodic) -> std::shared_ptr<Term> {
          return std::make_shared<Steps<T, SmoothL1<T>>>(SmoothL1<T>(width), periodic);
        },
        py::arg("width"), py::arg("periodic"));
  m.def(("descent" + suffix).c_str(),
        [](T sign, bool periodic) -> std::shared_ptr<Term> {
          return std::make_shared<Steps<T, Descent<T>>>(Descent<T>(sign), periodic);
        },
        py::arg("sign"), py::arg("periodic"));
  m.def(("spread" + suffix).c_str(),
        [](const Array<T>& points) -> std::shared_ptr<Term> {
          return std::make_shared<Spread<T>>(as_matrix(points).array());
        },
        py::arg("points").noconvert());
}

template <class T>
void bind_signal_criteria(py::module_& m, const std::string& suffix) {
  bind_terms<T>(m, suffix);
  py::classh<SignalSum<T>, Criterion<T>>(m, ("SignalSum" + suffix).c_str())
      .def(py::init([](const Array<T>& rows, T unit, typename SignalSum<T>::Terms terms) {
             return std::make_shared<SignalSum<T>>(as_signals(rows, unit), std::move(terms));
           }),
           py::arg("rows").noconvert(), py::arg("unit"), py::arg("terms"));
  py::classh<Kurtosis<T>, Criterion<T>>(m, ("Kurtosis" + suffix).c_str())
      .def(py::init([](const Array<T>& rows, T unit, const Array<T>& b) {
             return std::make_shared<Kurtosis<T>>(as_signals(rows, unit), as_matrix(b));
           }),
           py::arg("rows").noconvert(), py::arg("unit"), py::arg("b").noconvert());
}

template <class T>
void bind_gram_criteria(py::module_& m, const std::string& suffix) {
  py::classh<Brockett<T>, Criterion<T>>(m, ("Brockett" + suffix).c_str())
      .def(py::init([](const Array<T>& a, const Array<T>& b) {
             return std::make_shared<Brockett<T>>(as_vector(a), as_matrix(b));
           }),
           py::arg("a").noconvert(), py::arg("b").noconvert());
  py::classh<Quadratic<T>, Criterion<T>>(m, ("Quadratic" + suffix).c_str())
      .def(py::init([](const Array<T>& a, const Array<T>& b) {
             return std::make_shared<Quadratic<T>>(as_matrix(a), as_matrix(b));
           }),
           py::arg("a").noconvert(), py::arg("b").noconvert());
  py::classh<SpectrumDeviation<T>, Criterion<T>>(m, ("SpectrumDeviation" + suffix).c_str())
      .def(py::init([](const Array<T>& modes, const Array<T>& target, const Array<T>& b) {
             return std::make_shared<SpectrumDeviation<T>>(as_matrix(modes), as_vector(target),
                                                           as_matrix(b));
           }),
           py::arg("modes").noconvert(), py::arg("target").noconvert(), py::arg("b").noconvert());
  py::classh<SquaredPower<T>, Criterion<T>>(m, ("SquaredPower" + suffix).c_str())
      .def(py::init([](const Array<T>& b) { return std::make_shared<SquaredPower<T>>(as_matrix(b)); }),
           py::arg("b").noconvert());
}

template <class T>
void bind_criteria(py::module_& m, const std::string& suffix) {
  py::classh<Criterion<T>>(m, ("Criterion" + suffix).c_str())
      .def_property_readonly("size", &Criterion<T>::size)
      .def_property_readonly("scale", &Criterion<T>::scale)
      .def(
          "value_and_gradient",
          [](Criterion<T>& criterion, const Array<T>& p) {
            const Matrix<T> rotation = as_matrix(p);
            Matrix<T> gradient(rotation.rows(), rotation.cols());
            double value;
            {
              const py::gil_scoped_release nogil;
              value = criterion.value_and_gradient(rotation, gradient, SignalPoll());
            }
            return py::make_tuple(value, to_array(gradient));
          },
          py::arg("p").noconvert());
  py::classh<DiagonalSum<T>, Criterion<T>>(m, ("DiagonalSum" + suffix).c_str())
      .def(py::init([](const Array<T>& w) { return std::make_shared<DiagonalSum<T>>(as_matrix(w)); }),
           py::arg("w").noconvert());
  py::classh<DiagonalNormSquare<T>, Criterion<T>>(m, ("DiagonalNormSquare" + suffix).c_str())
      .def(py::init(
               [](const Array<T>& w) { return std::make_shared<DiagonalNormSquare<T>>(as_matrix(w)); }),
           py::arg("w").noconvert());
  bind_gram_criteria<T>(m, suffix);
  bind_signal_criteria<T>(m, suffix);
  py::classh<UserCriterion<T>, Criterion<T>>(m, ("UserCriterion" + suffix).c_str())
      .def(py::init<py::function, Index, double>(), py::arg("function"), py::arg("n"), py::arg("scale"));
  py::classh<WeightedSum<T>, Criterion<T>>(m, ("WeightedSum" + suffix).c_str())
      .def(py::init<typename WeightedSum<T>::Parts>(), py::arg("parts"));
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
