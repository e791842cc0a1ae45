#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "quorate/system.h"
#include "support/catch.h"

namespace quorate {
namespace {

class Latch {
 public:
  void Set() {
    std::lock_guard<std::mutex> lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  bool Wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [this] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

TEST_CASE("a serial executor runs tasks in order on a thread of its own", "[base][executor]") {
  std::vector<int> order;
  Latch done;
  auto executor = ThreadExecutorFactory()->MakeSerial("test");
  const std::thread::id caller = std::this_thread::get_id();
  for (int i = 0; i < 100; ++i) {
    executor->Post([&order, i, caller] {
      if (std::this_thread::get_id() != caller) order.push_back(i);
    });
  }
  executor->Post([&] { done.Set(); });
  REQUIRE(done.Wait());
  REQUIRE(order.size() == 100);
  for (int i = 0; i < 100; ++i) CHECK(order[i] == i);
}

TEST_CASE("timers run in the order of their time, cancelled ones never", "[base][executor]") {
  std::vector<int> order;
  Latch done;
  auto executor = ThreadExecutorFactory()->MakeSerial("test");
  const Instant now = SystemClock()->Now();
  executor->PostAt(now + absl::Milliseconds(20), [&] {
    order.push_back(2);
    done.Set();
  });
  executor->PostAt(now + absl::Milliseconds(5), [&] { order.push_back(1); });
  const Executor::TimerId cancelled = executor->PostAt(now + absl::Milliseconds(10), [&] { order.push_back(9); });
  CHECK(executor->Cancel(cancelled));
  CHECK_FALSE(executor->Cancel(cancelled));
  REQUIRE(done.Wait());
  CHECK(order == std::vector<int>{1, 2});
}

TEST_CASE("destroying an executor runs what was posted and forgets its timers", "[base][executor]") {
  int ran = 0;
  {
    auto executor = ThreadExecutorFactory()->MakeSerial("test");
    Executor* raw = executor.get();
    executor->PostAt(SystemClock()->Now() + absl::Hours(1), [&] { ran += 100; });
    executor->Post([&, raw] {
      ++ran;
      raw->Post([&] { ++ran; });
    });
  }
  CHECK(ran == 2);
}

}  // namespace
}  // namespace quorate
