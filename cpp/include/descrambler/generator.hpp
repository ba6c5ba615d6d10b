// Skew-symmetric generators and their packed form: the strict lower triangle, column by column.
#pragma once

#include "matrix.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

inline Index packed_size(Index n) {
  return n * (n - 1) / 2;
}

// In stripes of 32 columns, as many a task as have thousands of entries, calls visit(i, j, k) for every
// entry i > j, with its place k in the packed vector. Square tiles, because one of (i, j) and (j, i)
// always strides across rows.
template <class Visit>
void for_each_packed(Index n, const Crew& crew, const Visit& visit) {
  constexpr Index tile = 32, entries = 8192;
  const Index width = (entries / std::max<Index>(n, 1) / tile + 1) * tile;
  crew.each((n + width - 1) / width, [&](Index stripe, int) {
    const Index end = std::min(n, (stripe + 1) * width);
    for (Index jb = stripe * width; jb < end; jb += tile)
      for (Index ib = jb; ib < n; ib += tile)
        for (Index j = jb; j < std::min(jb + tile, n); ++j) {
          const Index column = j * n - j * (j + 1) / 2 - j - 1;
          for (Index i = std::max(ib, j + 1); i < std::min(ib + tile, n); ++i) visit(i, j, column + i);
        }
  });
}

// Q = L - L^T, with zeros on the diagonal.
template <class Packed, class Skew>
void unpack_generator(const Packed& packed, Skew& skew, const Crew& crew) {
  skew.diagonal().setZero();
  for_each_packed(skew.rows(), crew, [&](Index i, Index j, Index k) {
    skew(i, j) = packed(k);
    skew(j, i) = -packed(k);
  });
}

template <class Skew, class Packed>
void pack_generator(const Skew& skew, Packed& packed, const Crew& crew) {
  for_each_packed(skew.rows(), crew, [&](Index i, Index j, Index k) { packed(k) = skew(i, j); });
}

// scale * (M - M^T): moving one generator entry moves its mirror too, hence no factor 1/2.
template <class T, class Packed>
void pack_skew_part(const Matrix<T>& m, T scale, Packed& packed, const Crew& crew) {
  for_each_packed(m.rows(), crew,
                  [&](Index i, Index j, Index k) { packed(k) = scale * (m(i, j) - m(j, i)); });
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
