// Signals, and what a criterion asks of each of them.
#pragma once

#include <memory>

#include "rows.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// Signals in rows, in storage of someone else that stays as long as this does, in a unit of their own.
template <class T>
struct Signals {
  Eigen::Map<const Matrix<T>> rows;
  T unit;
  std::shared_ptr<const void> owner;
};

// A function of one descrambled signal y = P s, with its slope.
template <class T>
class SignalTerm {
 public:
  virtual ~SignalTerm() = default;
  // Adds weight * f'(y) to `slope`; returns f(y).
  virtual double add(ConstRow<T> y, T weight, Row<T> slope) = 0;
  // Adds weight times the diagonal of f''(y).
  virtual void add_curvature(ConstRow<T> y, T weight, Row<T> curvature) = 0;
  // The same term with storage of its own.
  virtual std::shared_ptr<SignalTerm> again() const = 0;
};

template <class T>
using TermPointer = std::shared_ptr<SignalTerm<T>>;

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
