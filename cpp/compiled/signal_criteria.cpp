// Criteria of the descrambled signals.
#include "descrambler/signal_criteria.hpp"

#include "criteria.hpp"
#include "products.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {
template <class T>
CriterionPointer<T> new_signal_sum(Signals<T> signals, Weighted<TermPointer<T>> terms) {
  return std::make_shared<SignalSum<T>>(std::move(signals), std::move(terms));
}
template <class T>
CriterionPointer<T> new_kurtosis(Signals<T> signals, Matrix<T> b) {
  return std::make_shared<Kurtosis<T>>(std::move(signals), std::move(b));
}

#define DESCRAMBLER_SIGNAL_CRITERIA(T)                                                  \
  template CriterionPointer<T> new_signal_sum<T>(Signals<T>, Weighted<TermPointer<T>>); \
  template CriterionPointer<T> new_kurtosis<T>(Signals<T>, Matrix<T>);

DESCRAMBLER_SIGNAL_CRITERIA(float)
DESCRAMBLER_SIGNAL_CRITERIA(double)

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
