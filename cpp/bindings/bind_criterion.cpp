// What every criterion offers, sums of criteria, and the user's own.
#include <string>

#include "any_criterion.hpp"
#include "arrays.hpp"
#include "interrupt.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

namespace {

// A Python callable P -> (value, gradient).
template <class T>
class UserCriterion final : public Criterion<T> {
 public:
  UserCriterion(py::function function, Index n, double scale)
      : function_(std::move(function)), n_(n), scale_(scale) {}

  Index size() const override { return n_; }
  double scale() const override { return scale_; }

  double value_and_gradient(const Matrix<T>& p, Matrix<T>& gradient, const Crew&) override {
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

template <class T>
CriterionPointer<T> new_user_criterion(py::function function, Index n, double scale) {
  return std::make_shared<UserCriterion<T>>(std::move(function), n, scale);
}

AnyCriterion user_criterion(py::function function, Index n, double scale, const py::dtype& dtype) {
  if (dtype.equal(py::dtype::of<float>()))
    return new_user_criterion<float>(std::move(function), n, scale);
  if (dtype.equal(py::dtype::of<double>()))
    return new_user_criterion<double>(std::move(function), n, scale);
  throw py::type_error("dtype must be float32 or float64, got " + std::string(py::str(dtype)));
}

using Parts = Weighted<AnyCriterion>;

template <class T>
AnyCriterion weighted_sum_in(const Parts& parts) {
  Weighted<CriterionPointer<T>> typed;
  for (const auto& [weight, part] : parts) typed.emplace_back(weight, part.template in<T>());
  return new_weighted_sum<T>(std::move(typed));
}

AnyCriterion weighted_sum(const Parts& parts) {
  if (parts.empty()) throw py::value_error("a sum needs at least one part");
  return parts.front().second.holds<float>() ? weighted_sum_in<float>(parts)
                                             : weighted_sum_in<double>(parts);
}

template <class T>
py::tuple value_and_gradient(const AnyCriterion& criterion, const Array<T>& p) {
  const Matrix<T> rotation = as_matrix(p);
  Matrix<T> gradient(rotation.rows(), rotation.cols());
  Criterion<T>& typed = *criterion.in<T>();
  double value;
  {
    const py::gil_scoped_release nogil;
    value = typed.value_and_gradient(rotation, gradient, Crew(SignalPoll(), threads_here()));
  }
  return py::make_tuple(value, to_array(gradient));
}

}  // namespace

void bind_criterion(py::module_& m) {
  py::class_<AnyCriterion>(m, "Criterion")
      .def_property_readonly("size", &AnyCriterion::size)
      .def_property_readonly("scale", &AnyCriterion::scale)
      .def("value_and_gradient", &value_and_gradient<float>, py::arg("p").noconvert())
      .def("value_and_gradient", &value_and_gradient<double>, py::arg("p").noconvert());
  m.def("UserCriterion", &user_criterion, py::arg("function"), py::arg("n"), py::arg("scale"),
        py::arg("dtype"));
  m.def("WeightedSum", &weighted_sum, py::arg("parts"));
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
