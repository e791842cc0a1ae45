// Three members of a quorum in this process, with memory for storage, and everything else real: threads, gRPC on
// loopback, the proposal service on each.
#ifndef QUORATE_TESTS_SERVICE_PROPOSAL_CLUSTER_H_
#define QUORATE_TESTS_SERVICE_PROPOSAL_CLUSTER_H_

#include <array>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "quorate/proposal_client.h"
#include "quorate/proposal_service.h"
#include "quorate/quorum_node.h"
#include "quorate/system.h"
#include "quorate/transport_adapters.h"

namespace quorate::service_test {

// Counts what it is given. The result of a record is "N:value", N the number of records so far; that of "big SIZE" is
// as large as it says. A query for a value is answered with how often it was applied.
class Tally final : public StateMachine {
 public:
  absl::Status Apply(absl::Span<const CommittedRecord> records) override;
  std::string Ask(absl::string_view query);
  int TimesApplied(const std::string& value);

 private:
  std::mutex mutex_;
  std::map<std::string, int> times_;  // guarded by mutex_
  int count_ = 0;                     // guarded by mutex_
};

struct Member {
  Tally tally;
  std::unique_ptr<Executor> storage;
  std::unique_ptr<GrpcListener> listener;
  std::unique_ptr<QuorumNode> node;
  std::unique_ptr<ProposalService> service;

  // As a process that ends.
  void Kill();
};

class ProposalCluster {
 public:
  static constexpr int kSize = 3;
  // `adjust`: for each member's options, before it is made.
  explicit ProposalCluster(const std::function<void(ProposalServiceOptions*)>& adjust = nullptr);
  ~ProposalCluster();

  // The member that leads, and knows it; waits for one. 0 .. 2.
  int Leader();
  int AFollower() { return (Leader() + 1) % kSize; }
  Member& member(int index) { return members_[index]; }
  Endpoint endpoint(int index) { return {"", "127.0.0.1", ports_[index]}; }
  std::vector<Endpoint> endpoints();

  std::unique_ptr<ProposalClient> Client(ProposalMode mode, std::vector<Endpoint> servers = {}, bool forwarding = false,
                                         size_t window = 4096);

 private:
  std::array<uint16_t, kSize> ports_{};
  std::array<Member, kSize> members_;
};

// Waits for the results of asynchronous calls, and counts them: each call is to be answered exactly once.
template <typename Result>
class Answers {
 public:
  absl::AnyInvocable<void(absl::StatusOr<Result>) &&> Next() {
    const std::lock_guard<std::mutex> lock(mutex_);
    const size_t index = asked_++;
    return [this, index](absl::StatusOr<Result> result) {
      const std::lock_guard<std::mutex> inner(mutex_);
      ++times_[index];
      results_.emplace(index, std::move(result));
      changed_.notify_all();
    };
  }
  // In the order of the questions. Empty when they don't all come in time.
  std::vector<absl::StatusOr<Result>> Wait(absl::Duration limit = absl::Seconds(60)) {
    std::unique_lock<std::mutex> lock(mutex_);
    std::vector<absl::StatusOr<Result>> out;
    if (!changed_.wait_for(lock, absl::ToChronoNanoseconds(limit), [this] { return results_.size() == asked_; })) {
      return out;
    }
    for (const auto& [index, result] : results_) out.push_back(result);
    return out;
  }
  size_t come() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return results_.size();
  }
  // No answer came twice.
  bool OnceEach() {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [index, times] : times_) {
      if (times != 1) return false;
    }
    return true;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t asked_ = 0;
  std::map<size_t, absl::StatusOr<Result>> results_;
  std::map<size_t, int> times_;
};

absl::StatusOr<Proposed> ProposeAndWait(ProposalClient& client, const std::string& value, ProposeOptions options = {});
absl::StatusOr<ReadAnswer> ReadAndWait(ProposalClient& client, const std::string& query,
                                       absl::Duration timeout = absl::Seconds(20));

}  // namespace quorate::service_test

#endif  // QUORATE_TESTS_SERVICE_PROPOSAL_CLUSTER_H_
