// How long each task takes that threads could share, at one thread, in one precision, SCALAR. Prints a line of
// JSON for each work: its name, its size, its seconds, and the seconds of every task, a list for each loop.
#include <chrono>
#include <cstddef>
#include <vector>

namespace timing {

using Clock = std::chrono::steady_clock;

inline double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Tasks of the loops that have run, and whether one runs: loops inside tasks belong to the task.
struct Record {
  Clock::time_point start = Clock::now();
  double seconds = 0;
  std::vector<std::vector<double>> loops;
};
inline Record record;
inline bool within = false;

template <class Run>
bool each(std::ptrdiff_t count, const Run& run) {
  if (within || count < 2) return false;
  within = true;
  std::vector<double> tasks;
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    const auto start = Clock::now();
    run(i);
    tasks.push_back(since(start));
  }
  record.loops.push_back(std::move(tasks));
  within = false;
  return true;
}

}  // namespace timing
#define DESCRAMBLER_EACH timing::each

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "descrambler/cayley_chart.hpp"
#include "descrambler/gram_criteria.hpp"
#include "descrambler/lbfgs.hpp"
#include "descrambler/recentered_chart.hpp"
#include "descrambler/signal_criteria.hpp"
#include "descrambler/signal_terms.hpp"

using namespace descrambler;

namespace {

using T = SCALAR;
const Crew nobody = [] {};

void begin() {
  timing::record = timing::Record();
}

timing::Record end() {
  timing::record.seconds = timing::since(timing::record.start);
  return timing::record;
}

// The record with the median of the seconds.
void print(const char* name, Index n, std::vector<timing::Record> records) {
  const auto middle = records.begin() + static_cast<std::ptrdiff_t>(records.size() / 2);
  std::nth_element(records.begin(), middle, records.end(),
                   [](const auto& a, const auto& b) { return a.seconds < b.seconds; });
  std::printf("{\"work\": \"%s\", \"n\": %ld, \"seconds\": %.9f, \"loops\": [", name, static_cast<long>(n),
              middle->seconds);
  for (std::size_t loop = 0; loop < middle->loops.size(); ++loop) {
    std::printf(loop ? ", [" : "[");
    const auto& tasks = middle->loops[loop];
    for (std::size_t i = 0; i < tasks.size(); ++i) std::printf(i ? ", %.9f" : "%.9f", tasks[i]);
    std::printf("]");
  }
  std::printf("]}\n");
  std::fflush(stdout);
}

Brockett<T> smoothness(Index n) {
  const Matrix<T> s = Matrix<T>::Random(2 * n, n);
  Matrix<T> b = Matrix<T>::Zero(n, n);
  b.selfadjointView<Eigen::Lower>().rankUpdate(s.transpose(), T(1) / T(n));
  b.triangularView<Eigen::StrictlyUpper>() = b.transpose();
  return Brockett<T>(Vector<T>::LinSpaced(n, 0, 1), b);
}

void evaluations(Index n, int repeats) {
  Brockett<T> criterion = smoothness(n);
  CayleyChart<T> chart({criterion, false}, Matrix<T>::Identity(n, n), nobody);
  const Vector<T> generator = Vector<T>::Random(packed_size(n)) / T(n);
  Vector<T> gradient(packed_size(n));
  std::vector<timing::Record> records;
  for (int repeat = -1; repeat < repeats; ++repeat) {
    begin();
    chart.value_and_gradient(generator, gradient);
    if (repeat >= 0) records.push_back(end());
  }
  print("Cayley value and gradient", n, std::move(records));
}

void steps(Index n, int repeats) {
  Brockett<T> criterion = smoothness(n);
  RecenteredChart<T> chart({criterion, false}, Matrix<T>::Identity(n, n), RetractionKind::cayley, nobody);
  std::vector<timing::Record> records;
  // The first steps have little memory, and a line search of their own.
  const int first = 3;
  begin();
  lbfgs(chart, false, {MEMORY, first + repeats, 0, [&](const Progress& progress) {
    if (progress.iteration > first) records.push_back(end());
    begin();
    return false;
  }});
  if (!records.empty()) print("Riemannian L-BFGS step", n, std::move(records));
}

void varimax(Index n, Index count, int repeats) {
  const Matrix<T> x = Matrix<T>::Random(count, n);
  const Signals<T> signals{Eigen::Map<const Matrix<T>>(x.data(), count, n), T(1), nullptr};
  SignalSum<T> criterion(signals, {{1.0, std::make_shared<Quartic<T>>()}});
  const Matrix<T> p = Matrix<T>::Identity(n, n);
  Matrix<T> gradient(n, n);
  std::vector<timing::Record> records;
  for (int repeat = -1; repeat < repeats; ++repeat) {
    begin();
    criterion.value_and_gradient(p, gradient, nobody);
    if (repeat >= 0) records.push_back(end());
  }
  print("varimax step", n, std::move(records));
}

}  // namespace

// Number of signals of varimax, repeats, sizes.
int main(int count, char** arguments) {
  if (count < 4) return 2;
  const Index signals = std::atol(arguments[1]);
  const int repeats = std::atoi(arguments[2]);
  for (int i = 3; i < count; ++i) {
    const Index n = std::atol(arguments[i]);
    evaluations(n, n > 1024 ? std::min(repeats, 3) : repeats);
    steps(n, n > 1024 ? std::min(repeats, 3) : repeats);
  }
  varimax(256, signals, std::min(repeats, 3));
}
