// What only C++ can see: the numerics without Python, no allocation in the loops, polling. In one
// precision, SCALAR.
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "descrambler/cayley_chart.hpp"
#include "descrambler/cpu.h"
#include "descrambler/gram.hpp"
#include "descrambler/gram_criteria.hpp"
#include "descrambler/lbfgs.hpp"
#include "descrambler/recentered_chart.hpp"
#include "descrambler/signal_criteria.hpp"

using namespace descrambler;

namespace {

#define CHECK(condition) check(condition, #condition, __LINE__)

void check(bool ok, const char* condition, int line) {
  if (ok) return;
  std::printf("line %d: %s is false\n", line, condition);
  std::exit(1);
}

template <class T>
Matrix<T> random_skew(Index n) {
  const Matrix<T> m = Matrix<T>::Random(n, n);
  return m - m.transpose();
}

template <class T>
T orthogonality_error(const Matrix<T>& p) {
  return (p * p.transpose() - Matrix<T>::Identity(p.rows(), p.rows())).norm();
}

template <class T>
Brockett<T> brockett(Index n) {
  const Matrix<T> s = Matrix<T>::Random(3 * n, n);
  const Vector<T> a = Vector<T>::LinSpaced(n, 0, static_cast<T>(n));
  return Brockett<T>(a, s.transpose() * s);
}

const Poll no_poll = [] {};

template <class T>
void test_group() {
  const T tolerance = 200 * std::numeric_limits<T>::epsilon();
  for (const Index n : {1, 2, 3, 8, 33}) {
    const Matrix<T> q = random_skew<T>(n) / T(n);
    const Matrix<T> p = cayley(q);
    Matrix<T> back;
    CHECK(orthogonality_error(p) < tolerance);
    CHECK(inverse_cayley(p, back) && (back - q).norm() < tolerance);
    Matrix<T> e(n, n);
    Exponential<T> exponential(n);
    exponential(q, e, no_poll);
    CHECK(orthogonality_error(e) < tolerance);
    CHECK(log(e, back) && (back - q).norm() < tolerance);
    Vector<T> packed(packed_size(n));
    pack_generator(q, packed);
    unpack_generator(packed, back);
    CHECK(back == q);
  }
  const Matrix<T> half_turn = -Matrix<T>::Identity(2, 2);
  Matrix<T> q;
  CHECK(!inverse_cayley(half_turn, q));
  CHECK(!log(half_turn, q));
}

// Retraction velocities against finite differences of the curve.
template <class T>
void test_retractions() {
  const Index n = 6;
  const Matrix<T> x = random_skew<T>(n) / T(n);
  const T t = T(0.7), h = std::cbrt(std::numeric_limits<T>::epsilon());
  for (const auto kind : {RetractionKind::cayley, RetractionKind::exponential, RetractionKind::polar}) {
    Retraction<T> before(kind, n), here(kind, n), after(kind, n);
    before.compute(x, t - h, no_poll);
    here.compute(x, t, no_poll);
    after.compute(x, t + h, no_poll);
    const Matrix<T> slope =
        (after.rotation() - before.rotation()) / (2 * h) * here.rotation().transpose();
    CHECK((slope - here.velocity()).norm() < 20 * h * h);
  }
}

// Small matrices: for large ones Eigen's product packs its operands into storage of its own.
template <class T>
void test_no_allocation() {
  const Index n = 24;
  Brockett<T> criterion = brockett<T>(n);
  CayleyChart<T> chart({criterion, false}, Matrix<T>::Identity(n, n), no_poll);
  RecenteredChart<T> recentered({criterion, false}, Matrix<T>::Identity(n, n), RetractionKind::cayley,
                                no_poll);
  const Vector<T> direction = Vector<T>::Random(packed_size(n)) / T(n);
  Vector<T> gradient(packed_size(n)), curvature(packed_size(n));
  Memory<T> memory(packed_size(n), 5);
  chart.start(gradient);
  recentered.start(gradient);
  Vector<T> next = direction;
  Eigen::internal::set_is_malloc_allowed(false);
  for (int step = 0; step < 64; ++step) {
    chart.sample(direction, T(0.1), gradient);
    chart.accept();
    recentered.sample(direction, T(0.1), gradient);
    recentered.accept();
    recentered.curvature(curvature);
    memory.direction(gradient, &curvature, next);
    memory.add(direction, gradient);
  }
  Eigen::internal::set_is_malloc_allowed(true);
  CHECK(orthogonality_error(recentered.rotation()) < 100 * std::numeric_limits<T>::epsilon());
}

template <class T>
void test_optimizers() {
  const Index n = 8;
  Brockett<T> criterion = brockett<T>(n);
  const Options options{10, 2000, 1e-5, nullptr};
  CayleyChart<T> chart({criterion, false}, Matrix<T>::Identity(n, n), no_poll);
  RecenteredChart<T> recentered({criterion, false}, Matrix<T>::Identity(n, n), RetractionKind::polar,
                                no_poll);
  const Outcome first = lbfgs(chart, false, options), second = lbfgs(recentered, false, options);
  CHECK(first.history.back() <= first.history.front());
  for (std::size_t i = 1; i < second.history.size(); ++i)
    CHECK(second.history[i] <= second.history[i - 1] * (1 + 100 * std::numeric_limits<T>::epsilon()));
  CHECK(std::abs(first.history.back() - second.history.back()) < 1e-3 * second.history.back());
}

// A poll that throws, as one does on Ctrl-C, ends the search at once, at the best point so far.
template <class T>
void test_polling() {
  int polls = 0;
  Brockett<T> criterion = brockett<T>(16);
  RecenteredChart<T> chart({criterion, false}, Matrix<T>::Identity(16, 16), RetractionKind::cayley, [&] {
    if (++polls == 30) throw Interrupted();
  });
  const Outcome outcome = lbfgs(chart, false, {5, 1000000, 0, nullptr});
  CHECK(outcome.status == Status::interrupted && polls == 30);
  Matrix<T> gradient(16, 16);
  CHECK(std::abs(criterion.value_and_gradient(chart.rotation(), gradient, no_poll) -
                 outcome.history.back()) < 1e4 * std::numeric_limits<T>::epsilon() * criterion.scale());
}

// Thinned or not, the curvature of y^4 is that of its formula where every signal is the same.
template <class T>
void test_curvature() {
  const Index n = 6;
  const Matrix<T> x = Vector<T>::Ones(3001) * Vector<T>::LinSpaced(n, 1, 2).transpose();
  SignalSum<T> sum({{x.data(), x.rows(), x.cols()}, T(1), nullptr},
                   {{1.0, std::make_shared<Quartic<T>>()}});
  const Matrix<T> p = Matrix<T>::Identity(n, n);
  Matrix<T> gradient(n, n), pairs(n, n);
  sum.value_and_gradient(p, gradient, no_poll);
  CHECK(sum.curvature(pairs, no_poll));
  const Vector<T> square = x.row(0).cwiseAbs2();
  const Matrix<T> expected = T(12 * 3001) * square * square.transpose();
  CHECK((pairs - expected).norm() < 1e-4 * expected.norm());
}

template <class T>
void test_gram() {
  const Matrix<T> x = Matrix<T>::Random(1100, 5), w = Matrix<T>::Random(4, 5);
  const Vector<T> bias = Vector<T>::Random(4);
  GramSum sum(4);
  sum.add_layer<T>(x, w, bias, ActivationKind::tanh, T(0), no_poll);
  sum.mirror();
  const Matrix<double> s =
      ((x * w.transpose()).rowwise() + bias.transpose()).template cast<double>().array().tanh().matrix();
  const Matrix<double> gram = s.transpose() * s;
  const double tolerance = 10 * std::numeric_limits<T>::epsilon();
  CHECK((sum.matrix() - gram).norm() < tolerance * gram.norm());
  CHECK((sum.sum() - s.colwise().sum().transpose()).norm() < tolerance * s.cwiseAbs().sum());
}

template <class T>
void test_all() {
  test_group<T>();
  test_retractions<T>();
  test_no_allocation<T>();
  test_optimizers<T>();
  test_curvature<T>();
  test_gram<T>();
  test_polling<T>();
}

bool processor_can_run_this() {
#if defined(__AVX512F__)
  return descrambler_cpu_level() >= DESCRAMBLER_CPU_AVX512;
#elif defined(__AVX2__)
  return descrambler_cpu_level() >= DESCRAMBLER_CPU_AVX2;
#else
  return true;
#endif
}

}  // namespace

int main() {
  if (!processor_can_run_this()) return 77;
  test_all<SCALAR>();
  std::puts("ok");
}
