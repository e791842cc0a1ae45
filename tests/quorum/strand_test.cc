#include "quorum/strand.h"

#include <atomic>
#include <thread>
#include <vector>

#include "quorate/system.h"
#include "quorate/testing/manual_executor.h"
#include "support/catch.h"

namespace quorate::quorum {
namespace {

TEST_CASE("an idle strand runs a task in place, on the caller's thread", "[quorum][strand]") {
  auto relief = ThreadExecutorFactory()->MakeSerial("relief");
  int flushed = 0;
  Strand strand(relief.get(), [&] { ++flushed; });
  std::thread::id ran_on;
  strand.Run([&] {
    ran_on = std::this_thread::get_id();
    CHECK(strand.RunsHere());
    CHECK(flushed == 0);
  });
  CHECK(ran_on == std::this_thread::get_id());
  CHECK_FALSE(strand.RunsHere());
  CHECK(flushed == 1);
}

TEST_CASE("a task brought from inside runs after the present one, not within it", "[quorum][strand]") {
  auto relief = ThreadExecutorFactory()->MakeSerial("relief");
  Strand strand(relief.get(), {});
  std::vector<int> order;
  strand.Run([&] {
    strand.Run([&] { order.push_back(2); });
    strand.RunAndWait([&] { order.push_back(1); });  // from inside: at once
  });
  CHECK(order == std::vector<int>{1, 2});
}

TEST_CASE("tasks of many threads never overlap and none is lost", "[quorum][strand]") {
  auto relief = ThreadExecutorFactory()->MakeSerial("relief");
  std::atomic<int> flushes{0};
  Strand strand(relief.get(), [&] { ++flushes; });
  int64_t unguarded = 0;  // only correct if the strand excludes
  std::atomic<bool> inside{false};
  std::atomic<bool> overlapped{false};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 20'000; ++i) {
          strand.Run([&] {
            if (inside.exchange(true)) overlapped = true;
            ++unguarded;
            inside = false;
          });
        }
      });
    }
  }
  strand.RunAndWait([] {});
  relief.reset();
  CHECK(unguarded == 80'000);
  CHECK_FALSE(overlapped);
  CHECK(flushes > 0);
}

TEST_CASE("a caller isn't kept for ever by tasks that bring tasks", "[quorum][strand]") {
  auto relief = ThreadExecutorFactory()->MakeSerial("relief");
  std::atomic<bool> stop{false};
  Strand strand(relief.get(), {});
  struct Again {
    Strand* strand;
    std::atomic<bool>* stop;
    void operator()() const {
      if (!*stop) strand->Run(Again{strand, stop});
    }
  };
  strand.Run(Again{&strand, &stop});  // returns, though the chain goes on: the relief thread has it now
  CHECK_FALSE(strand.RunsHere());
  stop = true;
  strand.RunAndWait([] {});
  relief.reset();
}

TEST_CASE("who waits for a task isn't held up by a relief that is busy, perhaps with that very wait",
          "[quorum][strand]") {
  testing::ManualClock clock;
  testing::ManualExecutor relief(&clock);  // runs nothing by itself
  Strand strand(&relief, {});
  struct Chain {
    Strand* strand;
    int left;
    void operator()() const {
      if (left > 0) strand->Run(Chain{strand, left - 1});
    }
  };
  strand.Run(Chain{&strand, 100});  // longer than the rounds of one caller: the relief is asked for
  REQUIRE(relief.pending() == 1);
  std::atomic<bool> ran{false};
  std::atomic<bool> returned{false};
  std::thread waiter([&] {
    strand.RunAndWait([&] { ran = true; });
    returned = true;
  });
  const Instant patience = SystemClock()->Now() + absl::Seconds(10);
  while (!returned && SystemClock()->Now() < patience) std::this_thread::yield();
  CHECK(returned);
  CHECK(ran);
  relief.RunUntilIdle();  // comes too late, and finds nothing left to do
  waiter.join();
  CHECK_FALSE(strand.RunsHere());
  bool more = false;
  strand.Run([&] { more = true; });
  CHECK(more);
}

}  // namespace
}  // namespace quorate::quorum
