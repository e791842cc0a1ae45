// File: quorate/metadata.h
//
// What the cluster agrees on: which brokers exist and are alive, which topics and partitions there
// are, who leads each partition and which replicas are in sync. A MetadataImage is that state at one
// offset of the metadata log.
//
//   class Watcher : public quorate::MetadataPublisher {
//     void OnMetadata(const quorate::MetadataImagePtr& image, const quorate::MetadataDelta& delta) override {
//       for (const auto& change : delta.partitions) {
//         auto now = image->FindPartition(change.topic, change.partition);
//         if (now && now->leader == my_id) BecomeLeader(change, now->leader_epoch);
//       }
//     }
//   };
//
// An image never changes. It shares what didn't change with its predecessor, so that a new one costs
// what the records touched and an old one may be kept for as long as somebody reads it: a snapshot, a
// slow publisher and the controller's rollback are all "keep the pointer". The alternative, one
// mutable table under a reader-writer lock, makes every reader able to delay the quorum.
//
// It is made for two million partitions (docs/metadata.md has the bytes of each), which is why lookups
// return small values instead of references into a heap of objects.
//
// Thread-safety: every const method from any thread, without a lock. string_views and pointers that an
// image returns live as long as the image.
#ifndef QUORATE_METADATA_H_
#define QUORATE_METADATA_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "quorate/types.h"

namespace quorate {

using TopicId = StrongUuid<struct TopicIdTag>;
// One registration of a broker: the offset of the record that registered it, so that a later
// registration of the same id always has a larger epoch (rule of KIP-631; fault F-B01).
using BrokerEpoch = StrongInt<struct BrokerEpochTag, int64_t>;
inline constexpr BrokerEpoch kNoBrokerEpoch{-1};

// The feature whose level says which records may be in the log and which rules made them (KIP-584,
// KIP-778). The numbers are Kafka's, so that its tools can name them: 25 is 4.0-IV3, whose rules for
// epochs, ISRs and elections are those of this version.
inline constexpr absl::string_view kMetadataVersionFeature = "metadata.version";
inline constexpr int16_t kMetadataVersionMin = 25;
inline constexpr int16_t kMetadataVersionMax = 25;

// Kafka's codes for the security of a listener.
enum class SecurityProtocol : int16_t { kPlaintext = 0, kSsl = 1, kSaslPlaintext = 2, kSaslSsl = 3 };

struct BrokerEndpoint {
  Endpoint address;
  SecurityProtocol security = SecurityProtocol::kPlaintext;
  friend bool operator==(const BrokerEndpoint&, const BrokerEndpoint&) = default;
};

// The levels of one feature that a process supports.
struct FeatureRange {
  std::string name;
  int16_t min = 0;
  int16_t max = 0;
  friend bool operator==(const FeatureRange&, const FeatureRange&) = default;
};

struct BrokerInfo {
  NodeId id = kNoNode;
  BrokerEpoch epoch = kNoBrokerEpoch;
  IncarnationId incarnation;  // of the process that registered
  std::vector<BrokerEndpoint> endpoints;
  std::vector<FeatureRange> features;
  std::vector<DirectoryId> log_dirs;
  std::optional<std::string> rack;
  bool fenced = true;  // registered but not in service: it leads nothing
  bool in_controlled_shutdown = false;

  // May lead partitions and be in ISRs.
  [[nodiscard]] bool active() const { return !fenced && !in_controlled_shutdown; }
  friend bool operator==(const BrokerInfo&, const BrokerInfo&) = default;
};

struct TopicInfo {
  TopicId id;
  absl::string_view name;  // lives as long as the image
  int32_t partition_count = 0;
};

enum class LeaderRecoveryState : int8_t {
  kRecovered = 0,
  kRecovering = 1,  // elected uncleanly and not yet through with recovery (KIP-704)
};

using ReplicaList = std::vector<NodeId>;

struct PartitionInfo {
  ReplicaList replicas;  // in order of preference: the first should lead
  ReplicaList isr;       // a set; in the order of `replicas`
  NodeId leader = kNoNode;
  int32_t leader_epoch = 0;     // grows when the leader changes
  int32_t partition_epoch = 0;  // grows at every change
  LeaderRecoveryState recovery = LeaderRecoveryState::kRecovered;

  [[nodiscard]] bool HasReplica(NodeId broker) const;
  [[nodiscard]] bool InIsr(NodeId broker) const;
  friend bool operator==(const PartitionInfo&, const PartitionInfo&) = default;
};

// Names one partition.
struct PartitionId {
  TopicId topic;
  int32_t partition = -1;
  friend auto operator<=>(const PartitionId&, const PartitionId&) = default;
};

// Up to where an image knows the log.
struct MetadataProvenance {
  Offset end;   // exclusive: the image holds every record below it
  Epoch epoch;  // of the last of them
  friend bool operator==(const MetadataProvenance&, const MetadataProvenance&) = default;
};

// A canonical summary of a state: equal for equal contents, however they came about (invariant I-17).
// Finds accidents, not attackers.
struct MetadataDigest {
  uint64_t high = 0;
  uint64_t low = 0;
  friend bool operator==(const MetadataDigest&, const MetadataDigest&) = default;
};

namespace metadata {
struct ImageState;  // lib/metadata/image_state.h
}  // namespace metadata

class MetadataImage {
 public:
  // Before the first record.
  static const std::shared_ptr<const MetadataImage>& Empty();
  // For the library's own image builder.
  MetadataImage(std::unique_ptr<const metadata::ImageState> state, MetadataProvenance provenance);
  ~MetadataImage();
  MetadataImage(const MetadataImage&) = delete;
  MetadataImage& operator=(const MetadataImage&) = delete;

