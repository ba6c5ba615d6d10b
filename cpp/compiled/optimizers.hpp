// The optimizers, compiled in optimizers.cpp for float and double.
#pragma once

#include <functional>

#include "descrambler/criterion.hpp"
#include "descrambler/optimization.hpp"
#include "descrambler/retraction_kind.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {
// A criterion with its sense, and where to start from.
template <class T>
struct Task {
  Criterion<T>& criterion;
  bool maximized;
  Matrix<T> start;
};

template <class T>
struct Found {
  Matrix<T> rotation;
  Outcome outcome;
};

template <class T>
Found<T> search_cayley_chart(Task<T> task, const Options& options, Crew crew);
template <class T>
Found<T> search_recentered_charts(Task<T> task, RetractionKind kind, const Options& options, Crew crew);

// Value of a criterion and its gradient, into the second argument, with respect to a generator of the
// Cayley chart about the identity, in storage that is kept between calls.
using Evaluation = std::function<double(const Vector<double>&, Vector<double>&)>;
Evaluation cayley_evaluation(Criterion<double>& criterion, Crew crew);

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
