// File: metadata/image_state.h
//
// What is inside a MetadataImage, and the operations that change it. Copying an ImageState costs a few
// reference counts; changing the copy costs what is changed. So "the next image" is a copy, written.
//
// Layout. Topics and partitions live in two vectors; their places there, the slots, are 4-byte names
// that the indexes use. A topic's partitions lie side by side, in one extent if they were created at
// once. Slots of deleted topics are used again, lowest first. Slots never leave this node: two nodes
// with equal contents may number them differently, and nothing that is decided, listed or digested
// depends on them.
//
// One index per broker, "replicates", serves three questions. A broker's ISR memberships and
// leaderships are subsets of what it replicates, and each PartitionState tells them in nanoseconds, so
// three indexes would cost three times the memory to save a factor that fencing doesn't feel. How many
// there are is counted, because a heartbeat asks for it every few seconds.
//
// Thread contract: a value; const methods from any thread.
#ifndef QUORATE_METADATA_IMAGE_STATE_H_
#define QUORATE_METADATA_IMAGE_STATE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "metadata/partition_state.h"
#include "metadata/persistent_map.h"
#include "metadata/persistent_vector.h"
#include "metadata/shared_string.h"
#include "metadata/slot_set.h"
#include "quorate/limits.h"
#include "quorate/metadata.h"

namespace quorate::metadata {

// Partitions [first, …) of a topic, up to the next extent's first, lie in slots [slot, …).
struct Extent {
  int32_t first = 0;
  Slot slot = 0;
};

struct TopicState {
  TopicId id;
  SharedString name;
  int32_t partition_count = 0;
  Slot home = 0;             // where partition 0 lies
  std::vector<Extent> more;  // further extents; hardly ever any

  [[nodiscard]] Slot SlotOf(int32_t partition) const;  // 0 <= partition < partition_count
};

// Of one broker, registered or not: a replica list may name a broker that was unregistered.
struct Holdings {
  SlotSet replicates;
  uint32_t in_isr = 0;
  uint32_t leads = 0;
};

struct NameLess {
  using is_transparent = void;
  static absl::string_view View(const SharedString& s) { return s.view(); }
  static absl::string_view View(absl::string_view s) { return s; }
  template <typename A, typename B>
  bool operator()(const A& a, const B& b) const {
    return View(a) < View(b);
  }
};

static_assert(limits::kTopicsMax <= SlotSet::kSlotEnd && limits::kPartitionsMax <= SlotSet::kSlotEnd);

struct ImageState {
  PersistentMap<std::string, int16_t> features;
  PersistentMap<NodeId, std::shared_ptr<const BrokerInfo>> brokers;
  PersistentMap<NodeId, Holdings> holdings;

  PersistentVector<TopicState> topics;          // by topic slot
  PersistentVector<PartitionState> partitions;  // by partition slot
  SlotSet free_topics;
  SlotSet free_partitions;
  PersistentMap<TopicId, Slot> topic_by_id;
  PersistentMap<SharedString, Slot, NameLess> topic_by_name;
  // Of topics whose name has a '.' or '_', by CollisionKey.
  PersistentMap<SharedString, Slot, NameLess> topic_by_collision;
  SlotSet leaderless;
  size_t partition_count = 0;
  MetadataDigest digest;

  // Queries. A topic slot must be in use.
  [[nodiscard]] std::optional<Slot> FindTopicSlot(const TopicId& id) const;
  [[nodiscard]] TopicInfo InfoOf(Slot topic) const;
  [[nodiscard]] PartitionId IdOf(const PartitionState& partition) const;

  // Changes. An error leaves the contents as they were.
  void SetFeature(absl::string_view name, int16_t level);
  void PutBroker(BrokerInfo broker);
  void EraseBroker(NodeId id);
  absl::Status AddTopic(const TopicId& id, absl::string_view name);
  absl::Status RemoveTopic(const TopicId& id);
  absl::Status AddPartition(const PartitionId& id, const PartitionInfo& info);
  absl::Status ChangePartition(const PartitionId& id, const PartitionInfo& info);

 private:
  absl::StatusOr<Slot> TakePartitionSlot(TopicState& topic);
  // A partition's place in `replicates`, and its share of everything else that is derived: counts,
  // leaderless, digest. A change of leader or ISR, the common case, only touches the second.
  void Join(Slot slot, const PartitionState& partition);
  void Leave(Slot slot, const PartitionState& partition);
  void Count(Slot slot, const PartitionState& partition);
  void Discount(Slot slot, const PartitionState& partition);
};

// `name` with each '.' as '_'; empty if it has neither: then it can't collide.
std::string CollisionKey(absl::string_view name);

}  // namespace quorate::metadata

#endif  // QUORATE_METADATA_IMAGE_STATE_H_
