// What QuorumNode::Create and the node room both do before they build an engine.
#ifndef QUORATE_QUORUM_OPTIONS_H_
#define QUORATE_QUORUM_OPTIONS_H_

#include "absl/status/status.h"
#include "quorate/quorum_node.h"

namespace quorate::quorum {

// kInvalidArgument with every problem in one message.
absl::Status ValidateOptions(const QuorumOptions& options);

// The real clock, entropy and threads, and no log, for what is null.
void FillDefaults(QuorumDependencies* dependencies);

}  // namespace quorate::quorum

#endif  // QUORATE_QUORUM_OPTIONS_H_
