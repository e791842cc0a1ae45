#include "metadata/digest.h"

#include <cstring>

namespace quorate::metadata {
namespace {

// A bijection that spreads each bit over all (the finalizer of SplitMix64).
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

enum Kind : uint64_t { kFeature = 1, kBroker, kTopic, kPartition };

}  // namespace

// The two halves start, and go on, with different odd constants, so that they are independent hashes.
EntryHash::EntryHash(uint64_t kind)
    : high_(Mix(kind + 0x9e3779b97f4a7c15)), low_(Mix(kind * 0xd1342543de82ef95 + 0x2545f4914f6cdd1d)) {}

EntryHash& EntryHash::Add(uint64_t value) {
  high_ = Mix(high_ + 0x9e3779b97f4a7c15 + value);
  low_ = Mix((low_ ^ value) * 0xd1342543de82ef95 + 0x2545f4914f6cdd1d);
  return *this;
}

EntryHash& EntryHash::Add(absl::string_view text) {
  Add(text.size());
  for (; text.size() >= 8; text.remove_prefix(8)) {
    uint64_t word = 0;
    for (int i = 0; i < 8; ++i) word |= uint64_t{static_cast<uint8_t>(text[i])} << (8 * i);
    Add(word);
  }
  uint64_t rest = 0;
  for (size_t i = 0; i < text.size(); ++i) rest |= uint64_t{static_cast<uint8_t>(text[i])} << (8 * i);
  return text.empty() ? *this : Add(rest);
}

MetadataDigest EntryHash::Finish() const { return {Mix(high_ + low_), Mix(low_ ^ (high_ >> 1))}; }

MetadataDigest HashFeature(absl::string_view name, int16_t level) {
  return EntryHash(kFeature).Add(name).Add(static_cast<uint64_t>(level)).Finish();
}

MetadataDigest HashBroker(const BrokerInfo& broker) {
  EntryHash hash(kBroker);
  hash.Add(static_cast<uint64_t>(broker.id.value())).Add(static_cast<uint64_t>(broker.epoch.value()));
  hash.Add(broker.incarnation.value()).Add(broker.endpoints.size());
  for (const BrokerEndpoint& endpoint : broker.endpoints) {
    hash.Add(endpoint.address.listener).Add(endpoint.address.host).Add(uint64_t{endpoint.address.port});
    hash.Add(static_cast<uint64_t>(endpoint.security));
  }
  hash.Add(broker.features.size());
  for (const FeatureRange& feature : broker.features) {
    hash.Add(feature.name).Add(static_cast<uint64_t>(feature.min)).Add(static_cast<uint64_t>(feature.max));
  }
  hash.Add(broker.log_dirs.size());
  for (const DirectoryId& directory : broker.log_dirs) hash.Add(directory.value());
  hash.Add(uint64_t{broker.rack.has_value()}).Add(broker.rack.value_or(""));
  hash.Add(uint64_t{broker.fenced}).Add(uint64_t{broker.in_controlled_shutdown});
  return hash.Finish();
}

MetadataDigest HashTopic(const TopicId& id, absl::string_view name) {
  return EntryHash(kTopic).Add(id.value()).Add(name).Finish();
}

MetadataDigest HashPartition(const PartitionId& id, const PartitionInfo& info) {
  EntryHash hash(kPartition);
  hash.Add(id.topic.value()).Add(static_cast<uint64_t>(id.partition)).Add(info.replicas.size());
  for (NodeId replica : info.replicas) hash.Add(static_cast<uint64_t>(replica.value()));
  hash.Add(info.isr.size());
  for (NodeId member : info.isr) hash.Add(static_cast<uint64_t>(member.value()));
  hash.Add(static_cast<uint64_t>(info.leader.value())).Add(static_cast<uint64_t>(info.leader_epoch));
  hash.Add(static_cast<uint64_t>(info.partition_epoch)).Add(static_cast<uint64_t>(info.recovery));
  return hash.Finish();
}

MetadataDigest HashPartition(const PartitionId& id, const PartitionState& partition) {
  EntryHash hash(kPartition);
  const size_t count = partition.replica_count();
  size_t isr_size = 0;
  hash.Add(id.topic.value()).Add(static_cast<uint64_t>(id.partition)).Add(count);
  for (size_t i = 0; i < count; ++i) {
    hash.Add(static_cast<uint64_t>(partition.replica(i).value()));
    if (partition.in_isr(i)) ++isr_size;
  }
  hash.Add(isr_size);
  for (size_t i = 0; i < count; ++i) {
    if (partition.in_isr(i)) hash.Add(static_cast<uint64_t>(partition.replica(i).value()));
  }
  hash.Add(static_cast<uint64_t>(partition.leader().value())).Add(static_cast<uint64_t>(partition.leader_epoch()));
  hash.Add(static_cast<uint64_t>(partition.partition_epoch())).Add(static_cast<uint64_t>(partition.recovery()));
  return hash.Finish();
}

void AddTo(MetadataDigest& sum, const MetadataDigest& entry) {
  sum.low += entry.low;
  sum.high += entry.high + (sum.low < entry.low ? 1 : 0);
}

void TakeFrom(MetadataDigest& sum, const MetadataDigest& entry) {
  sum.high -= entry.high + (sum.low < entry.low ? 1 : 0);
  sum.low -= entry.low;
}

}  // namespace quorate::metadata
