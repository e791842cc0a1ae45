// QuorumNode with real threads and real files: what virtual time can't show. Run it under the thread sanitizer.

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "quorate/quorum_node.h"
#include "quorate/status.h"
#include "quorate/storage_adapters.h"
#include "quorate/system.h"
#include "quorate/transport_adapters.h"
#include "quorum/quorum_cluster.h"
#include "support/catch.h"

namespace quorate::quorum {
namespace {

constexpr std::chrono::seconds kPatience(60);

// Counts calls and their completions; waits until the two agree.
class Ledger {
 public:
  void Began() {
    std::lock_guard<std::mutex> lock(mutex_);
    ++began_;
  }
  void Completed(bool ok) {
    std::lock_guard<std::mutex> lock(mutex_);
    ++completed_;
    if (ok) ++succeeded_;
    changed_.notify_all();
  }
  bool AwaitAll() {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, kPatience, [this] { return completed_ == began_; });
  }
  bool AwaitSuccesses(int64_t count) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return succeeded_ >= count; });
  }
  int64_t succeeded() {
    std::lock_guard<std::mutex> lock(mutex_);
    return succeeded_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t began_ = 0;
  int64_t completed_ = 0;
  int64_t succeeded_ = 0;
};

class ThreadedCluster {
 public:
  ThreadedCluster() {
    root_ = std::filesystem::temp_directory_path() / absl::StrCat("quorate-threads-", SystemRandom()->Next());
    wire_ = ThreadExecutorFactory()->MakeSerial("wire");
    network_ = InProcessNetwork::Create(wire_.get(), SystemClock());
    for (int id = 1; id <= 3; ++id) {
      Voter voter;
      voter.key = {NodeId(id), DirectoryId(Uuid(9, 1000 + static_cast<uint64_t>(id)))};
      voter.endpoints = {{"CONTROLLER", absl::StrCat("node-", id), 1}};
      voters_.push_back(voter);
    }
    for (const Voter& voter : voters_) {
      Member& member = members_[voter.key.id.value() - 1];
      DirectoryIdentity identity{cluster_id_, voter.key.id, voter.key.directory, voters_};
      const std::string path = root_ / absl::StrCat(voter.key.id.value());
      REQUIRE(FormatDirectory(PosixFileSystem(), path, identity).ok());
      FileStorageOptions storage;
      storage.path = path;
      storage.segment_bytes = 1u << 20;
      absl::StatusOr<std::unique_ptr<DataDirectory>> directory = DataDirectory::Open(std::move(storage));
      REQUIRE(directory.ok());
      member.directory = *std::move(directory);
      QuorumOptions options;
      options.cluster_id = cluster_id_;
      options.self = voter.key;
      options.initial_voters = voters_;
      QuorumDependencies dependencies;
      dependencies.log = member.directory->MakeLogStore();
      dependencies.election_state = member.directory->MakeElectionStateStore();
      dependencies.transport = network_->MakeTransport(voter.endpoints.front());
      dependencies.state_machine = &member.machine;
      absl::StatusOr<std::unique_ptr<QuorumNode>> node =
          QuorumNode::Create(std::move(options), std::move(dependencies));
      REQUIRE(node.ok());
      member.node = *std::move(node);
      REQUIRE(member.node->Start().ok());
    }
  }
  ~ThreadedCluster() {
    for (Member& member : members_) member.node.reset();
    for (Member& member : members_) member.directory.reset();
    network_.reset();
    wire_.reset();
    std::filesystem::remove_all(root_);
  }

  QuorumNode& node(int index) { return *members_[index].node; }
  void Destroy(int index) { members_[index].node.reset(); }
  int64_t sum(int index) const { return members_[index].machine.sum; }

