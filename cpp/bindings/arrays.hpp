// NumPy arrays as Eigen maps, without a copy and without conversion. The Python layer checks shapes,
// dtypes and finiteness before it calls.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <atomic>
#include <chrono>
#include <memory>

#include "descrambler/matrix.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

namespace py = pybind11;

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

// Runs Python code: Ctrl-C inside it interrupts as it does elsewhere.
template <class Call>
auto interruptible(Call call) {
  try {
    return call();
  } catch (const py::error_already_set& error) {
    if (!error.matches(PyExc_KeyboardInterrupt)) throw;
    throw Interrupted();
  }
}

// A request to stop that one thread makes to others; Python delivers Ctrl-C to the main thread alone.
using Cancellation = std::shared_ptr<std::atomic<bool>>;

// Lets Python handle a pending signal (Ctrl-C) every 20 ms from a loop that has released the GIL.
class SignalPoll {
 public:
  explicit SignalPoll(Cancellation cancellation = nullptr) : cancellation_(std::move(cancellation)) {}

  void operator()() {
    if (cancellation_ && cancellation_->load(std::memory_order_relaxed)) throw Interrupted();
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < std::chrono::milliseconds(20)) return;
    last_ = now;
    const py::gil_scoped_acquire gil;
    interruptible([] {
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    });
  }

 private:
  Cancellation cancellation_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
