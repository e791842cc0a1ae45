// Whole nodes under fire, seen by their clients: whatever crashes, is cut off and comes back, the answers that clients
// got must be those of a single copy (P3), and everything heals in the end (I-26).

#include <algorithm>
#include <cstdlib>
#include <deque>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/xoshiro.h"
#include "quorate/status.h"
#include "quorate/testing/linearizability.h"
#include "quorum/quorum_cluster.h"
#include "support/catch.h"

namespace quorate::quorum {
namespace {

// A sum that starts at zero: "add N" answers the new sum, "read" the present one.
class SumModel final : public testing::SequentialModel {
 public:
  std::string InitialState() const override { return "0"; }
  std::optional<std::string> Apply(absl::string_view state, const testing::Operation& operation) const override {
    const bool adds = operation.input != "read";
    const std::string next =
        absl::StrCat(std::stoll(std::string(state)) + (adds ? std::stoll(operation.input.substr(4)) : 0));
    if (operation.output.has_value() && *operation.output != next) return std::nullopt;
    return next;
  }
};

// Clients that call whichever node they like, one call at a time each, and remember what they saw.
class Clients {
 public:
  Clients(QuorumCluster* cluster, uint64_t seed) : cluster_(cluster), random_(seed) {}

  // One more call, by a client that is free.
  void CallSomebody(int nodes) {
    if (running_ >= kClients) return;
    const int id = 1 + static_cast<int>(random_.Below(static_cast<uint64_t>(nodes)));
    QuorumCluster::Member& member = cluster_->At(id);
    if (member.node == nullptr) return;
    const size_t index = calls_.size();
    calls_.emplace_back();
    calls_[index].operation.called = cluster_->executor().clock()->Now();
    ++running_;
    const absl::Duration timeout = absl::Milliseconds(100 + static_cast<int64_t>(random_.Below(2000)));
    if (random_.Below(3) == 0) {
      calls_[index].operation.input = "read";
      member.node->ReadBarrier(timeout, [this, index, &member](absl::StatusOr<Offset> read) {
        // On the apply thread, so nothing is applied between the barrier and this look.
        Finish(index, read.status(), absl::StrCat(member.machine->sum));
      });
    } else {
      Proposal proposal;
      proposal.timeout = timeout;
      proposal.records = {absl::StrCat(1 + random_.Below(9))};
      calls_[index].operation.input = absl::StrCat("add ", proposal.records[0]);
      member.node->Propose(std::move(proposal), [this, index](absl::StatusOr<Proposed> proposed) {
        Finish(index, proposed.status(), proposed.ok() ? proposed->results.at(0) : "");
      });
    }
  }

  int running() const { return running_; }
  int succeeded() const { return succeeded_; }
  int unknown() const { return unknown_; }

  // What certainly had no effect is no part of the history.
  std::vector<testing::Operation> History() const {
    std::vector<testing::Operation> history;
    for (const Call& call : calls_) {
      if (!call.dropped) history.push_back(call.operation);
    }
    return history;
  }

 private:
  static constexpr int kClients = 5;
  struct Call {
    testing::Operation operation;
    bool done = false;
    bool dropped = false;
  };

  void Finish(size_t index, const absl::Status& status, std::string output) {
    Call& call = calls_[index];
    REQUIRE_FALSE(call.done);  // I-24
    call.done = true;
    --running_;
    call.operation.returned = cluster_->executor().clock()->Now();
    if (status.ok()) {
      call.operation.output = std::move(output);
      ++succeeded_;
    } else if (OutcomeOf(status) == Outcome::kNotApplied || call.operation.input == "read") {
      call.dropped = true;
    } else {
      ++unknown_;
    }
  }

  QuorumCluster* const cluster_;
  Xoshiro random_;
  std::deque<Call> calls_;  // addresses stay
  int running_ = 0;
  int succeeded_ = 0;
  int unknown_ = 0;
};

// Crashes, restarts, cuts, breaks disks and heals at random.
class Nemesis {
 public:
  Nemesis(QuorumCluster* cluster, int nodes, uint64_t seed) : cluster_(cluster), nodes_(nodes), random_(seed) {}

  void Strike() {
    const int id = 1 + static_cast<int>(random_.Below(static_cast<uint64_t>(nodes_)));
    const bool down = cluster_->At(id).node == nullptr;
    // A node that stopped itself is as good as dead; its host will start it again.
    for (int other = 1; other <= nodes_; ++other) {
      if (!cluster_->At(other).fault.ok()) Crash(other);
    }
    switch (random_.Below(9)) {
      case 0:
      case 1:
        if (!down) Crash(id);
        return;
      case 2:
      case 3:
      case 4:
        if (down) Restart(id);
        return;
      case 5:
        cluster_->Isolate(id, true);
        return;
      case 6:
        cluster_->Isolate(id, false);
        return;
      case 7:
        if (!down) BreakDisk(id);
        return;
      default: {
        const int leader = cluster_->Leader();  // the one that hurts
        if (leader != 0) Crash(leader);
      }
    }
  }

