// File: quorate/proposal_client.h
//
// Proposes to a quorum and reads from it, from outside: the other end of quorate/proposal_service.h.
//
//   quorate::ProposalClientOptions options;
//   options.servers = {{"", "host-1", 9093}, {"", "host-2", 9093}, {"", "host-3", 9093}};   // any that are known
//   auto client = quorate::ProposalClient::Create(std::move(options));
//   (*client)->Propose("+1", {}, [](absl::StatusOr<quorate::Proposed> reply) {
//     // OK: on the disks of a majority. Else OutcomeOf(reply.status()) says whether it can still take effect.
//   });
//
// It finds the leader, follows its successors, and repeats what is known not to have been applied until the deadline.
// What may have been applied is only repeated when the caller says that twice is as good as once (`idempotent`).
//
// Two ways to the leader, with the same answers: over one stream, on which many proposals share a message; or by one
// unary call each, for where streams aren't welcome. The stream takes a fraction of the CPU.
//
// Every callback runs exactly once, on a thread of the client's or - when the answer is known at once - inside the
// call. It must not block. At most `window` calls may be open; more are refused with kOverloaded. Thread-safe.
#ifndef QUORATE_PROPOSAL_CLIENT_H_
#define QUORATE_PROPOSAL_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "quorate/environment.h"
#include "quorate/quorum_node.h"
#include "quorate/types.h"

namespace quorate {

enum class ProposalMode : uint8_t {
  kStream,  // one stream to the node that is asked
  kUnary,   // one call each
};

struct ProposalClientOptions {
  std::vector<Endpoint> servers;  // where the search for the leader begins, in this order
  ProposalMode mode = ProposalMode::kStream;
  // True: whoever of `servers` answers passes proposals on to the leader; hints aren't followed. For clients that can't
  // reach every node. Costs one more hop.
  bool forwarding = false;
  // Calls without an answer yet, and the bytes of their values.
  size_t window = 4096;
  size_t window_bytes = 64u << 20;
  absl::Duration connect_timeout = absl::Seconds(2);
  Clock* clock = nullptr;                // null: SystemClock()
  ExecutorFactory* executors = nullptr;  // null: ThreadExecutorFactory(). One, "quorate-client": deadlines, retries
};

struct ProposeOptions {
  absl::Duration timeout = absl::Seconds(5);  // over all attempts; positive and finite
  // To be repeated even when an earlier attempt may have been applied.
  bool idempotent = false;
  // Only in this epoch (Proposal::expected_epoch).
  std::optional<Epoch> expected_epoch = std::nullopt;
};

struct ReadAnswer {
  Offset offset;       // everything below it is in the answer
  std::string answer;  // of the query callback of that node's host
};

class ProposalClient {
 public:
  // kInvalidArgument for options that make no sense. Connects to nobody yet.
  static absl::StatusOr<std::unique_ptr<ProposalClient>> Create(ProposalClientOptions options);
  virtual ~ProposalClient() = default;  // = Close()

  virtual void Propose(std::string record, const ProposeOptions& options,
                       absl::AnyInvocable<void(absl::StatusOr<Proposed>) &&> done) = 0;
  // All of `records`, in order, or none; at least one.
  virtual void ProposeAll(std::vector<std::string> records, const ProposeOptions& options,
                          absl::AnyInvocable<void(absl::StatusOr<Proposed>) &&> done) = 0;
  // Linearizable; on the node that proposals go to. An empty query is a barrier.
  virtual void Read(std::string query, absl::Duration timeout,
                    absl::AnyInvocable<void(absl::StatusOr<ReadAnswer>) &&> done) = 0;

  // Answers everything that is open (kShuttingDown; not applied, or unknown if it was on its way) and refuses the
  // rest. When it returned no callback runs any more. Idempotent. Not from a callback.
  virtual void Close() = 0;

  struct Counters {
    uint64_t sent = 0;          // attempts: those of one call count each
    uint64_t retries = 0;       // attempts but the first
    uint64_t redirects = 0;     // changes of whom to ask
    uint64_t connects = 0;      // streams opened
    uint64_t messages_out = 0;  // on streams
    uint64_t messages_in = 0;
  };
  [[nodiscard]] virtual Counters counters() const = 0;
};

}  // namespace quorate

#endif  // QUORATE_PROPOSAL_CLIENT_H_
