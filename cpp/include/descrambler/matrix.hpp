// Matrix types and the products that long loops are made of.
#pragma once

#include <Eigen/Dense>
#include <algorithm>
#include <functional>

// Each CPU variant lives in an inline namespace of its own, so that one process may hold several.
#ifndef DESCRAMBLER_VARIANT
#define DESCRAMBLER_VARIANT baseline
#endif

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

using Eigen::Index;

// Row-major, as NumPy's default: arrays are mapped, never transposed.
template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

// Called every fraction of a second from long loops; throws Interrupted when the user asks to stop.
using Poll = std::function<void()>;
struct Interrupted {};

// Products in panels of rows, so that the longest stretch without a poll stays well below a second.
// Three named functions instead of one template over expressions: each kind costs seconds to compile.
template <class Panel>
void for_each_panel(Index rows, const Poll& poll, Panel panel) {
  constexpr Index height = 512;
  for (Index row = 0; row < rows; row += height) {
    poll();
    panel(row, std::min(height, rows - row));
  }
}

// out = a b
template <class T>
void multiply(Matrix<T>& out, const Matrix<T>& a, const Matrix<T>& b, const Poll& poll) {
  for_each_panel(out.rows(), poll, [&](Index row, Index rows) {
    out.middleRows(row, rows).noalias() = a.middleRows(row, rows) * b;
  });
}

// out = a^T b
template <class T>
void multiply_tn(Matrix<T>& out, const Matrix<T>& a, const Matrix<T>& b, const Poll& poll) {
  for_each_panel(out.rows(), poll, [&](Index row, Index rows) {
    out.middleRows(row, rows).noalias() = a.middleCols(row, rows).transpose() * b;
  });
}

// out = a b^T
template <class T>
void multiply_nt(Matrix<T>& out, const Matrix<T>& a, const Matrix<T>& b, const Poll& poll) {
  for_each_panel(out.rows(), poll, [&](Index row, Index rows) {
    out.middleRows(row, rows).noalias() = a.middleRows(row, rows) * b.transpose();
  });
}

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
