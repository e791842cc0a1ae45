// File: metadata/digest.h
//
// The canonical digest of an image (invariant I-17): a sum, modulo 2^128, of a hash of each entry. Being
// a sum it needs no order and is kept up to date with each change (take off the old entry's hash, add
// the new one's), so that nodes can compare two million partitions at any offset for nothing. A digest
// over the serialised image would cost a full pass each time, and would rarely be taken.
//
// It finds accidents: lost, doubled or different entries. It isn't meant to resist somebody who
// chooses the entries.
//
// Pure functions; any thread.
#ifndef QUORATE_METADATA_DIGEST_H_
#define QUORATE_METADATA_DIGEST_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "metadata/partition_state.h"
#include "quorate/metadata.h"

namespace quorate::metadata {

// Hashes one entry, field by field. Each field is framed by its own length or width, so that
// ("ab", "c") and ("a", "bc") differ.
class EntryHash {
 public:
  // `kind` tells entries of different types apart.
  explicit EntryHash(uint64_t kind);
  EntryHash& Add(uint64_t value);
  EntryHash& Add(absl::string_view text);
  EntryHash& Add(const Uuid& id) { return Add(id.high()).Add(id.low()); }
  [[nodiscard]] MetadataDigest Finish() const;

 private:
  uint64_t high_;
  uint64_t low_;
};

MetadataDigest HashFeature(absl::string_view name, int16_t level);
MetadataDigest HashBroker(const BrokerInfo& broker);
MetadataDigest HashTopic(const TopicId& id, absl::string_view name);
// The same value from either form; the packed one is hashed where it lies.
MetadataDigest HashPartition(const PartitionId& id, const PartitionInfo& info);
MetadataDigest HashPartition(const PartitionId& id, const PartitionState& partition);

void AddTo(MetadataDigest& sum, const MetadataDigest& entry);
void TakeFrom(MetadataDigest& sum, const MetadataDigest& entry);

}  // namespace quorate::metadata

#endif  // QUORATE_METADATA_DIGEST_H_
