// Passes over long vectors, shared between threads in chunks.
#pragma once

#include <algorithm>
#include <array>
#include <numeric>

#include "matrix.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// Chunks that the size of a vector alone fixes: sums have the same bits for every number of threads.
class Chunks {
 public:
  static constexpr Index most = 64;

  explicit Chunks(Index size) : size_(size), each_(std::max(shortest, (size + most - 1) / most)) {}

  Index count() const { return (size_ + each_ - 1) / each_; }

  // visit(number, start, size)
  template <class Visit>
  void visit(const Crew& crew, const Visit& visit) const {
    crew.each(count(), [&](Index number, int) {
      const Index start = number * each_;
      visit(number, start, std::min(each_, size_ - start));
    });
  }

 private:
  // A shorter one is through before another thread has begun.
  static constexpr Index shortest = 8192;

  Index size_, each_;
};

// Sum of part(start, size) over all chunks.
template <class T, class Part>
T sum_of_chunks(Index size, const Crew& crew, const Part& part) {
  const Chunks chunks(size);
  std::array<T, Chunks::most> sums;
  chunks.visit(crew, [&](Index number, Index start, Index count) {
    sums[static_cast<std::size_t>(number)] = part(start, count);
  });
  // In their order: Eigen's depends on where in memory they are, here the stack.
  return std::accumulate(sums.begin(), sums.begin() + chunks.count(), T(0));
}

template <class T, class A, class B>
T dot(const A& a, const B& b, const Crew& crew) {
  return sum_of_chunks<T>(a.size(), crew, [&](Index start, Index size) {
    return a.segment(start, size).dot(b.segment(start, size));
  });
}

// out = expression, both as long as out.
template <class Out, class Expression>
void assign(Out&& out, const Expression& expression, const Crew& crew) {
  Chunks(out.size()).visit(crew, [&](Index, Index start, Index size) {
    out.segment(start, size) = expression.segment(start, size);
  });
}

// The same, and the dot product of out and another vector: in one pass.
template <class T, class Out, class Expression, class Other>
T assign_and_dot(Out& out, const Expression& expression, const Other& other, const Crew& crew) {
  return sum_of_chunks<T>(out.size(), crew, [&](Index start, Index size) {
    out.segment(start, size) = expression.segment(start, size);
    return other.segment(start, size).dot(out.segment(start, size));
  });
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
