// The state of a quorum as text: what `metadata-quorum describe` prints, as functions of a description.
#ifndef QUORATE_CLI_QUORUM_TEXT_H_
#define QUORATE_CLI_QUORUM_TEXT_H_

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

#include "absl/time/time.h"
#include "cli/output.h"
#include "quorate/quorum_node.h"
#include "quorate/voter_change.h"

namespace quorate::cli {

void PrintQuorumStatus(std::ostream& out, OutputFormat format, const QuorumDescription& quorum);

// "adding controller 4: catching up, 120 of 5000 records (2 %)"
std::string PendingChangeText(const PendingVoterChange& pending);

// `ages_from`: when set, times are shown as "N ms ago" seen from there (--human-readable).
void PrintReplication(std::ostream& out, OutputFormat format, const QuorumDescription& quorum,
                      std::optional<absl::Time> ages_from);

// How far the slowest voter is behind: records, and milliseconds since it last had everything (-1: unknown).
struct FollowerLag {
  int64_t records = 0;
  int64_t millis = -1;
};
FollowerLag MaxFollowerLag(const QuorumDescription& quorum);

}  // namespace quorate::cli

#endif  // QUORATE_CLI_QUORUM_TEXT_H_