  // Waits, by the nodes' own watches, until one of them leads; returns its index.
  int AwaitLeader() {
    struct Found {
      std::mutex mutex;
      std::condition_variable changed;
      int index = -1;
    } found;
    std::vector<uint64_t> ids;
    for (int i = 0; i < 3; ++i) {
      ids.push_back(node(i).WatchLeadership([&found, i](const Leadership& leadership) {
        std::lock_guard<std::mutex> lock(found.mutex);
        if (leadership.is_self) found.index = i;
        found.changed.notify_all();
      }));
    }
    int index = -1;
    {
      std::unique_lock<std::mutex> lock(found.mutex);
      found.changed.wait_for(lock, kPatience, [&] { return found.index >= 0; });
      index = found.index;
    }
    for (int i = 0; i < 3; ++i) node(i).Unwatch(ids[i]);
    REQUIRE(index >= 0);
    return index;
  }

 private:
  struct Member {
    Adder machine;
    std::unique_ptr<DataDirectory> directory;
    std::unique_ptr<QuorumNode> node;
  };
  std::filesystem::path root_;
  ClusterId cluster_id_{Uuid(21, 22)};
  std::unique_ptr<Executor> wire_;
  std::unique_ptr<InProcessNetwork> network_;
  std::vector<Voter> voters_;
  Member members_[3];
};

void ProposeOne(QuorumNode& node, Ledger* ledger) {
  ledger->Began();
  Proposal proposal;
  proposal.records = {"1"};
  node.Propose(std::move(proposal), [ledger](absl::StatusOr<Proposed> r) { ledger->Completed(r.ok()); });
}

TEST_CASE("proposals of many threads are all applied, once each", "[quorum][threads]") {
  ThreadedCluster cluster;
  const int leader = cluster.AwaitLeader();
  Ledger ledger;
  {
    std::vector<std::jthread> callers;
    for (int t = 0; t < 4; ++t) {
      callers.emplace_back([&] {
        for (int i = 0; i < 250; ++i) ProposeOne(cluster.node(leader), &ledger);
      });
    }
  }
  REQUIRE(ledger.AwaitAll());
  CHECK(ledger.succeeded() == 1000);
  // A barrier on each node makes it show all of them.
  for (int i = 0; i < 3; ++i) {
    Ledger reads;
    reads.Began();
    cluster.node(i).ReadBarrier(absl::Seconds(30), [&](absl::StatusOr<Offset> r) { reads.Completed(r.ok()); });
    REQUIRE(reads.AwaitAll());
    CHECK(reads.succeeded() == 1);
  }
  for (int i = 0; i < 3; ++i) cluster.Destroy(i);
  for (int i = 0; i < 3; ++i) CHECK(cluster.sum(i) == 1000);
}

TEST_CASE("shutting down under fire completes every call exactly once (F-H05, F-H06, I-24)", "[quorum][threads]") {
  for (const bool orderly : {true, false}) {
    ThreadedCluster cluster;
    const int leader = cluster.AwaitLeader();
    Ledger ledger;
    std::atomic<bool> stop{false};
    {
      std::vector<std::jthread> callers;
      for (int t = 0; t < 3; ++t) {
        callers.emplace_back([&, t] {
          while (!stop) {
            ProposeOne(cluster.node(leader), &ledger);
            ledger.Began();
            cluster.node((leader + t) % 3).ReadBarrier(absl::Seconds(5), [&](absl::StatusOr<Offset> r) {
              ledger.Completed(r.ok());
            });
            (void)cluster.node(leader).Describe();
            const uint64_t id = cluster.node(leader).WatchLeadership([](const Leadership&) {});
            cluster.node(leader).Unwatch(id);
          }
        });
      }
      REQUIRE(ledger.AwaitSuccesses(50));
      (void)cluster.node(leader).Shutdown(orderly ? absl::Seconds(10) : absl::ZeroDuration());
      CHECK(cluster.node(leader).Describe().fault.ok());
      stop = true;
    }
    for (int i = 0; i < 3; ++i) cluster.Destroy(i);
    CHECK(ledger.AwaitAll());
  }
}

}  // namespace
}  // namespace quorate::quorum
