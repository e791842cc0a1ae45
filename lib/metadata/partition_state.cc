#include "metadata/partition_state.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>

#include "absl/strings/str_cat.h"
#include "quorate/status.h"

namespace quorate::metadata {
namespace {

absl::Status Impossible(int32_t partition, absl::string_view what) {
  return MakeError(Reason::kCorruption, Outcome::kUnknown,
                   absl::StrCat("Partition ", partition, " can't have ", what, "."));
}

// The count of references lives in the block's first word.
std::atomic_ref<int32_t> References(int32_t* block) { return std::atomic_ref<int32_t>(block[0]); }

// Where `broker` stands in `replicas`; -1 if nowhere.
int PositionOf(const ReplicaList& replicas, NodeId broker) {
  auto it = std::find(replicas.begin(), replicas.end(), broker);
  return it == replicas.end() ? -1 : static_cast<int>(it - replicas.begin());
}

}  // namespace

PartitionState::PartitionState(const PartitionState& other)
    : topic_(other.topic_),
      partition_(other.partition_),
      leader_epoch_(other.leader_epoch_),
      partition_epoch_(other.partition_epoch_),
      isr_(other.isr_),
      replica_count_(other.replica_count_),
      leader_(other.leader_),
      recovery_(other.recovery_) {
  std::memcpy(inline_, other.inline_, sizeof(inline_));
  if (replica_count_ > kInline) References(block()).fetch_add(1, std::memory_order_relaxed);
}

PartitionState& PartitionState::operator=(const PartitionState& other) {
  if (this != &other) {
    this->~PartitionState();
    new (this) PartitionState(other);
  }
  return *this;
}

int32_t* PartitionState::block() const {
  int32_t* block = nullptr;
  std::memcpy(&block, inline_, sizeof(block));
  return block;
}

const int32_t* PartitionState::ids() const { return replica_count_ <= kInline ? inline_ : block() + 1; }

void PartitionState::SetReplicas(const ReplicaList& replicas) {
  replica_count_ = static_cast<uint8_t>(replicas.size());
  int32_t* ids = inline_;
  if (replicas.size() > kInline) {
    auto* block = new int32_t[replicas.size() + 1];
    block[0] = 1;
    std::memcpy(inline_, &block, sizeof(block));
    ids = block + 1;
  }
  for (NodeId id : replicas) *ids++ = id.value();
}

void PartitionState::Release() {
  if (replica_count_ <= kInline) return;
  int32_t* shared = block();
  if (References(shared).fetch_sub(1, std::memory_order_acq_rel) == 1) delete[] shared;
}

bool PartitionState::SameReplicas(const PartitionState& other) const {
  return std::equal(ids(), ids() + replica_count_, other.ids(), other.ids() + other.replica_count_);
}

bool PartitionState::InIsr(NodeId broker) const {
  const int32_t* all = ids();
  for (size_t i = 0; i < replica_count_; ++i) {
    if (all[i] == broker.value()) return in_isr(i);
  }
  return false;
}

absl::StatusOr<PartitionState> PartitionState::Pack(Slot topic, int32_t partition, const PartitionInfo& info) {
  if (info.replicas.empty()) return Impossible(partition, "no replica");
  if (info.replicas.size() > limits::kReplicasMax) {
    return Impossible(partition,
                      absl::StrCat(info.replicas.size(), " replicas; ", limits::kReplicasMax, " is the limit"));
  }
  if (info.leader_epoch < 0 || info.partition_epoch < 0) {
    return Impossible(partition, absl::StrCat("leader epoch ", info.leader_epoch, " and partition epoch ",
                                              info.partition_epoch, "; both are 0 or more"));
  }
  for (size_t i = 0; i < info.replicas.size(); ++i) {
    if (PositionOf(info.replicas, info.replicas[i]) != static_cast<int>(i)) {
      return Impossible(partition, absl::StrCat("replica ", info.replicas[i].value(), " twice"));
    }
  }
  PartitionState state;
  for (NodeId member : info.isr) {
    const int position = PositionOf(info.replicas, member);
    if (position < 0 || state.in_isr(position)) {
      return Impossible(partition, absl::StrCat("the in-sync replica ", member.value(),
                                                position < 0 ? ", which is none of its replicas" : " twice"));
    }
    state.isr_ |= uint32_t{1} << position;
  }
  if (info.leader != kNoNode) {
    const int position = PositionOf(info.replicas, info.leader);
    if (position < 0 || !state.in_isr(position)) {
      return Impossible(partition, absl::StrCat("leader ", info.leader.value(), ", which is not in its ISR"));
    }
    state.leader_ = static_cast<int8_t>(position);
  }
  state.topic_ = topic;
  state.partition_ = partition;
  state.leader_epoch_ = info.leader_epoch;
  state.partition_epoch_ = info.partition_epoch;
  state.recovery_ = static_cast<int8_t>(info.recovery);
  state.SetReplicas(info.replicas);
  return state;
}

PartitionInfo PartitionState::Unpack() const {
  PartitionInfo info;
  const int32_t* all = ids();
  for (size_t i = 0; i < replica_count_; ++i) {
    info.replicas.push_back(NodeId(all[i]));
    if (in_isr(i)) info.isr.push_back(NodeId(all[i]));
  }
  info.leader = leader();
  info.leader_epoch = leader_epoch_;
  info.partition_epoch = partition_epoch_;
  info.recovery = recovery();
  return info;
}

}  // namespace quorate::metadata
