#include "trials.h"

#include <chrono>
#include <functional>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client_load.h"
#include "quorate/system.h"

namespace quorate::bench {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(120);
constexpr auto kPause = std::chrono::microseconds(300);  // between two looks, so that looking takes no core

// Looks until it is so, and says how long it took.
absl::StatusOr<absl::Duration> Until(Instant start, absl::string_view what, const std::function<bool()>& is_so) {
  while (!is_so()) {
    if (SystemClock()->Now() - start > kPatience) {
      return absl::DeadlineExceededError(absl::StrCat(what, " didn't come within ", absl::FormatDuration(kPatience)));
    }
    std::this_thread::sleep_for(kPause);
  }
  return SystemClock()->Now() - start;
}

// A client that asks each node in turn, on connections that it keeps.
class Seeker {
 public:
  explicit Seeker(Cluster* cluster) : cluster_(cluster) {}

  bool WriteIsAcknowledged() {
    for (int id = 1; id <= cluster_->nodes(); ++id) {
      std::unique_ptr<host::Client>& client = clients_[id];
      if (client == nullptr || client->broken()) client = host::Client::Connect(cluster_->client_port(id));
      if (client == nullptr) continue;
      host::Command write;
      write.operation = host::Operation::kWrite;
      write.key = "first";
      // A node that doesn't lead says so at once; one that does answers when it can.
      const std::optional<host::Answer> answer = client->Call(write, absl::Seconds(5));
      if (answer && answer->result == host::Result::kOk) return true;
    }
    return false;
  }

 private:
  Cluster* const cluster_;
  std::map<int, std::unique_ptr<host::Client>> clients_;
};

int64_t NumberOf(const absl::StatusOr<std::map<std::string, std::string>>& status, const std::string& name) {
  int64_t number = -1;
  if (!status.ok() || !status->contains(name) || !absl::SimpleAtoi(status->at(name), &number)) return -1;
  return number;
}

}  // namespace

absl::StatusOr<absl::Duration> StartToFirstWrite(Cluster& cluster) {
  const Instant start = SystemClock()->Now();
  if (absl::Status started = cluster.StartAll(); !started.ok()) return started;
  Seeker seeker(&cluster);
  return Until(start, "the first acknowledged write", [&] { return seeker.WriteIsAcknowledged(); });
}

absl::Status Fill(Cluster& cluster, uint64_t entries, int64_t keys) {
  const Instant deadline = SystemClock()->Now() + 5 * kPatience;
  std::string failure = "it took too long";
  // A leader may be lost on a machine that is very busy; then the next one gets the rest.
  for (uint64_t written = 0; SystemClock()->Now() < deadline;) {
    const absl::StatusOr<int> leader = cluster.WaitForLeader();
    if (!leader.ok()) return leader.status();
    LoadSpec load;
    load.callers = 1000;
    load.keys = keys;
    load.calls_max = entries - written;
    load.warm_up = 0;
    load.seconds = absl::ToDoubleSeconds(5 * kPatience);
    load.seed = written + 1;
    const absl::StatusOr<LoadResult> filled = RunClientLoad(load, cluster.client_port(*leader));
    if (!filled.ok()) return filled.status();
    written += filled->succeeded;
    if (written >= entries) return absl::OkStatus();
    failure = filled->failure;
  }
  return absl::UnavailableError(absl::StrCat("the cluster could not be filled with ", entries, " writes: ", failure));
}

absl::StatusOr<absl::Duration> EmptyNodeCatchesUp(Cluster& cluster) {
  const absl::StatusOr<int> leader = cluster.WaitForLeader();
  if (!leader.ok()) return leader.status();
  const int64_t goal = NumberOf(cluster.StatusOf(*leader), "high_watermark");
  if (goal < 0) return absl::UnavailableError(absl::StrCat("node ", *leader, " doesn't tell its high watermark"));
  const Instant start = SystemClock()->Now();
  const absl::StatusOr<int> id = cluster.StartObserver();
  if (!id.ok()) return id.status();
  const auto took = Until(start, "the empty node's catching up",
                          [&] { return NumberOf(cluster.StatusOf(*id), "applied_end") >= goal; });
  cluster.Kill(*id);
  return took;
}

}  // namespace quorate::bench
