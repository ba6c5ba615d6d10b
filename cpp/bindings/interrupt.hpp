// Ctrl-C, and requests to stop, in loops that have released the GIL.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <utility>

#include "bind.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

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
class Cancellation {
 public:
  void cancel() { asked_.store(true, std::memory_order_relaxed); }
  bool asked() const { return asked_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> asked_{false};
};

// Threads that the calls of a Python thread may use.
inline int& threads_here() {
  thread_local int threads = 1;
  return threads;
}

// Lets Python handle a pending signal (Ctrl-C) every 20 ms from a loop that has released the GIL.
class SignalPoll {
 public:
  explicit SignalPoll(std::shared_ptr<Cancellation> cancellation = nullptr)
      : cancellation_(std::move(cancellation)) {}

  void operator()() {
    if (cancellation_ && cancellation_->asked()) throw Interrupted();
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < std::chrono::milliseconds(20)) return;
    last_ = now;
    const py::gil_scoped_acquire gil;
    interruptible([] {
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    });
  }

 private:
  std::shared_ptr<Cancellation> cancellation_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
