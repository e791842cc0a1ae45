// The replicated state: named values that are written, compared and set, appended to, or counted with.
//
// The values lie in a fixed number of shards, each copied when it first changes after a snapshot was captured. So a
// capture copies a few thousand pointers, however many values there are, and costs the writers one copy of each shard
// that they touch afterwards. (A shard's count of holders would save copies when the snapshot is already written, but
// to act on such a count needs a fence that thread sanitizers can't follow.) Shards are chosen by a hash that is the
// same on all nodes and are sorted inside: the same state gives the same snapshot, byte for byte.
//
// Threads: the node's apply thread only; a captured snapshot is another thread's.
#ifndef QUORATE_BENCH_HOST_REGISTERS_H_
#define QUORATE_BENCH_HOST_REGISTERS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/protocol.h"
#include "quorate/state_machine.h"

namespace quorate::host {

class Registers final : public StateMachine {
 public:
  Registers();

  absl::Status Apply(absl::Span<const CommittedRecord> records) override;
  absl::StatusOr<std::unique_ptr<SnapshotSource>> CaptureSnapshot() override;
  absl::Status LoadSnapshot(SnapshotRecords& records, LogPosition position) override;

  // Empty when there is none. Valid until the next Apply.
  [[nodiscard]] absl::string_view Value(absl::string_view key) const;
  [[nodiscard]] size_t size() const { return size_; }

 private:
  static constexpr size_t kShards = 4096;
  using Values = std::map<std::string, std::string, std::less<>>;
  struct Shard {
    Values values;
    uint64_t generation = 0;  // the number of captures before it was made; those know nothing of it
  };
  class Source;

  static size_t ShardOf(absl::string_view key);
  // The value of `key`, to be changed; made when it isn't there.
  std::string& Mutable(absl::string_view key);
  std::string Execute(const Command& command);
  std::string Add(const Command& command);

  std::vector<std::shared_ptr<Shard>> shards_;  // null: empty
  uint64_t generation_ = 0;                     // captures so far
  size_t size_ = 0;
};

}  // namespace quorate::host

#endif  // QUORATE_BENCH_HOST_REGISTERS_H_
