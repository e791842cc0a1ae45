// What the proposal service does, without the ways that requests come in: bounds, the way to the node or on to the
// leader, reads, and the end.
//
// Everything that is under way stands in one table, so that each is answered exactly once, whoever is first: the node,
// the leader that it was passed on to, or the end of the service. The node's answer may come long after that end; it
// finds the table empty.
//
// Thread-safe; nothing is called with the lock held.
#ifndef QUORATE_SERVICE_SERVICE_CORE_H_
#define QUORATE_SERVICE_SERVICE_CORE_H_

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "quorate/proposal_service.h"
#include "service/gate.h"
#include "service/proposal_link.h"
#include "transport/byte_stream.h"

namespace quorate::service {

class ServiceSession;

// Records that share a fate: one proposal of a caller's, or several that came together.
struct Submission {
  std::vector<std::string> records;
  size_t proposals = 1;
  size_t bytes = 0;
  absl::Duration timeout;
  std::optional<Epoch> expected_epoch;
  bool may_forward = true;
};

class ServiceCore final : public std::enable_shared_from_this<ServiceCore> {
 public:
  // The listener's methods are the caller's to register.
  explicit ServiceCore(ProposalServiceOptions options);
  ~ServiceCore();

  // Both answer exactly once, perhaps before they return.
  void Submit(Submission submission, ProposedDone done);
  void Read(std::string query, absl::Duration timeout, AnswerDone done);
  void Stop(absl::Duration grace);

  // A new stream: kOverloaded, kShuttingDown.
  absl::StatusOr<std::shared_ptr<ServiceSession>> NewSession(transport::ByteStream* stream);
  void OnSessionEnd(ServiceSession* session);

  [[nodiscard]] ProposalService::Counters counters() const;
  // For the ways in to count what they see.
  struct Tally {
    std::atomic<uint64_t> proposals{0}, forwarded{0}, reads{0}, refused{0}, answered{0};
    std::atomic<uint64_t> streams{0}, messages_in{0}, messages_out{0}, paused{0}, cut{0};
  };
  Tally tally;

 private:
  struct Call {
    size_t proposals = 0;
    size_t bytes = 0;
    std::optional<Instant> deadline;  // of one that is watched
    ProposedDone proposed;
    AnswerDone answered;
  };

  // Puts a call into the table; the refusal if there is no room for it. Takes `call` only when OK. `leadership`: gets
  // the present one if it is another node's, and may be null.
  absl::StatusOr<uint64_t> Admit(Call* call, std::optional<Leadership>* leadership);
  // Takes it out again; empty if somebody else did.
  Call Take(uint64_t id);
  void Finish(uint64_t id, absl::StatusOr<Proposed> result);
  void FinishRead(uint64_t id, absl::StatusOr<ReadAnswer> result);
  void Abandon(uint64_t id);
  void AnswerQuery(uint64_t id, std::string query, absl::StatusOr<Offset> barrier);

  void ProposeHere(uint64_t id, Submission submission);
  void Forward(uint64_t id, Submission submission, const Leadership& leadership);
  // Ends a call by its deadline whose end isn't the node's to keep: a leader that it was passed on to may hang, and so
  // may the host's state machine, which a query waits for.
  void Watch(uint64_t id, absl::Duration timeout);
  void Expire();
  void ArmExpiry(Instant now);
  // The stream to that leader, opened if there is none. Null: it broke a moment ago, or the service ends.
  std::shared_ptr<ProposalLink> LinkTo(const Endpoint& leader);
  // With the endpoint where the leader's service is reached.
  absl::Status Translate(const absl::Status& status) const;
  Endpoint ServiceOf(const LeaderHint& leader) const;

  void WaitUntil(std::unique_lock<std::mutex>* lock, Instant deadline, bool (ServiceCore::*done)() const);
  bool NoCalls() const { return calls_.empty(); }
  bool NoSessions() const { return sessions_.empty(); }

  const ProposalServiceOptions options_;
  const NodeId self_;
  Gate gate_;  // around every use of the node and the host's query
  uint64_t watch_ = 0;
  std::unique_ptr<Executor> executor_;
  LinkCounters link_counters_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;                                                // guarded by mutex_
  bool stopped_ = false;                                                 // guarded by mutex_
  uint64_t last_id_ = 0;                                                 // guarded by mutex_
  std::map<uint64_t, Call> calls_;                                       // guarded by mutex_
  size_t proposals_ = 0;                                                 // guarded by mutex_; under way
  size_t bytes_ = 0;                                                     // guarded by mutex_; of them
  Leadership leadership_;                                                // guarded by mutex_
  std::shared_ptr<ProposalLink> link_;                                   // guarded by mutex_
  std::string link_address_;                                             // guarded by mutex_
  Instant next_dial_;                                                    // guarded by mutex_
  std::set<std::pair<Instant, uint64_t>> watched_;                       // guarded by mutex_; deadline, id
  bool expiry_armed_ = false;                                            // guarded by mutex_
  std::map<ServiceSession*, std::shared_ptr<ServiceSession>> sessions_;  // guarded by mutex_
  std::unique_ptr<transport::ByteStreamClient> streams_;
};

}  // namespace quorate::service

#endif  // QUORATE_SERVICE_SERVICE_CORE_H_
