// Who does the work of a loop: the calling thread, with helpers or without, and when it is asked to
// stop.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

// Each CPU variant lives in an inline namespace of its own, so that one process may hold several.
#ifndef DESCRAMBLER_VARIANT
#define DESCRAMBLER_VARIANT baseline
#endif

namespace descrambler {
inline namespace DESCRAMBLER_VARIANT {

using Eigen::Index;

// Called every fraction of a second from long loops; throws Interrupted when the user asks to stop.
using Poll = std::function<void()>;
struct Interrupted {};

// Whether something happens within some microseconds: to sleep and be woken takes several times as long.
// Others who want this processor get it.
template <class Happened>
bool soon(const Happened& happened) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(50);
  do {
    for (int i = 0; i < 16; ++i) {
      if (happened()) return true;
      std::this_thread::yield();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

// Threads that wait for work, and end with this object: none is left for the end of the process or a
// fork.
class Helpers {
 public:
  using Work = std::function<void(int)>;

  explicit Helpers(int count) {
    try {
      for (int number = 1; number <= count; ++number)
        threads_.emplace_back([this, number] { serve(number); });
    } catch (const std::exception&) {
      // The system has no more threads: those that there are do the work.
    }
  }
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;
  ~Helpers() {
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      ended_ = true;
      ++round_;
    }
    begun_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  // Every helper calls work(number), with a number of its own from 1 on, until wait() returns.
  void begin(Work work) {
    work_ = std::move(work);
    thrown_ = nullptr;
    running_ = threads_.size();
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      ++round_;
      if (asleep_ == 0) return;
    }
    begun_.notify_all();
  }
  // Returns what one of them has thrown, if any did.
  std::exception_ptr wait() {
    const auto done = [this] { return running_ == 0; };
    if (!soon(done)) {
      std::unique_lock<std::mutex> hold(mutex_);
      done_.wait(hold, done);
    }
    return thrown_;
  }

  // Whether those who are in a long task should leave it.
  std::atomic<bool> stopping{false};

 private:
  void serve(int number) {
    for (std::size_t seen = 0;; ++seen) {
      const auto begun = [&] { return round_ != seen; };
      if (!soon(begun)) {
        std::unique_lock<std::mutex> hold(mutex_);
        ++asleep_;
        begun_.wait(hold, begun);
        --asleep_;
      }
      if (ended_) return;
      std::exception_ptr thrown;
      try {
        work_(number);
      } catch (...) {
        thrown = std::current_exception();
      }
      const std::lock_guard<std::mutex> hold(mutex_);
      if (thrown) thrown_ = thrown;
      if (--running_ == 0) done_.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable begun_, done_;
  Work work_;
  std::exception_ptr thrown_;
  std::atomic<std::size_t> running_{0}, round_{0};
  std::size_t asleep_ = 0;
  std::atomic<bool> ended_{false};
  std::vector<std::thread> threads_;
};

// Helpers of all calls that run at once: a call gets what others leave of the threads it asks for.
inline std::atomic<int> helpers_at_work{0};

class Crew {
 public:
  // The calling thread alone, which calls `poll` between blocks.
  template <class Function, class = std::enable_if_t<!std::is_same_v<std::decay_t<Function>, Crew>>>
  Crew(Function poll) : poll_(std::move(poll)) {}
  // Up to so many threads, which start when there is work for two.
  Crew(Poll poll, int threads) : poll_(std::move(poll)), team_(std::make_shared<Team>(threads)) {}

  // Threads, the calling one included: tasks are told a number below this.
  int workers() const { return team_ ? team_->threads : 1; }
  void poll() const { poll_(); }
  // To be called now and then from a long task: throws Interrupted when it is to stop.
  void check(int worker) const {
    if (worker == 0)
      poll_();
    else if (team_->helpers->stopping)
      throw Interrupted();
  }

  // Calls task(i, worker) for every i below count, on any thread and in any order, and returns when all
  // are done. Which blocks there are must not depend on the number of threads: then results do not.
  // A task should take longer than it takes to wake a thread, some 20 microseconds.
  template <class Task>
  void each(Index count, const Task& task) const {
#ifdef DESCRAMBLER_EACH  // benchmarks/harness/critical_path.cpp takes the time of every task
    if (DESCRAMBLER_EACH(count, [&](Index i) { task(i, 0); })) return;
#endif
    Helpers* const helpers = count > 1 && team_ ? team_->started() : nullptr;
    const int threads = helpers ? workers() : 1;
    std::vector<Share> shares(threads);
    for (int w = 0; w < threads; ++w) {
      shares[w].next = count * w / threads;
      shares[w].end = count * (w + 1) / threads;
    }
    const auto work = [&](int worker) {
      for (int w = 0; w < threads; ++w) {
        Share& share = shares[(worker + w) % threads];
        for (Index i; (i = share.next.fetch_add(1)) < share.end;) {
          if (worker == 0) poll_();
          task(i, worker);
        }
      }
    };
    if (!helpers) return work(0);
    helpers->begin(work);
    try {
      work(0);
    } catch (...) {
      for (Share& share : shares) share.next = count;
      helpers->stopping = true;
      helpers->wait();
      helpers->stopping = false;
      throw;
    }
    if (const auto thrown = helpers->wait()) std::rethrow_exception(thrown);
  }

 private:
  struct Team {
    explicit Team(int most) : threads(most) {}
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;
    ~Team() {
      helpers.reset();
      helpers_at_work -= taken;
    }

    Helpers* started() {
      if (helpers) return helpers.get();
      int busy = helpers_at_work.load();
      do {
        taken = std::max(0, threads - 1 - busy);
      } while (!helpers_at_work.compare_exchange_weak(busy, busy + taken));
      if (taken > 0) helpers = std::make_unique<Helpers>(taken);
      return helpers.get();
    }

    const int threads;
    int taken = 0;
    std::unique_ptr<Helpers> helpers;
  };

  // A thread's own part of a loop. It begins there, and helps others when that is done: the same rows
  // stay in its cache from one loop to the next.
  struct Share {
    std::atomic<Index> next{0};
    Index end = 0;
  };

  Poll poll_;
  std::shared_ptr<Team> team_;
};

}  // namespace DESCRAMBLER_VARIANT
}  // namespace descrambler