  [[nodiscard]] const MetadataProvenance& provenance() const { return provenance_; }
  // Kept up to date with every change: reading it costs nothing.
  [[nodiscard]] MetadataDigest digest() const;
  // The finalized level of a feature; 0 when it is off.
  [[nodiscard]] int16_t FeatureLevel(absl::string_view feature) const;

  [[nodiscard]] size_t broker_count() const;
  [[nodiscard]] size_t topic_count() const;
  [[nodiscard]] size_t partition_count() const;
  [[nodiscard]] size_t leaderless_count() const;

  // Null when unknown.
  [[nodiscard]] const BrokerInfo* FindBroker(NodeId id) const;
  [[nodiscard]] std::optional<TopicInfo> FindTopic(absl::string_view name) const;
  [[nodiscard]] std::optional<TopicInfo> FindTopic(const TopicId& id) const;
  [[nodiscard]] std::optional<PartitionInfo> FindPartition(const TopicId& topic, int32_t partition) const;
  // A topic whose name is equal once '.' is read as '_', if there is one: such names collide in metrics.
  [[nodiscard]] std::optional<TopicInfo> FindCollidingTopic(absl::string_view name) const;

  // Iteration, always in the same order for the same content. The callback returns false to stop.
  using BrokerVisitor = absl::FunctionRef<bool(const BrokerInfo&)>;
  using TopicVisitor = absl::FunctionRef<bool(const TopicInfo&)>;
  using PartitionVisitor = absl::FunctionRef<bool(const PartitionId&, const PartitionInfo&)>;
  using FeatureVisitor = absl::FunctionRef<bool(absl::string_view feature, int16_t level)>;
  void ForEachFeature(FeatureVisitor visit) const;                            // by name
  void ForEachBroker(BrokerVisitor visit) const;                              // by id
  void ForEachTopic(TopicVisitor visit) const;                                // by name
  void ForEachTopicFrom(absl::string_view first, TopicVisitor visit) const;   // by name, names >= first
  void ForEachPartition(const TopicId& topic, PartitionVisitor visit) const;  // by index

  // What one broker holds. Cost: the partitions that it replicates, however large the cluster is. The
  // order is that of creation, more or less: the same on one node, not necessarily on another.
  [[nodiscard]] size_t ReplicaCount(NodeId broker) const;  // these three in O(log brokers)
  [[nodiscard]] size_t IsrCount(NodeId broker) const;
  [[nodiscard]] size_t LeaderCount(NodeId broker) const;
  void ForEachReplicaOf(NodeId broker, PartitionVisitor visit) const;
  void ForEachIsrOf(NodeId broker, PartitionVisitor visit) const;
  void ForEachLedBy(NodeId broker, PartitionVisitor visit) const;
  // Cost: the partitions without a leader.
  void ForEachLeaderless(PartitionVisitor visit) const;

  // For the library's own rooms.
  [[nodiscard]] const metadata::ImageState& state() const { return *state_; }

 private:
  std::unique_ptr<const metadata::ImageState> state_;
  MetadataProvenance provenance_;
};

using MetadataImagePtr = std::shared_ptr<const MetadataImage>;

// What changed from `base` to the image that comes with it. Each thing is named once, however often it
// changed in between. Valid during the call that hands it over; copy what must last.
struct MetadataDelta {
  struct Topic {
    TopicId id;
    std::string name;
  };

  MetadataImagePtr base;
  // True for the first image that a publisher sees and after a snapshot was loaded: the lists are then
  // empty, and everything is to be compared with `base`.
  bool everything = false;
  std::vector<Topic> topics_created;  // in the order of the log
  std::vector<Topic> topics_deleted;
  std::vector<PartitionId> partitions;  // created or changed, sorted; those of deleted topics are left out
  std::vector<NodeId> brokers;          // registered, changed or unregistered, sorted
  bool features_changed = false;

  [[nodiscard]] bool empty() const {
    return !everything && topics_created.empty() && topics_deleted.empty() && partitions.empty() && brokers.empty() &&
           !features_changed;
  }
};

// Told about each new image, in log order, by one thread at a time and with no lock of quorate held. A
// slow publisher delays the ones after it and what waits for the image, never the quorum.
class MetadataPublisher {
 public:
  virtual ~MetadataPublisher() = default;
  virtual void OnMetadata(const MetadataImagePtr& image, const MetadataDelta& delta) = 0;
};

}  // namespace quorate

#endif  // QUORATE_METADATA_H_
