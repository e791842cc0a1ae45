// The referee of the scenarios: looks at every event of every node, with knowledge that no node has, and checks the
// protocol's safety invariants. A violation fails the script, also when its outputs are being regenerated, so that no
// golden output can ever bless one.
//
//   I-01 one leader in an epoch            I-08 a commit is on the disks of a majority
//   I-02 one vote in an epoch              I-09 ... and its last record is of the leader's epoch
//   I-03 epochs don't fall                 I-10 high watermarks don't fall, nor pass the log's end
//   I-04 leaders only append               I-12 only what is on disk is acknowledged
//   I-05 same offset and epoch, same bytes I-13 nothing below a high watermark is cut
//   I-06 a new leader has all commits      I-14 voter sets change one by one
//   I-07 one record for a committed offset I-20 reads cover what was committed before
//   M-01 votes are on disk when spoken     I-24 one answer for each question
//
// Single-threaded.
#ifndef QUORATE_TESTS_SCENARIOS_REFEREE_H_
#define QUORATE_TESTS_SCENARIOS_REFEREE_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "scenarios/node.h"

namespace quorate::scenarios {

class Referee {
 public:
  explicit Referee(const std::vector<std::unique_ptr<Node>>* nodes) : nodes_(nodes) {}

  void OnGivenLog(const Node& node);
  void OnStart(const Node& node);
  void OnStore(const Node& node, const ElectionState& state);
  void OnAppend(const Node& node, const Batch& batch);
  void OnTruncate(const Node& node, Offset new_end);
  void OnSend(const Node& node, const Message& message);
  // After the effects of an event.
  void OnStep(const Node& node);
  void OnReadAsked(uint64_t id) { reads_[id] = committed_end_; }
  void OnReadAnswered(uint64_t id, const absl::StatusOr<Offset>& offset);

  [[nodiscard]] Offset committed_end() const { return committed_end_; }
  // Found since the last call.
  std::vector<std::string> TakeViolations();
  // From now on this one is only told, not counted as a failure: for scripts about broken promises.
  void Tolerate(const std::string& invariant) { tolerated_.insert(invariant); }
  std::vector<std::string> TakeTolerated();

 private:
  struct Record {
    Epoch epoch;
    uint32_t crc = 0;
    friend bool operator==(const Record&, const Record&) = default;
  };
  void Violation(const std::string& invariant, absl::string_view what);
  void OnVote(const Node& node, NodeId candidate, Epoch epoch);
  void CheckNewLeader(const Node& node);
  void CheckHighWatermark(const Node& node);
  void CheckBacking(const Node& node, Offset high);
  void CheckVoters(const Node& node);
  [[nodiscard]] const Node* NodeOf(const ReplicaKey& key) const;

  const std::vector<std::unique_ptr<Node>>* const nodes_;
  std::vector<std::string> violations_;
  std::vector<std::string> told_;
  std::set<std::string> tolerated_;
  std::map<Epoch, ReplicaKey> leaders_;
  std::map<std::pair<ReplicaKey, Epoch>, NodeId> votes_;
  std::map<std::pair<Offset, Epoch>, uint32_t> bytes_;
  std::map<Offset, Record> committed_;
  Offset committed_end_;
  std::map<ReplicaKey, Offset> high_watermarks_;
  std::map<uint64_t, Offset> reads_;  // committed when it was asked
  std::set<uint64_t> answered_;
};

}  // namespace quorate::scenarios

#endif  // QUORATE_TESTS_SCENARIOS_REFEREE_H_
