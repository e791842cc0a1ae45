#include "quorum/completions.h"

#include <vector>

#include "quorate/testing/manual_executor.h"
#include "support/catch.h"

namespace quorate::quorum {
namespace {

// The apply thread and the relief, each with a clock of its own: a test says whose tasks run.
struct TwoThreads {
  testing::ManualClock clock;
  testing::ManualExecutor apply{&clock};
  testing::ManualExecutor relief{&clock};
  testing::ManualExecutorFactory factory{&relief};
  Completions completions{&apply, &factory};
  std::vector<int> ran;

  Task Says(int number) {
    return [this, number] { ran.push_back(number); };
  }
};

TEST_CASE("completions run in order, and many of them in one turn", "[quorum][completions]") {
  TwoThreads threads;
  for (int i = 1; i <= 3; ++i) threads.completions.Post(threads.Says(i));
  CHECK(threads.ran.empty());
  CHECK(threads.apply.pending() == 1);
  CHECK(threads.apply.RunOne());
  CHECK(threads.ran == std::vector<int>{1, 2, 3});
  CHECK(threads.apply.idle());
  threads.completions.Post(threads.Says(4));
  threads.apply.RunUntilIdle();
  CHECK(threads.ran == std::vector<int>{1, 2, 3, 4});
}

TEST_CASE("a completion that calls again doesn't keep the thread from others", "[quorum][completions]") {
  TwoThreads threads;
  threads.completions.Post([&] {
    threads.ran.push_back(1);
    threads.completions.Post(threads.Says(3));
  });
  threads.apply.Post(threads.Says(2));
  threads.apply.RunUntilIdle();
  CHECK(threads.ran == std::vector<int>{1, 2, 3});
}

TEST_CASE("F-H02: what waits behind a stuck completion, and what comes later, runs on the relief",
          "[quorum][completions]") {
  TwoThreads threads;
  threads.completions.Post([&] {  // "stuck": the rest happens while it runs
    threads.ran.push_back(1);
    threads.completions.ApplyStalled(true);
    threads.relief.RunUntilIdle();
    CHECK(threads.ran == std::vector<int>{1, 2});
    threads.completions.Post(threads.Says(3));
    threads.relief.RunUntilIdle();
  });
  threads.completions.Post(threads.Says(2));
  threads.apply.RunUntilIdle();
  CHECK(threads.ran == std::vector<int>{1, 2, 3});

  threads.completions.ApplyStalled(false);
  threads.completions.Post(threads.Says(4));
  CHECK(threads.relief.idle());
  threads.apply.RunUntilIdle();
  CHECK(threads.ran == std::vector<int>{1, 2, 3, 4});
}

TEST_CASE("F-H02: a turn that the kept thread never began is the relief's", "[quorum][completions]") {
  TwoThreads threads;
  threads.completions.Post(threads.Says(1));
  threads.completions.ApplyStalled(true);
  threads.completions.Post(threads.Says(2));
  threads.relief.RunUntilIdle();
  CHECK(threads.ran == std::vector<int>{1, 2});
  threads.apply.RunUntilIdle();  // it comes back, and finds nothing
  CHECK(threads.ran == std::vector<int>{1, 2});

  bool told = false;
  threads.completions.Post(threads.Says(3));
  threads.completions.AfterRelief([&] { told = threads.ran.size() == 3; });
  threads.relief.RunUntilIdle();
  CHECK(told);
  threads.completions.Stop();
  threads.completions.Post(threads.Says(4));
  threads.apply.RunUntilIdle();
  CHECK(threads.ran == std::vector<int>{1, 2, 3, 4});
}

}  // namespace
}  // namespace quorate::quorum
