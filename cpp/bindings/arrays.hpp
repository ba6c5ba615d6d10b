// NumPy arrays as Eigen maps, without a copy and without conversion. The Python layer checks shapes,
// dtypes and finiteness before it calls. A function for both precisions is bound once for each under one
// name; noconvert() leaves the choice to the dtype of the arrays.
#pragma once

#include "bind.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

template <class T>
using Array = py::array_t<T, py::array::c_style>;

template <class T>
Eigen::Map<const Matrix<T>> as_matrix(const Array<T>& array) {
  return {array.data(), array.shape(0), array.shape(1)};
}

template <class T>
Eigen::Map<const Vector<T>> as_vector(const Array<T>& array) {
  return {array.data(), array.shape(0)};
}

template <class T>
Array<T> to_array(const Matrix<T>& matrix) {
  Array<T> array({matrix.rows(), matrix.cols()});
  Eigen::Map<Matrix<T>>(array.mutable_data(), matrix.rows(), matrix.cols()) = matrix;
  return array;
}

template <class T>
Array<T> to_array(const Vector<T>& vector) {
  return Array<T>(vector.size(), vector.data());
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
