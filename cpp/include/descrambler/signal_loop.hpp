// Loops over the descrambled signals Y = X P^T, met one block of rows at a time: two products and one
// pass over a block that stays in the cache, and no matrix of the size of X.
#pragma once

#include <algorithm>
#include <vector>

#include "signals.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

template <class T>
class SignalLoop {
 public:
  explicit SignalLoop(Signals<T> signals)
      : signals_(signals), rotation_(signals.rows.cols(), signals.rows.cols()) {
    // A stripe is worth its gradient: four times as many signals as that has rows. 64 of them keep the
    // threads of any machine busy.
    const Index least = std::max<Index>(1024, 4 * n());
    const Index wanted = std::clamp<Index>(count() / least, 1, 64);
    height_ = (count() / wanted / block + 1) * block;
    if (stripes() > 1) parts_.resize(static_cast<std::size_t>(stripes()), Matrix<T>(n(), n()));
  }

  Index n() const { return signals_.rows.cols(); }
  Index count() const { return signals_.rows.rows(); }
  // Threads share the signals in stripes, as many as there are signals for: sums over them, added in
  // their order, do not depend on the number of threads.
  Index stripes() const { return (count() + height_ - 1) / height_; }

  // gradient = sum of slope^T x over the signals x; visit(y, slope, stripe, worker) fills the slope of
  // one.
  template <class Visit>
  void gradient(const Matrix<T>& p, Matrix<T>& gradient, const Crew& crew, const Visit& visit) {
    rotation_ = p / signals_.unit;
    room_.resize(std::max(room_.size(), static_cast<std::size_t>(crew.workers())));
    crew.each(stripes(), [&](Index stripe, int worker) {
      Matrix<T>& sum = stripes() == 1 ? gradient : parts_[static_cast<std::size_t>(stripe)];
      Room& room = room_for(worker);
      sum.setZero();
      const Index end = std::min(count(), (stripe + 1) * height_);
      for (Index start = stripe * height_; start < end; start += block) {
        crew.check(worker);
        const Index rows = std::min(block, end - start);
        const ConstPart<T> x = signals(start, rows, 1);
        room.rotate(x, rotation_);
        for (Index row = 0; row < rows; ++row)
          visit(room.y_row(row), room.slope_row(row), stripe, worker);
        add_tn<T>(whole(sum), room.slopes(rows), x);
      }
    });
    if (stripes() > 1)
      for_each_row(n(), crew, [&](Index row) {
        gradient.row(row) = parts_.front().row(row);
        for (std::size_t stripe = 1; stripe < parts_.size(); ++stripe)
          gradient.row(row) += parts_[stripe].row(row);
      });
    gradient /= signals_.unit;
  }

  // pairs(i, j) = sum of curvature_i y_j^2, from at most `most` signals evenly spread.
  // At the rotation of the last gradient.
  template <class Visit>
  void curvature(Matrix<T>& pairs, Index most, const Crew& crew, const Visit& visit) {
    const Index stride = (count() + most - 1) / most, taken = (count() + stride - 1) / stride;
    Room& room = room_for(0);
    pairs.setZero();
    for (Index start = 0; start < taken; start += block) {
      crew.poll();
      const Index rows = std::min(block, taken - start);
      room.rotate(signals(start * stride, rows, stride), rotation_);
      for (Index row = 0; row < rows; ++row) visit(room.y_row(row), room.slope_row(row));
      room.y = room.y.cwiseAbs2();
      add_tn<T>(whole(pairs), room.slopes(rows), part(readable(whole(room.y)), 0, 0, rows, n()));
    }
    pairs *= static_cast<T>(count()) / static_cast<T>(taken);
  }

 private:
  static constexpr Index block = 256;

  // What a thread works on.
  struct Room {
    Matrix<T> y, slope;

    void rotate(const ConstPart<T>& x, const Matrix<T>& rotation) {
      slope.setZero();
      y.setZero();
      add_nt<T>(part(whole(y), 0, 0, x.rows(), y.cols()), x, whole(rotation));
    }
    ConstPart<T> slopes(Index rows) const { return part(whole(slope), 0, 0, rows, slope.cols()); }
    ConstRow<T> y_row(Index row) const { return {y.row(row).data(), y.cols()}; }
    Row<T> slope_row(Index row) { return {slope.row(row).data(), slope.cols()}; }
  };

  // So many signals from one on, each `stride` after the last.
  ConstPart<T> signals(Index first, Index rows, Index stride) const {
    return {signals_.rows.data() + first * n(), rows, n(), Eigen::OuterStride<>(stride * n())};
  }

  Room& room_for(int worker) {
    Room& room = room_[static_cast<std::size_t>(worker)];
    room.y.resize(block, n());
    room.slope.resize(block, n());
    return room;
  }

  Signals<T> signals_;
  Index height_;
  Matrix<T> rotation_;
  std::vector<Matrix<T>> parts_;
  std::vector<Room> room_{1};
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
