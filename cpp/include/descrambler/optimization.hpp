// What an optimizer is asked, and what it answers.
#pragma once

#include <functional>
#include <vector>

#include "matrix.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

enum class Status { converged, max_iterations, line_search_failed, stopped, interrupted };

struct Progress {
  Index iteration;
  double objective, gradient_norm;
};

struct Options {
  Index memory, max_iterations;
  // Stop where ||gradient|| <= tolerance * |value| + rounding.
  double tolerance;
  // Called once an iteration; true stops.
  std::function<bool(const Progress&)> stop;
};

struct Outcome {
  Status status;
  Index iterations, evaluations;
  // Objective at the start and after each iteration, with the criterion's own sign.
  std::vector<double> history;
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
