#include "quorate/testing/manual_executor.h"

#include <memory>
#include <string>

#include "support/catch.h"

namespace quorate::testing {
namespace {

TEST_CASE("tasks run in order, only when told to, and may post more") {
  ManualClock clock;
  ManualExecutor executor(&clock);
  std::string order;
  executor.Post([&] {
    order += "a";
    executor.Post([&] { order += "c"; });
  });
  executor.Post([&] { order += "b"; });
  CHECK(order.empty());
  CHECK(executor.pending() == 2);
  CHECK(executor.RunOne());
  CHECK(order == "a");
  CHECK(executor.RunUntilIdle() == 2);
  CHECK(order == "abc");
  CHECK_FALSE(executor.RunOne());
  CHECK(executor.idle());
}

TEST_CASE("timers run when their time comes, by time and then by age") {
  ManualClock clock;
  ManualExecutor executor(&clock);
  std::string order;
  const Instant start = clock.Now();
  const auto at = [&](int seconds, const char* name) {
    return executor.PostAt(start + absl::Seconds(seconds), [&order, name] { order += name; });
  };
  at(5, "e");
  at(2, "b");
  at(2, "c");
  at(-1, "a");  // long due: now, but not inside the call
  CHECK(order.empty());
  CHECK(executor.RunUntilIdle() == 1);
  CHECK(order == "a");
  CHECK(executor.NextTimer() == start + absl::Seconds(2));
  executor.RunFor(absl::Seconds(3));
  CHECK(order == "abc");
  CHECK(clock.Now() == start + absl::Seconds(3));
  at(3, "d");
  executor.RunFor(absl::Seconds(100));
  CHECK(order == "abcde");
  CHECK(clock.Now() == start + absl::Seconds(103));
  CHECK(executor.NextTimer().is_infinite());
}

TEST_CASE("a timer sees the time that it was set for") {
  ManualClock clock;
  ManualExecutor executor(&clock);
  const Instant when = clock.Now() + absl::Seconds(7);
  Instant seen;
  executor.PostAt(when, [&] { seen = clock.Now(); });
  executor.RunFor(absl::Hours(1));
  CHECK(seen == when);
}

TEST_CASE("a cancelled timer never runs, and only a pending one can be cancelled") {
  ManualClock clock;
  ManualExecutor executor(&clock);
  auto guard = std::make_shared<int>();
  int runs = 0;
  const auto id = executor.PostAt(clock.Now() + absl::Seconds(1), [&runs, guard] { ++runs; });
  CHECK(id != Executor::kNoTimer);
  CHECK(executor.Cancel(id));
  CHECK(guard.use_count() == 1);  // the task is gone, with what it held
  CHECK_FALSE(executor.Cancel(id));
  const auto ran = executor.PostAt(clock.Now() + absl::Seconds(1), [&runs] { ++runs; });
  executor.RunFor(absl::Seconds(2));
  CHECK(runs == 1);
  CHECK_FALSE(executor.Cancel(ran));
  CHECK_FALSE(executor.Cancel(Executor::kNoTimer));
  // Due, behind a task that cancels it.
  Executor::TimerId due = Executor::kNoTimer;
  executor.PostAt(clock.Now(), [&] { CHECK(executor.Cancel(due)); });
  due = executor.PostAt(clock.Now(), [&runs] { ++runs; });
  executor.RunUntilIdle();
  CHECK(runs == 1);
}

TEST_CASE("RunUntilTrue stops at the condition or at the limit") {
  ManualClock clock;
  ManualExecutor executor(&clock);
  int ticks = 0;
  std::function<void()> tick = [&] {
    ++ticks;
    executor.PostAt(clock.Now() + absl::Seconds(1), [&] { tick(); });
  };
  tick();
  const Instant start = clock.Now();
  CHECK(executor.RunUntilTrue([&] { return ticks == 5; }, absl::Seconds(100)));
  CHECK(clock.Now() == start + absl::Seconds(4));
  CHECK_FALSE(executor.RunUntilTrue([&] { return ticks == 1000; }, absl::Seconds(10)));
  CHECK(clock.Now() == start + absl::Seconds(14));
}

TEST_CASE("tasks that post themselves for ever don't hang a test") {
  ManualClock clock;
  ManualExecutor executor(&clock);
  std::function<void()> again = [&] { executor.Post([&] { again(); }); };
  again();
  CHECK(executor.RunUntilIdle(1000) == 1000);
}

TEST_CASE("destroying a serial executor runs its tasks, forgets its timers, and leaves the others alone") {
  ManualClock clock;
  ManualExecutor executor(&clock);
  ManualExecutorFactory factory(&executor);
  std::unique_ptr<Executor> one = factory.MakeSerial("one");
  std::unique_ptr<Executor> two = factory.MakeSerial("two");
  std::string order;
  one->Post([&] { order += "1"; });
  two->Post([&] { order += "2"; });
  one->PostAt(clock.Now() + absl::Seconds(1), [&] { order += "t"; });
  two->PostAt(clock.Now() + absl::Seconds(1), [&] { order += "T"; });
  one.reset();
  CHECK(order == "1");
  executor.RunFor(absl::Seconds(2));
  CHECK(order == "12T");
}

TEST_CASE("the wall clock jumps, the monotonic one doesn't (F-P07)") {
  ManualClock clock;
  const Instant now = clock.Now();
  const absl::Time wall = clock.WallNow();
  clock.JumpWall(-absl::Hours(24 * 365));
  CHECK(clock.Now() == now);
  CHECK(clock.WallNow() == wall - absl::Hours(24 * 365));
  clock.AdvanceTo(now + absl::Seconds(5));
  clock.AdvanceTo(now);
  CHECK(clock.Now() == now + absl::Seconds(5));
}

}  // namespace
}  // namespace quorate::testing
