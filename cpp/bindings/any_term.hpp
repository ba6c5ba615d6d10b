// A term of signals as Python holds it: of no precision, which only the sum that it enters knows.
#pragma once

#include <functional>
#include <memory>

#include "bind.hpp"
#include "compiled/criteria.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

class AnyTerm {
 public:
  // `make(zero)` returns a new term in the precision of zero.
  template <class Make>
  explicit AnyTerm(Make make)
      : make_float_([make] { return make(float()); }), make_double_([make] { return make(double()); }) {}

  // A new term: terms keep storage, which sums do not share.
  template <class T>
  TermPointer<T> in() const;

 private:
  std::function<TermPointer<float>()> make_float_;
  std::function<TermPointer<double>()> make_double_;
};

template <>
inline TermPointer<float> AnyTerm::in<float>() const {
  return make_float_();
}

template <>
inline TermPointer<double> AnyTerm::in<double>() const {
  return make_double_();
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
