// Terms of the descrambled signals.
#include "descrambler/signal_terms.hpp"

#include "criteria.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {
template <class T>
TermPointer<T> new_quartic() {
  return std::make_shared<Quartic<T>>();
}
template <class T>
TermPointer<T> new_entropy() {
  return std::make_shared<Entropy<T>>();
}
template <class T>
TermPointer<T> new_smooth_l1(T width) {
  return std::make_shared<Entries<T, SmoothL1<T>>>(SmoothL1<T>(width));
}
template <class T>
TermPointer<T> new_total_variation(T width, bool periodic) {
  return std::make_shared<Steps<T, SmoothL1<T>>>(SmoothL1<T>(width), periodic);
}
template <class T>
TermPointer<T> new_descent(T sign, bool periodic) {
  return std::make_shared<Steps<T, Descent<T>>>(Descent<T>(sign), periodic);
}
template <class T>
TermPointer<T> new_spread(const Matrix<T>& points) {
  return std::make_shared<Spread<T>>(points.array());
}

#define DESCRAMBLER_SIGNAL_TERMS(T)                        \
  template TermPointer<T> new_quartic<T>();                \
  template TermPointer<T> new_entropy<T>();                \
  template TermPointer<T> new_smooth_l1<T>(T);             \
  template TermPointer<T> new_total_variation<T>(T, bool); \
  template TermPointer<T> new_descent<T>(T, bool);         \
  template TermPointer<T> new_spread<T>(const Matrix<T>&);

DESCRAMBLER_SIGNAL_TERMS(float)
DESCRAMBLER_SIGNAL_TERMS(double)

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
