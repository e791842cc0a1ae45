// File: node/forwarder.h
//
// Brings a request to the active controller, wherever it is: on this node without a network hop, else over RPC; while
// nobody is active it waits, because an election takes less time than a caller's patience.
//
// What a caller may rely on: an answer by the deadline, exactly one, and a truthful outcome. A request is sent
// again only after an error that says "not applied" (or if it is idempotent); one whose answer got lost is reported
// as unknown, never repeated behind the caller's back.
//
// A request travels at most one hop: it is marked when it is passed on, and who gets a marked one decides or refuses
// (KRaft's brokers wrap such requests in an Envelope, KIP-590; a mark is enough here, as there is
// no principal to carry yet). Two nodes that take each other for the leader thus can't play ping-pong.
//
// Threads: every method from any thread. Answers come on any thread, never with a lock held. `executor` runs
// retries and deadlines.
#ifndef QUORATE_NODE_FORWARDER_H_
#define QUORATE_NODE_FORWARDER_H_

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "quorate/environment.h"
#include "quorate/state_machine.h"
#include "quorate/status.h"
#include "quorate/transport.h"

namespace quorate::node {

struct ControllerCall {
  std::string method;
  std::string payload;
  absl::Duration timeout;
  bool here_or_nowhere = false;  // don't pass it on: it came from a node that did
  bool mark = false;             // tell the receiver not to pass it on (admin requests)
  bool idempotent = false;       // may be sent again although the first may have arrived
};

class Forwarder : public std::enable_shared_from_this<Forwarder> {
 public:
  // Requests without an answer, on their way or waiting; over it: kOverloaded.
  static constexpr size_t kPendingMax = 1u << 16;

  // Handles a call on this node, as the active controller.
  using LocalHandler = absl::AnyInvocable<void(ControllerCall, RpcReply)>;
  // Calls back, on any thread, with a sentence that says why nobody leads.
  using NoLeaderText = absl::AnyInvocable<void(absl::AnyInvocable<void(std::string) &&>)>;

  // Pointers outlive Stop and the client's answers.
  static std::shared_ptr<Forwarder> Make(NodeId self, Clock* clock, Executor* executor, RpcClient* client,
                                         size_t waiting_max, LocalHandler local, NoLeaderText no_leader_text);

  void Send(ControllerCall call, RpcReply reply);

  // `active_here`: this node's controller takes requests.
  void OnLeadership(const Leadership& leadership, bool active_here);

  // Refuses new calls, answers those that wait (not applied) and those on their way (unknown). `why` is a clause
  // like "this node is shutting down". The first call counts.
  void Stop(Reason reason, const std::string& why);
  // After Stop: waits until no call into the local handler or the client is under way. Neither is used afterwards. Not
  // from within such a call.
  void Drain();

 private:
  struct Pending {
    uint64_t id = 0;
    ControllerCall call;
    RpcReply reply;
    Instant deadline;
    Executor::TimerId timer = Executor::kNoTimer;
    bool waiting = false;  // for a controller or for the next try; else on its way
    uint64_t wait_round = 0;
    absl::Duration pause = absl::ZeroDuration();
    absl::Status last_error;        // why it waits
    bool may_have_arrived = false;  // an earlier try, whose answer was lost
  };
  using PendingPtr = std::shared_ptr<Pending>;

  Forwarder(NodeId self, Clock* clock, Executor* executor, RpcClient* client, size_t waiting_max, LocalHandler local,
            NoLeaderText no_leader_text);

  void Try(const PendingPtr& pending);
  void OnAnswer(const PendingPtr& pending, uint64_t generation, absl::StatusOr<std::string> answer);
  void OnDeadline(const PendingPtr& pending);
  void Finish(const PendingPtr& pending, absl::StatusOr<std::string> answer);
  // Both with mutex_ held. False when too many wait already.
  bool WaitLocked(const PendingPtr& pending, absl::Duration retry_in);
  absl::Status NotHereError() const;

  const NodeId self_;
  Clock* const clock_;
  Executor* const executor_;
  RpcClient* const client_;
  const size_t waiting_max_;
  LocalHandler local_;           // thread-safe, as its maker promises
  NoLeaderText no_leader_text_;  // likewise

  std::mutex mutex_;      // guards all below, and what is in Pending
  absl::Status stopped_;  // OK: it runs; else what new calls are told
  Leadership leadership_;
  bool active_here_ = false;
  uint64_t generation_ = 0;  // of leadership_
  uint64_t last_id_ = 0;
  std::map<uint64_t, PendingPtr> pending_;  // all that have no answer yet
  size_t waiting_ = 0;
  int calling_out_ = 0;  // threads that are in the local handler or the client
  std::condition_variable called_out_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_FORWARDER_H_
