#include "optimizers.hpp"

#include <memory>
#include <utility>

#include "descrambler/cayley_chart.hpp"
#include "descrambler/lbfgs.hpp"
#include "descrambler/recentered_chart.hpp"
#include "group.hpp"

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {
namespace {

template <class T>
Found<T> search(Problem<T>& problem, bool maximized, const Options& options) {
  Outcome outcome = lbfgs(problem, maximized, options);
  return {problem.rotation(), std::move(outcome)};
}

}  // namespace

template <class T>
Found<T> search_cayley_chart(Task<T> task, const Options& options, Crew crew) {
  CayleyChart<T> chart({task.criterion, task.maximized}, std::move(task.start), std::move(crew));
  return search(chart, task.maximized, options);
}

template <class T>
Found<T> search_recentered_charts(Task<T> task, RetractionKind kind, const Options& options, Crew crew) {
  RecenteredChart<T> chart({task.criterion, task.maximized}, std::move(task.start), kind,
                           std::move(crew));
  return search(chart, task.maximized, options);
}

Evaluation cayley_evaluation(Criterion<double>& criterion, Crew crew) {
  const Index n = criterion.size();
  const auto chart = std::make_shared<CayleyChart<double>>(
      Objective<double>{criterion, false}, Matrix<double>::Identity(n, n), std::move(crew));
  return [chart](const Vector<double>& generator, Vector<double>& gradient) {
    return chart->value_and_gradient(generator, gradient);
  };
}

#define DESCRAMBLER_OPTIMIZERS(T)                                          \
  template Found<T> search_cayley_chart<T>(Task<T>, const Options&, Crew); \
  template Found<T> search_recentered_charts<T>(Task<T>, RetractionKind, const Options&, Crew);

DESCRAMBLER_OPTIMIZERS(float)
DESCRAMBLER_OPTIMIZERS(double)

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
