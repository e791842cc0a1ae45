#include "transport/out_queue.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.h"

namespace quorate::transport {
namespace {

using Queue = OutQueue<std::string>;

TEST_CASE("an idle queue lets the sender write", "[transport]") {
  Queue queue(100);
  CHECK(queue.Add("a", 1) == Queue::Added::kWrite);
  CHECK(*queue.current() == "a");
  CHECK(queue.Add("b", 1) == Queue::Added::kQueued);
  CHECK(queue.Add("c", 1) == Queue::Added::kQueued);
  bool more = false;
  CHECK(queue.Written(true, &more) == Queue::Next::kWrite);
  CHECK(*queue.current() == "b");
  CHECK(more);
  CHECK(queue.Written(true, &more) == Queue::Next::kWrite);
  CHECK_FALSE(more);
  CHECK(queue.Written(true, &more) == Queue::Next::kIdle);
  CHECK(queue.Add("d", 1) == Queue::Added::kWrite);
}

TEST_CASE("F-N13: the bound counts what is written and what waits", "[transport]") {
  Queue queue(100);
  CHECK(queue.Add("a", 60) == Queue::Added::kWrite);
  CHECK(queue.Add("b", 40) == Queue::Added::kQueued);
  CHECK(queue.Add("c", 1) == Queue::Added::kFull);
  bool more = false;
  CHECK(queue.Written(true, &more) == Queue::Next::kWrite);
  CHECK(queue.Add("d", 60) == Queue::Added::kQueued);
  CHECK(queue.Add("e", 1) == Queue::Added::kFull);
}

TEST_CASE("the stream is finished once, by whoever is last", "[transport]") {
  bool more = false;
  SECTION("idle: by the one who closes") {
    Queue queue(100);
    CHECK(queue.Close() == Queue::Next::kFinish);
    CHECK(queue.Add("a", 1) == Queue::Added::kClosed);
  }
  SECTION("writing: by the completion of the write") {
    Queue queue(100);
    queue.Add("a", 1);
    queue.Add("b", 1);
    CHECK(queue.Close() == Queue::Next::kIdle);
    CHECK(queue.Add("c", 1) == Queue::Added::kClosed);
    CHECK(queue.Written(true, &more) == Queue::Next::kFinish);
  }
  SECTION("a failed write doesn't finish, the reader does") {
    Queue queue(100);
    queue.Add("a", 1);
    queue.Add("b", 1);
    CHECK(queue.Written(false, &more) == Queue::Next::kIdle);
    CHECK(queue.Add("c", 1) == Queue::Added::kClosed);
    CHECK(queue.Close() == Queue::Next::kFinish);
  }
}

// Many senders, a writer that completes on another thread, a close in the middle: exactly one finish, and never
// two writers at once.
TEST_CASE("senders, completions and the close race", "[transport]") {
  for (int round = 0; round < 50; ++round) {
    Queue queue(1 << 20);
    std::atomic<int> writers{0}, finishes{0}, overlaps{0};
    std::atomic<bool> pending{false}, done{false};
    auto apply = [&](Queue::Next next) {
      if (next == Queue::Next::kFinish) ++finishes;
      if (next == Queue::Next::kWrite) {
        if (++writers != 1) ++overlaps;
        pending.store(true);
      }
    };
    std::thread completions([&] {
      while (!done.load() || pending.load()) {
        if (!pending.exchange(false)) continue;
        --writers;
        bool more = false;
        apply(queue.Written(true, &more));
      }
    });
    std::vector<std::thread> senders;
    for (int t = 0; t < 2; ++t) {
      senders.emplace_back([&] {
        for (int i = 0; i < 300; ++i) {
          if (queue.Add("x", 1) == Queue::Added::kWrite) {
            if (++writers != 1) ++overlaps;
            pending.store(true);
          }
        }
      });
    }
    apply(queue.Close());
    for (std::thread& t : senders) t.join();
    done.store(true);
    completions.join();
    CHECK(finishes.load() == 1);
    CHECK(overlaps.load() == 0);
  }
}

}  // namespace
}  // namespace quorate::transport
