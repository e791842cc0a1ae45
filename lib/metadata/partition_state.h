// File: metadata/partition_state.h
//
// One partition in 40 bytes, without a heap object for up to four replicas. A PartitionInfo, with its
// two lists, takes 64 and is made from this at each lookup; millions of them are never held.
//
// What makes it small: the ISR is a bit mask over the positions in the replica list (it is a subset of
// it by definition), and the leader is a position too. Replicas beyond four live in a shared block.
//
// Thread contract: a value; copies may be used by different threads.
#ifndef QUORATE_METADATA_PARTITION_STATE_H_
#define QUORATE_METADATA_PARTITION_STATE_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "metadata/slot_set.h"
#include "quorate/limits.h"
#include "quorate/metadata.h"

namespace quorate::metadata {

class PartitionState {
 public:
  PartitionState() = default;  // a free slot
  PartitionState(const PartitionState& other);
  PartitionState& operator=(const PartitionState& other);
  ~PartitionState() { Release(); }

  // Packs `info`. Refuses what can't be right: no replica or more than limits::kReplicasMax, a replica twice, an
  // ISR member that is no replica, a leader outside the ISR, negative epochs.
  static absl::StatusOr<PartitionState> Pack(Slot topic, int32_t partition, const PartitionInfo& info);
  [[nodiscard]] PartitionInfo Unpack() const;

  [[nodiscard]] bool free() const { return replica_count_ == 0; }
  [[nodiscard]] Slot topic() const { return topic_; }
  [[nodiscard]] int32_t partition() const { return partition_; }

  [[nodiscard]] size_t replica_count() const { return replica_count_; }
  [[nodiscard]] NodeId replica(size_t position) const { return NodeId(ids()[position]); }
  [[nodiscard]] bool in_isr(size_t position) const { return ((isr_ >> position) & 1) != 0; }
  [[nodiscard]] NodeId leader() const { return leader_ < 0 ? kNoNode : replica(leader_); }
  [[nodiscard]] int32_t leader_epoch() const { return leader_epoch_; }
  [[nodiscard]] int32_t partition_epoch() const { return partition_epoch_; }
  [[nodiscard]] LeaderRecoveryState recovery() const { return static_cast<LeaderRecoveryState>(recovery_); }
  [[nodiscard]] bool SameReplicas(const PartitionState& other) const;
  // Whether `broker` is in the ISR.
  [[nodiscard]] bool InIsr(NodeId broker) const;

 private:
  static constexpr size_t kInline = 4;

  [[nodiscard]] const int32_t* ids() const;
  [[nodiscard]] int32_t* block() const;  // the shared block of more than kInline replicas: count, ids
  void SetReplicas(const ReplicaList& replicas);
  void Release();

  Slot topic_ = 0;
  int32_t partition_ = 0;
  int32_t leader_epoch_ = 0;
  int32_t partition_epoch_ = 0;
  uint32_t isr_ = 0;
  int32_t inline_[kInline] = {};  // the ids, or the address of the block
  uint8_t replica_count_ = 0;
  int8_t leader_ = -1;
  int8_t recovery_ = 0;
};

static_assert(sizeof(PartitionState) == 40, "docs/metadata.md promises 40 bytes for each partition");

}  // namespace quorate::metadata

#endif  // QUORATE_METADATA_PARTITION_STATE_H_
