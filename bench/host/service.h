// Turns requests into calls of a QuorumNode, and their results into answers.
//
// Reads look at the registers from within the node's completions: those run on the apply thread, so that nothing is
// applied between the barrier and the look, and no lock is needed.
//
// Thread-safe after Attach.
#ifndef QUORATE_BENCH_HOST_SERVICE_H_
#define QUORATE_BENCH_HOST_SERVICE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "host/connection.h"
#include "host/registers.h"
#include "quorate/quorum_node.h"

namespace quorate::host {

class Service final : public RequestHandler {
 public:
  // Both outlive the service. Every request gets its answer within `timeout`.
  Service(QuorumNode* node, const Registers* registers, absl::Duration timeout)
      : node_(node), registers_(registers), timeout_(timeout) {}

  void Handle(absl::string_view command, Reply reply) override;

 private:
  void Propose(absl::string_view command, Reply reply);
  void Read(std::string key, Reply reply);
  void ReadStale(std::string key, Reply reply);
  void Transfer(absl::string_view to, Reply reply);
  [[nodiscard]] std::string Status() const;

  QuorumNode* const node_;
  const Registers* const registers_;
  const absl::Duration timeout_;
};

}  // namespace quorate::host

#endif  // QUORATE_BENCH_HOST_SERVICE_H_
