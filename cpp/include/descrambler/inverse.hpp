// Inverses by products alone, of matrices that need no pivots.
#pragma once

#include "matrix.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// Below this size a matrix is inverted entry by entry.
constexpr Index smallest_half = 32;

// Entries of a product below which it is done sooner than another thread has begun.
constexpr Index worth_waking = 64 * 64;

// M^-1 in place of M, which has at most `smallest_half` rows. In a matrix whose size the compiler knows:
// twice to three times as fast.
template <class T>
void eliminate(Part<T> m) {
  const Index n = m.rows();
  Eigen::Matrix<T, smallest_half, smallest_half, Eigen::RowMajor> a;
  a.setZero();
  a.topLeftCorner(n, n) = m;
  for (Index k = 0; k < n; ++k) {
    const T inverse = T(1) / a(k, k);
    Eigen::Matrix<T, smallest_half, 1> factors = a.col(k);
    factors(k) = T(0);
    a.col(k).setZero();
    a(k, k) = T(1);
    const Eigen::Matrix<T, 1, smallest_half> pivot = a.row(k) * inverse;
    a.row(k) = pivot;
    for (Index i = 0; i < n; ++i) a.row(i) -= factors(i) * pivot;
  }
  m = a.topLeftCorner(n, n);
}

// A product a b, and where to add it.
template <class T>
struct Sum {
  const Part<T>&out, &a, &b;
};

// Two products, added at once to different parts.
template <class T>
void add_products(const Sum<T>& first, const Sum<T>& second, T factor, const Crew& crew) {
  const Tiles one(first.out.rows(), first.out.cols()), two(second.out.rows(), second.out.cols());
  const auto fill_one = adds<T>(first.out, readable(first.a), readable(first.b), factor);
  const auto fill_two = adds<T>(second.out, readable(second.a), readable(second.b), factor);
  const Index count = one.count() + two.count();
  const auto task = [&](Index tile, int) {
    if (tile < one.count())
      one.fill(tile, fill_one);
    else
      two.fill(tile - one.count(), fill_two);
  };
  if (first.out.size() >= worth_waking)
    crew.each(count, task);
  else
    for (Index tile = 0; tile < count; ++tile) task(tile, 0);
}

// M^-1 in place of M, whose symmetric part is positive definite, by halves: with S = D - C A^-1 B,
//   [[A, B], [C, D]]^-1 = [[A^-1 + A^-1 B S^-1 C A^-1, -A^-1 B S^-1], [-S^-1 C A^-1, S^-1]].
// S has such a part, too. Takes 2 n^3 operations, as many as one product, nearly all of them in products
// that threads share. `room` is for n^2 numbers.
template <class T>
void invert_in_place(const Part<T>& m, T* room, const Crew& crew) {
  const Index n = m.rows();
  if (n <= smallest_half) return eliminate(m);
  const Index half = (n / 2 + smallest_half - 1) / smallest_half * smallest_half, rest = n - half;
  Part<T> a = part(m, 0, 0, half, half), b = part(m, 0, half, half, rest);
  Part<T> c = part(m, half, 0, rest, half), d = part(m, half, half, rest, rest);
  Part<T> x(room, half, rest, Eigen::OuterStride<>(rest));
  Part<T> y(room + half * rest, rest, half, Eigen::OuterStride<>(half));
  T* const beyond = room + 2 * half * rest;
  const auto add = [&](Part<T>& out, const Part<T>& left, const Part<T>& right, T factor) {
    add_product<T>(out, readable(left), readable(right), factor, crew);
  };
  invert_in_place(a, beyond, crew);
  x.setZero(), y.setZero();
  add_products<T>({x, a, b}, {y, c, a}, T(1), crew);
  add(d, c, x, T(-1));
  invert_in_place(d, beyond, crew);
  b.setZero(), c.setZero();
  add_products<T>({b, x, d}, {c, d, y}, T(-1), crew);
  add(a, b, y, T(-1));
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