  void Heal() {
    for (int id = 1; id <= nodes_; ++id) cluster_->Isolate(id, false);
    for (int id = 1; id <= nodes_; ++id) cluster_->At(id).files.SetHook(nullptr);
    cluster_->executor().RunFor(absl::Milliseconds(10));  // a node that is just stopping itself gets to say so
    for (int id = 1; id <= nodes_; ++id) Revive(id);
  }

  void Revive(int id) {
    if (!cluster_->At(id).fault.ok()) Crash(id);
    if (cluster_->At(id).node == nullptr) Restart(id);
  }

 private:
  void Crash(int id) {
    cluster_->At(id).files.SetHook(nullptr);
    cluster_->At(id).fault = absl::OkStatus();
    cluster_->Crash(id);
  }

  // One of the next writes or syncs fails, once (F-D08, F-D09): the node must stop, and have acknowledged nothing of
  // it.
  void BreakDisk(int id) {
    cluster_->At(id).files.SetHook(
        [left = static_cast<int>(random_.Below(20))](const testing::FileCallInfo& info) mutable -> absl::Status {
          if (info.call != testing::FileCall::kSync && info.call != testing::FileCall::kWrite) return absl::OkStatus();
          if (left-- != 0) return absl::OkStatus();
          return MakeError(Reason::kStorage, Outcome::kUnknown, "injected: EIO");
        });
  }

  void Restart(int id) {
    const absl::Status started = cluster_->Start(id);
    INFO(started);
    REQUIRE(started.ok());
  }

  QuorumCluster* const cluster_;
  const int nodes_;
  Xoshiro random_;
};

void LiveThrough(uint64_t seed, int nodes, int* succeeded, int* unknown) {
  INFO("seed " << seed << ", " << nodes << " nodes");
  QuorumCluster cluster(nodes, seed);
  cluster.StartAll();
  Clients clients(&cluster, seed * 3 + 1);
  Nemesis nemesis(&cluster, nodes, seed * 5 + 2);
  Xoshiro random(seed * 7 + 3);
  for (int step = 0; step < 400; ++step) {
    clients.CallSomebody(nodes);
    if (random.Below(20) == 0) nemesis.Strike();
    cluster.executor().RunFor(absl::Microseconds(static_cast<int64_t>(random.Below(40'000))));
  }
  nemesis.Heal();
  REQUIRE(cluster.Await([&] { return clients.running() == 0; }));
  REQUIRE(cluster.Await([&] { return cluster.Leader() != 0; }));  // I-26
  // Everybody agrees in the end (I-28).
  std::vector<int64_t> sums;
  for (int id = 1; id <= nodes; ++id) {
    absl::StatusOr<Offset> read = cluster.Read(id, absl::Seconds(20));
    if (!cluster.At(id).fault.ok()) {
      // A store that failed where nobody waited, as when it copies a vote, says so at its next use: maybe only now.
      nemesis.Revive(id);
      read = cluster.Read(id, absl::Seconds(20));
    }
    INFO(read.status());
    REQUIRE(read.ok());
    sums.push_back(cluster.At(id).machine->sum);
  }
  CHECK(sums == std::vector<int64_t>(sums.size(), sums[0]));
  const testing::LinearizabilityVerdict verdict = testing::CheckLinearizable(clients.History(), SumModel());
  INFO(verdict.explanation);
  REQUIRE(verdict.decided);
  REQUIRE(verdict.linearizable);
  *succeeded += clients.succeeded();
  *unknown += clients.unknown();
}

TEST_CASE("clients of a quorum that is beaten see a single copy (I-20, I-24, I-26, I-28)", "[quorum][history]") {
  int succeeded = 0;
  int unknown = 0;
  // QUORATE_TEST_SEEDS=FIRST-LAST tries others.
  uint64_t first = 1;
  uint64_t last = 60;
  if (const char* seeds = getenv("QUORATE_TEST_SEEDS"); seeds != nullptr) {
    const std::vector<std::string> range = absl::StrSplit(seeds, '-');
    REQUIRE((range.size() == 2 && absl::SimpleAtoi(range[0], &first) && absl::SimpleAtoi(range[1], &last)));
  }
  for (uint64_t seed = first; seed <= last; ++seed) LiveThrough(seed, seed % 3 == 0 ? 5 : 3, &succeeded, &unknown);
  if (last - first < 59) return;
  // The test is worth something only if calls succeed, and if some are caught by a crash.
  CHECK(succeeded > 2000);
  CHECK(unknown > 50);
}

}  // namespace
}  // namespace quorate::quorum
