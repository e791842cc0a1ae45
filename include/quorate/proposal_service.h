// File: quorate/proposal_service.h
//
// Lets programs outside of this process propose to a QuorumNode and read from it, over gRPC
// (proto/quorate/v1/proposals.proto), so that a host needn't write a service of its own:
//
//   quorate::ProposalServiceOptions options;
//   options.node = node.get();
//   options.listener = listener.get();                       // the port that peers use, or one of its own
//   options.query = [&](absl::string_view key) { return registers.Get(key); };   // optional
//   auto service = quorate::ProposalService::Create(std::move(options));         // before listener->Start()
//   ...
//   (*service)->Stop(absl::Seconds(2));                      // before the node and the listener stop
//
// What a proposal's result is, is the state machine's business: what Apply leaves in CommittedRecord::result goes back
// to the caller. A node that doesn't lead passes proposals on to the leader, over one stream and at most one hop, or
// says who leads when the caller asks for no forwarding. Reads are answered by the node that was asked.
//
// Bounds are those of limits.h: a stream with too much in flight isn't read until some of it is answered; over the
// bounds of the whole service a proposal is refused with kOverloaded, and certainly not applied.
//
// docs/proposals.md says how it works and why so. Thread-safe.
#ifndef QUORATE_PROPOSAL_SERVICE_H_
#define QUORATE_PROPOSAL_SERVICE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "quorate/environment.h"
#include "quorate/limits.h"
#include "quorate/log_sink.h"
#include "quorate/quorum_node.h"
#include "quorate/status.h"
#include "quorate/transport_adapters.h"

namespace quorate {

struct ProposalServiceOptions {
  // Both outlive the service. The listener must not have been started.
  QuorumNode* node = nullptr;
  GrpcListener* listener = nullptr;
  // Answers the queries of Read. Called on the node's apply thread, between two calls of Apply, when everything is
  // applied that the answer must reflect; so it needs no lock against Apply, and holds up Apply while it runs. It must
  // not throw. Null: reads are barriers, with an empty answer.
  std::function<absl::StatusOr<std::string>(absl::string_view query)> query;
  // Where the service of another member is reached, given what the quorum knows of it (the endpoint of its peers).
  // Null: there. Needed when proposals have a port of their own. Called from several threads. An empty host: unknown.
  std::function<Endpoint(const LeaderHint& leader)> leader_endpoint;
  // Pass on what others sent us to the leader. False: answer kNotLeader with the hint, as if every caller wanted so.
  bool forwarding = true;
  Clock* clock = nullptr;                // null: SystemClock()
  ExecutorFactory* executors = nullptr;  // null: ThreadExecutorFactory(). One, "quorate-serve": deadlines, clean-up
  std::shared_ptr<LogSink> log_sink;     // null: NullLogSink()
};

class ProposalService {
 public:
  // kInvalidArgument when something is missing.
  static absl::StatusOr<std::unique_ptr<ProposalService>> Create(ProposalServiceOptions options);
  virtual ~ProposalService() = default;  // = Stop(0)

  // Refuses what comes from now on (kShuttingDown), lets what is under way come to its end for up to `grace`, answers
  // the rest with kShuttingDown and an unknown outcome, and ends all streams. When it returned, the service touches
  // the node no more and no query runs. Idempotent. Not from a callback.
  virtual void Stop(absl::Duration grace) = 0;

  struct Counters {
    uint64_t proposals = 0;  // taken, locally and to be passed on
    uint64_t forwarded = 0;  // of these, passed on to the leader
    uint64_t reads = 0;
    uint64_t refused = 0;   // malformed, over a bound, or while stopping
    uint64_t answered = 0;  // proposals and reads, in whatever way
    uint64_t streams = 0;   // opened
    int64_t live_streams = 0;
    uint64_t messages_in = 0;   // on streams
    uint64_t messages_out = 0;  // on streams
    uint64_t paused = 0;        // times that a stream wasn't read on because of what was in flight
    uint64_t cut = 0;           // streams cut because their answers weren't read
  };
  [[nodiscard]] virtual Counters counters() const = 0;
};

}  // namespace quorate

#endif  // QUORATE_PROPOSAL_SERVICE_H_
