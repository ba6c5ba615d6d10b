// Matrix types and the products that long loops are made of.
#pragma once

#include <Eigen/Dense>
#include <algorithm>

#include "crew.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

// Row-major, as NumPy's default: arrays are mapped, never transposed.
template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

// A part of a matrix, or a whole one.
template <class T>
using Part = Eigen::Map<Matrix<T>, 0, Eigen::OuterStride<>>;
template <class T>
using ConstPart = Eigen::Map<const Matrix<T>, 0, Eigen::OuterStride<>>;

template <class T>
Part<T> whole(Matrix<T>& m) {
  return {m.data(), m.rows(), m.cols(), Eigen::OuterStride<>(m.cols())};
}
template <class T>
ConstPart<T> whole(const Matrix<T>& m) {
  return {m.data(), m.rows(), m.cols(), Eigen::OuterStride<>(m.cols())};
}
template <class T>
ConstPart<T> readable(const Part<T>& m) {
  return {m.data(), m.rows(), m.cols(), Eigen::OuterStride<>(m.outerStride())};
}
template <class Map>
Map part(const Map& m, Index row, Index column, Index rows, Index columns) {
  return {const_cast<typename Map::PointerArgType>(m.data() + row * m.outerStride() + column), rows,
          columns, Eigen::OuterStride<>(m.outerStride())};
}

// Tiles of a product, which threads share: of a fixed size, so that its bits do not depend on their
// number, and so small that a fraction of a second passes between polls. Smaller ones would leave more
// time to the copies that a product makes of its operands, larger ones less work for many threads.
class Tiles {
 public:
  Tiles(Index rows, Index columns) : rows_(rows), columns_(columns) {
    const bool small = rows * columns < 10000, large = rows > 512;
    height_ = large ? 256 : small ? 128 : 64;
    width_ = large ? 256 : 128;
    across_ = (columns + width_ - 1) / width_;
  }

  Index count() const { return (rows_ + height_ - 1) / height_ * across_; }

  // fill(row, column, rows, columns)
  template <class Fill>
  void fill(Index tile, const Fill& fill) const {
    const Index row = tile / across_ * height_, column = tile % across_ * width_;
    fill(row, column, std::min(height_, rows_ - row), std::min(width_, columns_ - column));
  }

 private:
  Index rows_, columns_, height_, width_, across_;
};

template <class T, class Fill>
void for_each_tile(const Part<T>& out, const Crew& crew, const Fill& fill) {
  const Tiles tiles(out.rows(), out.cols());
  crew.each(tiles.count(), [&](Index tile, int) { tiles.fill(tile, fill); });
}

// visit(i) for every row, in panels that threads share.
template <class Visit>
void for_each_row(Index rows, const Crew& crew, const Visit& visit) {
  constexpr Index height = 128;
  crew.each((rows + height - 1) / height, [&](Index panel, int) {
    const Index end = std::min(rows, (panel + 1) * height);
    for (Index row = panel * height; row < end; ++row) visit(row);
  });
}

// The three products that everything is made of, on the calling thread, in named functions: each costs
// seconds to compile, and the extension compiles each once (cpp/compiled/products.cpp).
// out += factor a b
template <class T>
void add_nn(Part<T> out, const ConstPart<T>& a, const ConstPart<T>& b, T factor) {
  out.noalias() += factor * (a * b);
}
// out += a^T b
template <class T>
void add_tn(Part<T> out, const ConstPart<T>& a, const ConstPart<T>& b) {
  out.noalias() += a.transpose() * b;
}
// out += a b^T
template <class T>
void add_nt(Part<T> out, const ConstPart<T>& a, const ConstPart<T>& b) {
  out.noalias() += a * b.transpose();
}

// What adds to a tile of out that of factor a b.
template <class T>
auto adds(const Part<T>& out, const ConstPart<T>& a, const ConstPart<T>& b, T factor) {
  return [=](Index row, Index column, Index rows, Index columns) {
    add_nn<T>(part(out, row, column, rows, columns), part(a, row, 0, rows, a.cols()),
              part(b, 0, column, b.rows(), columns), factor);
  };
}

// out += factor a b, shared between threads
template <class T>
void add_product(const Part<T>& out, const ConstPart<T>& a, const ConstPart<T>& b, T factor,
                 const Crew& crew) {
  for_each_tile(out, crew, adds<T>(out, a, b, factor));
}

// out = a b
template <class T>
void multiply(Matrix<T>& out, const Matrix<T>& a, const Matrix<T>& b, const Crew& crew) {
  const auto add = adds<T>(whole(out), whole(a), whole(b), T(1));
  for_each_tile(whole(out), crew, [&](Index row, Index column, Index rows, Index columns) {
    part(whole(out), row, column, rows, columns).setZero();
    add(row, column, rows, columns);
  });
}

// out = a^T b
template <class T>
void multiply_tn(Matrix<T>& out, const Matrix<T>& a, const Matrix<T>& b, const Crew& crew) {
  const auto left = whole(a), right = whole(b);
  for_each_tile(whole(out), crew, [&](Index row, Index column, Index rows, Index columns) {
    Part<T> tile = part(whole(out), row, column, rows, columns);
    tile.setZero();
    add_tn<T>(tile, part(left, 0, row, a.rows(), rows), part(right, 0, column, b.rows(), columns));
  });
}

// out = a b^T
template <class T>
void multiply_nt(Matrix<T>& out, const Matrix<T>& a, const Matrix<T>& b, const Crew& crew) {
  const auto left = whole(a), right = whole(b);
  for_each_tile(whole(out), crew, [&](Index row, Index column, Index rows, Index columns) {
    Part<T> tile = part(whole(out), row, column, rows, columns);
    tile.setZero();
    add_nt<T>(tile, part(left, row, 0, rows, a.cols()), part(right, column, 0, columns, b.cols()));
  });
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
