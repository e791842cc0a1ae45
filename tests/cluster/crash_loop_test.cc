// F-P05: a node that is killed again and again soon after its start is started ever later, and says so.
#include <signal.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cluster/cluster.h"
#include "quorate/system.h"
#include "support/catch.h"
#include "support/wait.h"

namespace quorate::testing {
namespace {

using Catch::Matchers::Contains;

int Count(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// Starts the node and waits until it is there for the `times`th time.
void StartAndListen(Cluster& cluster, int times) {
  cluster.Start(1);
  INFO(ReadText(cluster.log(1)));
  REQUIRE(WaitUntil([&] { return Count(ReadText(cluster.log(1)), "listening on") == times; }, absl::Seconds(30)));
}

TEST_CASE("A node that is killed six times in a row waits before the next start, and can be stopped meanwhile",
          "[cluster]") {
  Cluster cluster(1, 1);
  for (int start = 1; start <= 6; ++start) {
    StartAndListen(cluster, start);
    cluster.Kill(1);
  }
  CHECK_THAT(ReadText(cluster.log(1)), !Contains("before the next start"));

  // As often as one likes: it isn't counted.
  for (int attempt = 1; attempt <= 2; ++attempt) {
    cluster.Start(1);
    REQUIRE(WaitUntil([&] { return Count(ReadText(cluster.log(1)), "before the next start") == attempt; },
                      absl::Seconds(30)));
    const std::optional<ProcessEnd> end = cluster.Stop(1);
    REQUIRE(end.has_value());
    CHECK(end->exit_code == 0);
    CHECK(end->signal == 0);
  }
  const std::string log = ReadText(cluster.log(1));
  CHECK(Count(log, "node 1 was started 6 times in a row without a clean stop; waiting 1s before the next start") == 2);
  CHECK(Count(log, "stopped before the start") == 2);
  CHECK(Count(log, "listening on") == 6);

  // It waits, and then it starts. After an orderly end nothing is left of it.
  Clock* clock = SystemClock();
  const Instant began = clock->Now();
  StartAndListen(cluster, 7);
  CHECK(clock->Now() - began >= absl::Seconds(1));
  REQUIRE(cluster.Stop(1).has_value());
  StartAndListen(cluster, 8);
  CHECK(Count(ReadText(cluster.log(1)), "before the next start") == 3);
}

TEST_CASE("The wait before a start can be turned off", "[cluster]") {
  Cluster cluster(1, 1, "quorate.start.backoff.max.ms=0\n");
  for (int start = 1; start <= 8; ++start) {
    StartAndListen(cluster, start);
    cluster.Kill(1);
  }
  CHECK_THAT(ReadText(cluster.log(1)), !Contains("before the next start"));
}

}  // namespace
}  // namespace quorate::testing
