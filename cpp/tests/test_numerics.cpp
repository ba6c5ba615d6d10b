// What only C++ can see, in one precision, SCALAR: no Python, no allocation in loops, polling, threads.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <vector>

#include "descrambler/cayley_chart.hpp"
#include "descrambler/cpu.h"
#include "descrambler/gram.hpp"
#include "descrambler/gram_criteria.hpp"
#include "descrambler/lbfgs.hpp"
#include "descrambler/recentered_chart.hpp"
#include "descrambler/signal_criteria.hpp"
#include "descrambler/signal_terms.hpp"

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

const Crew nobody = [] {};

void throw_if(bool interrupted) {
  if (interrupted) throw Interrupted();
}

template <class T>
void test_group() {
  const T tolerance = 200 * std::numeric_limits<T>::epsilon();
  for (const Index n : {1, 2, 3, 8, 33, 97}) {
    const Matrix<T> q = random_skew<T>(n) / T(n);
    const Matrix<T> p = cayley(q);
    Matrix<T> back;
    CHECK(orthogonality_error(p) < tolerance);
    CHECK(inverse_cayley(p, back) && (back - q).norm() < tolerance);
    Matrix<T> e(n, n);
    Exponential<T> exponential(n);
    exponential(q, e, nobody);
    CHECK(orthogonality_error(e) < tolerance);
    CHECK(log(e, back) && (back - q).norm() < tolerance);
    Vector<T> packed(packed_size(n));
    pack_generator(q, packed, nobody);
    unpack_generator(packed, back, nobody);
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
    before.compute(x, t - h, nobody);
    here.compute(x, t, nobody);
    after.compute(x, t + h, nobody);
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
  CayleyChart<T> chart({criterion, false}, Matrix<T>::Identity(n, n), nobody);
  RecenteredChart<T> recentered({criterion, false}, Matrix<T>::Identity(n, n), RetractionKind::cayley,
                                nobody);
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
    memory.direction(gradient, &curvature, next, nobody);
    memory.add(direction, gradient, nobody);
  }
  Eigen::internal::set_is_malloc_allowed(true);
  CHECK(orthogonality_error(recentered.rotation()) < 100 * std::numeric_limits<T>::epsilon());
}

template <class T>
void test_optimizers() {
  const Index n = 8;
  Brockett<T> criterion = brockett<T>(n);
  const Options options{10, 2000, 1e-5, nullptr};
  CayleyChart<T> chart({criterion, false}, Matrix<T>::Identity(n, n), nobody);
  RecenteredChart<T> recentered({criterion, false}, Matrix<T>::Identity(n, n), RetractionKind::polar,
                                nobody);
  const Outcome first = lbfgs(chart, false, options), second = lbfgs(recentered, false, options);
  CHECK(first.history.back() <= first.history.front());
  for (std::size_t i = 1; i < second.history.size(); ++i)
    CHECK(second.history[i] <= second.history[i - 1] * (1 + 100 * std::numeric_limits<T>::epsilon()));
  CHECK(std::abs(first.history.back() - second.history.back()) < 1e-3 * second.history.back());
}

// A poll that throws, as one does on Ctrl-C, ends the search at once, at the best point so far.
template <class T>
void test_polling() {
  Brockett<T> criterion = brockett<T>(16);
  Matrix<T> gradient(16, 16);
  Outcome outcome;
  for (int at = 20, polls = 0; at < 400 || outcome.status == Status::interrupted; at += 3, polls = 0) {
    const Crew crew([&] { throw_if(++polls == at); });
    RecenteredChart<T> chart({criterion, false}, gradient.setIdentity(), RetractionKind::cayley, crew);
    outcome = lbfgs(chart, false, {5, 40, 0, nullptr});
    const double value = criterion.value_and_gradient(chart.rotation(), gradient, nobody);
    CHECK(std::abs(value / outcome.history.back() - 1) < 1e4 * std::numeric_limits<T>::epsilon());
  }
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
  sum.value_and_gradient(p, gradient, nobody);
  CHECK(sum.curvature(pairs, nobody));
  const Vector<T> square = x.row(0).cwiseAbs2();
  const Matrix<T> expected = T(12 * 3001) * square * square.transpose();
  CHECK((pairs - expected).norm() < 1e-4 * expected.norm());
}

template <class T>
void test_gram() {
  const Matrix<T> x = Matrix<T>::Random(1100, 5), w = Matrix<T>::Random(4, 5);
  const Vector<T> bias = Vector<T>::Random(4);
  GramSum sum(4);
  sum.add_layer<T>(x, w, bias, ActivationKind::tanh, T(0), nobody);
  sum.finish();
  const Matrix<double> s =
      ((x * w.transpose()).rowwise() + bias.transpose()).template cast<double>().array().tanh().matrix();
  const Matrix<double> gram = s.transpose() * s;
  const double tolerance = 10 * std::numeric_limits<T>::epsilon();
  CHECK((sum.matrix() - gram).norm() < tolerance * gram.norm());
  CHECK((sum.sum() - s.colwise().sum().transpose()).norm() < tolerance * s.cwiseAbs().sum());
}

