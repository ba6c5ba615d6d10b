// Skew-symmetric generators and their packed form: the strict lower triangle, column by column.
#pragma once

#include "matrix.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

inline Index packed_size(Index n) {
  return n * (n - 1) / 2;
}

// A tile of a matrix, transposed.
constexpr Index packed_tile = 32;
template <class T>
using PackedTile = Eigen::Matrix<T, packed_tile, packed_tile, Eigen::RowMajor>;

// Calls visit(i, j, height, width) for the tiles of the lower triangle, whose first entry is (i, j), in
// stripes of so many columns a task as have thousands of entries. Tiles, because one of (i, j) and
// (j, i) always strides across rows: at a stride of a power of two they share a few lines of the cache.
template <class Visit>
void for_each_packed_tile(Index n, const Crew& crew, const Visit& visit) {
  constexpr Index entries = 8192;
  const Index width = (entries / std::max<Index>(n, 1) / packed_tile + 1) * packed_tile;
  crew.each((n + width - 1) / width, [&](Index stripe, int) {
    const Index end = std::min(n, (stripe + 1) * width);
    for (Index j = stripe * width; j < end; j += packed_tile)
      for (Index i = j; i < n; i += packed_tile)
        visit(i, j, std::min(packed_tile, n - i), std::min(packed_tile, n - j));
  });
}

// visit(j, i, length, place) for every column j of a tile: its entries from (i, j) on, and where they
// begin in the packed vector.
template <class Visit>
void for_each_packed_column(Index n, Index row, Index column, Index height, Index width,
                            const Visit& visit) {
  for (Index j = column; j < column + width; ++j) {
    const Index i = std::max(row, j + 1);
    if (i < row + height) visit(j, i, row + height - i, j * n - j * (j + 1) / 2 - j - 1 + i);
  }
}

// Q = L - L^T, with zeros on the diagonal.
template <class Packed, class Skew>
void unpack_generator(const Packed& packed, Skew& skew, const Crew& crew) {
  const Index n = skew.rows();
  for_each_packed_tile(n, crew, [&](Index row, Index column, Index height, Index width) {
    PackedTile<typename Skew::Scalar> tile;
    tile.setZero();
    for_each_packed_column(n, row, column, height, width, [&](Index j, Index i, Index length, Index k) {
      tile.row(j - column).segment(i - row, length) = packed.segment(k, length).transpose();
    });
    skew.block(row, column, height, width) = tile.topLeftCorner(width, height).transpose();
    for_each_packed_column(n, row, column, height, width, [&](Index j, Index i, Index length, Index k) {
      skew.row(j).segment(i, length) = -packed.segment(k, length).transpose();
    });
  });
}

// packed = of(column j from row i on, row j from column i on, i, j), piece by piece of the columns.
template <class Skew, class Packed, class Of>
void pack_pairs(const Skew& m, Packed& packed, const Crew& crew, const Of& of) {
  const Index n = m.rows();
  for_each_packed_tile(n, crew, [&](Index row, Index column, Index height, Index width) {
    PackedTile<typename Skew::Scalar> tile;
    tile.topLeftCorner(width, height) = m.block(row, column, height, width).transpose();
    for_each_packed_column(n, row, column, height, width, [&](Index j, Index i, Index length, Index k) {
      packed.segment(k, length) =
          of(tile.row(j - column).segment(i - row, length), m.row(j).segment(i, length), i, j)
              .transpose();
    });
  });
}

template <class Skew, class Packed>
void pack_generator(const Skew& skew, Packed& packed, const Crew& crew) {
  pack_pairs(skew, packed, crew, [](const auto& below, const auto&, Index, Index) { return below; });
}

// scale * (M - M^T): moving one generator entry moves its mirror too, hence no factor 1/2.
template <class T, class Packed>
void pack_skew_part(const Matrix<T>& m, T scale, Packed& packed, const Crew& crew) {
  pack_pairs(m, packed, crew, [=](const auto& below, const auto& beyond, Index, Index) {
    return scale * (below - beyond);
  });
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
