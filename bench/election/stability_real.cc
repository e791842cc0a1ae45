#include "stability_real.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "quorate/system.h"

namespace quorate::bench {
namespace {

// One thread for each core, as long as this lives.
class Burners {
 public:
  Burners() {
    const unsigned count = std::max(1u, std::thread::hardware_concurrency());
    for (unsigned i = 0; i < count; ++i) threads_.emplace_back([this] { Burn(); });
  }
  ~Burners() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
  }
  [[nodiscard]] size_t count() const { return threads_.size(); }

 private:
  void Burn() {
    while (!stop_.load(std::memory_order_relaxed)) {
    }
  }
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

struct Watch {
  int32_t first_epoch = 0;
  int32_t newest_epoch = 0;
  uint64_t suspicions = 0;
  int64_t longest_patience = 0;  // nanoseconds
  std::set<int> ready;

  void Listen(const Line& line) {
    if (line.kind() == "ready") ready.insert(line.member);
    if (line.kind() == "role") {
      newest_epoch = std::max(newest_epoch, line.number(2));
      if (line.words[1] == "prospective") ++suspicions;
    }
    if (line.kind() == "status") {
      newest_epoch = std::max(newest_epoch, line.number(1));
      longest_patience = std::max<int64_t>(longest_patience, line.number(3));
    }
  }
};

absl::Status ListenUntil(Cluster& cluster, Instant until, Watch* watch) {
  while (true) {
    absl::StatusOr<std::optional<Line>> line = cluster.Next(until);
    if (!line.ok()) return line.status();
    if (!line->has_value()) return absl::OkStatus();
    watch->Listen(**line);
  }
}

}  // namespace

absl::StatusOr<uint64_t> RunStabilityReal(const ClusterOptions& options, absl::Duration span, Results* results) {
  Clock* clock = SystemClock();
  absl::StatusOr<std::unique_ptr<Cluster>> cluster = Cluster::Create(options);
  if (!cluster.ok()) return cluster.status();
  Watch watch;
  const Instant deadline = clock->Now() + absl::Seconds(30);
  while (static_cast<int>(watch.ready.size()) < options.voters) {
    if (clock->Now() >= deadline) return absl::DeadlineExceededError("the members were not ready after 30 seconds");
    if (absl::Status s = ListenUntil(**cluster, clock->Now() + absl::Milliseconds(100), &watch); !s.ok()) return s;
  }
  const Burners burners;
  watch.suspicions = 0;
  watch.first_epoch = watch.newest_epoch;
  const Instant end = clock->Now() + span;
  for (int64_t second = 0; clock->Now() < end; ++second) {
    // Ten seconds of writes, ten seconds of silence.
    for (int i = 0; i < 10; ++i) {
      if (second / 10 % 2 == 0) (*cluster)->TellAll("write");
      const Instant next = std::min(end, clock->Now() + absl::Milliseconds(100));
      if (absl::Status s = ListenUntil(**cluster, next, &watch); !s.ok()) return s;
    }
    (*cluster)->TellAll("status");
    absl::FPrintF(stderr, "\r  stability: %d s of %d, %d needless elections, %d suspicions   ", second + 1,
                  absl::ToInt64Seconds(span), watch.newest_epoch - watch.first_epoch, watch.suspicions);
  }
  (*cluster)->TellAll("status");  // whatever is still kept comes with the answer
  if (absl::Status s = ListenUntil(**cluster, clock->Now() + absl::Milliseconds(500), &watch); !s.ok()) return s;
  absl::FPrintF(stderr, "\n");

  const auto needless = static_cast<uint64_t>(watch.newest_epoch - watch.first_epoch);
  const double patience_ms = static_cast<double>(watch.longest_patience) / 1e6;
  results->tables.push_back({"stability_real",
                             absl::StrCat("Three members, every core kept busy by ", burners.count(),
                                          " threads beside them; nobody dies, so every election is needless"),
                             {"seconds", "needless elections", "suspicions", "longest patience ms"},
                             {{absl::StrCat(absl::ToInt64Seconds(span)), needless, watch.suspicions, patience_ms}}});
  results->figures["election.stability_real.needless_elections"] = static_cast<double>(needless);
  results->figures["election.stability_real.suspicions"] = static_cast<double>(watch.suspicions);
  results->figures["election.stability_real.seconds"] = absl::ToDoubleSeconds(span);
  return needless;
}

}  // namespace quorate::bench