// By halves or by LU, the inverse is the same to rounding; a norm that is too large is left to LU.
template <class T>
void test_inverse() {
  for (const Index n : {95, 96, 131, 200}) {
    Matrix<T> m = random_skew<T>(n) / std::sqrt(T(n));  // of norm 2 or so
    m.diagonal().setOnes();
    Resolvent<T> halves(n), lu(n);
    lu.compute(m, nobody);
    for (const T size : {T(1), T(1e4)}) {
      const Matrix<T> q = size * (m - Matrix<T>::Identity(n, n)) + Matrix<T>::Identity(n, n);
      halves.compute_of_skew(q, nobody);
      lu.compute(q, nobody);
      CHECK((halves.k() - lu.k()).norm() < 1000 * std::numeric_limits<T>::epsilon() * std::sqrt(T(n)));
      CHECK((halves.k() == lu.k()) == (n < 96 || size > T(1)));
    }
  }
}

// Results are the same to the last bit with any number of threads.
template <class T>
void test_crews() {
  const Index n = 150;
  Brockett<T> criterion = brockett<T>(n);
  const Matrix<T> x = Matrix<T>::Random(2500, 40), w = Matrix<T>::Random(30, 40);
  SignalSum<T> sum({{x.data(), x.rows(), x.cols()}, T(1), nullptr},
                   {{1.0, std::make_shared<Entropy<T>>()}});
  Kurtosis<T> kurtosis({{x.data(), x.rows(), x.cols()}, T(1), nullptr}, x.transpose() * x);
  const Matrix<T> p = cayley<T>(random_skew<T>(40) / T(40));
  const Vector<T> direction = Vector<T>::Random(packed_size(n)) / T(n), bias = Vector<T>::Random(30),
                  many = Vector<T>::Random(500000);  // several chunks
  const auto all = [&](const Crew& crew) {
    CayleyChart<T> chart({criterion, false}, Matrix<T>::Identity(n, n), crew);
    RecenteredChart<T> recentered({criterion, false}, Matrix<T>::Identity(n, n), RetractionKind::cayley,
                                  crew);
    Vector<T> first(packed_size(n)), second(packed_size(n)), fifth(many.size());
    Matrix<T> third(40, 40), fourth(40, 40);
    chart.value_and_gradient(direction, first);
    recentered.sample(direction, T(0.5), second);
    const double value =
        sum.value_and_gradient(p, third, crew) + kurtosis.value_and_gradient(p, fourth, crew);
    assign(fifth, many.reverse() * dot<T>(many, many, crew), crew);
    GramSum gram(30);
    gram.add_layer<T>(x, w, bias, ActivationKind::tanh, T(0), crew);
    gram.finish();
    Vector<double> joined(2 * first.size() + 2 * third.size() + gram.matrix().size() + many.size() + 1);
    joined << first.template cast<double>(), second.template cast<double>(),
        third.reshaped().template cast<double>(), fourth.reshaped().template cast<double>(),
        gram.matrix().reshaped(), fifth.template cast<double>(), value;
    return joined;
  };
  const Vector<double> alone = all(nobody);
  for (const int threads : {2, 3, 5}) CHECK(all(Crew([] {}, threads)) == alone);
  CHECK(helpers_at_work == 0);
}

// Every task is done once; what a task or the poll throws comes to the caller, and the crew can go on.
template <class T>
void test_each() {
  int polls = 0, interrupted = 0, failed = 0;
  const Crew crew([&] { throw_if(++polls % 7 == 0); }, 3);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::atomic<int>> done(20);
    std::atomic<bool> polled{false};  // helpers wait for it: in every round, however slow the caller is
    try {
      crew.each(20, [&](Index i, int worker) {
        if (worker == 0) polled = true;
        do crew.check(worker);
        while (!polled);
        if (round % 5 == 0 && i == 10) throw std::runtime_error("task");
        ++done[static_cast<std::size_t>(i)];
      });
      for (const auto& times : done) CHECK(times == 1);
    } catch (const Interrupted&) {
      ++interrupted;
    } catch (const std::runtime_error&) {
      ++failed;
    }
  }
  CHECK(interrupted > 0 && interrupted + failed >= 10);
  // A crew that comes later gets what is left of the threads that it asks for.
  const Crew second([] {}, 4);
  CHECK(helpers_at_work == 2);
  second.each(2, [](Index, int) {});
  CHECK(helpers_at_work == 3);
}

template <class T>
void test_all() {
  test_inverse<T>();
  test_crews<T>();
  test_each<T>();
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
