// How messages, records and logs are written in a scenario: short, stable, one line each.
//
//   4@2             offset 4, epoch 2; as a position: ends at 4, and the record before it is of epoch 2
//   1->2 Vote e3 4@2   node 1 asks node 2 for its vote in epoch 3; its log ends at 4@2
//
// What changes with every small change of the code (request numbers, incarnations) is left out; fetch sessions are
// numbered from 1 in each life of a node, in the order in which they were first seen.
//
// Single-threaded.
#ifndef QUORATE_TESTS_SCENARIOS_WORDS_H_
#define QUORATE_TESTS_SCENARIOS_WORDS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "quorate/messages.h"
#include "quorate/types.h"

namespace quorate::scenarios {

class Words {
 public:
  // "1->2 Vote e3 4@2"
  std::string Of(const Message& message);

  // The word that a message goes by in scripts: "PreVote", "VoteAnswer", "Push".
  static std::string TypeOf(const Message& message);
  // Every such word.
  static const std::vector<std::string>& Types();

  static std::string Of(const LogPosition& position);
  // "4@2 text", "0..2@1 leader 1, kraft.version 1, voters 1,2,3"
  static std::string Of(const Batch& batch);
  // "0..2@1"
  static std::string PlaceOf(const Batch& batch);
  static std::string Of(const std::vector<Voter>& voters);
  static std::string Of(const LeaderInfo& leader);
  // "ok", or why not in one word.
  static std::string Of(const absl::Status& status);
  static std::string Of(PeerError error);
  static std::string Of(const VoterChange& change);

 private:
  // Session numbers of one life of a node.
  uint64_t SessionName(const IncarnationId& life, uint64_t session);
  std::string BodyOf(const Message& message);

  std::map<IncarnationId, std::vector<uint64_t>> sessions_;
};

// "300ms", "2s". Positive.
absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text);
absl::StatusOr<int64_t> ParseNumber(absl::string_view text);

}  // namespace quorate::scenarios

#endif  // QUORATE_TESTS_SCENARIOS_WORDS_H_
