// New criteria and terms of them, made where their classes are compiled: for float and double.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "descrambler/criterion.hpp"
#include "descrambler/signals.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {
template <class T>
using CriterionPointer = std::shared_ptr<Criterion<T>>;
template <class Part>
using Weighted = std::vector<std::pair<double, Part>>;

// matrix_criteria.cpp
template <class T>
CriterionPointer<T> new_diagonal_sum(Matrix<T> w);
template <class T>
CriterionPointer<T> new_diagonal_norm_square(Matrix<T> w);
template <class T>
CriterionPointer<T> new_brockett(Vector<T> a, Matrix<T> b);
template <class T>
CriterionPointer<T> new_quadratic(Matrix<T> a, Matrix<T> b);
template <class T>
CriterionPointer<T> new_spectrum_deviation(Matrix<T> modes, Vector<T> target, Matrix<T> b);
template <class T>
CriterionPointer<T> new_squared_power(Matrix<T> b);
template <class T>
CriterionPointer<T> new_weighted_sum(Weighted<CriterionPointer<T>> parts);

// signal_criteria.cpp
template <class T>
CriterionPointer<T> new_signal_sum(Signals<T> signals, Weighted<TermPointer<T>> terms);
template <class T>
CriterionPointer<T> new_kurtosis(Signals<T> signals, Matrix<T> b);

// signal_terms.cpp
template <class T>
TermPointer<T> new_quartic();
template <class T>
TermPointer<T> new_entropy();
template <class T>
TermPointer<T> new_smooth_l1(T width);
template <class T>
TermPointer<T> new_total_variation(T width, bool periodic);
template <class T>
TermPointer<T> new_descent(T sign, bool periodic);
// Two coordinates of every point, in two rows.
template <class T>
TermPointer<T> new_spread(const Matrix<T>& points);

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
