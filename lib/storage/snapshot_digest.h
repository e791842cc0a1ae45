// The digest of a whole snapshot file: SnapshotInfo::digest. CRC-64/ECMA-182, with 1 in place of 0, because 0 stands
// for "not known".
#ifndef QUORATE_STORAGE_SNAPSHOT_DIGEST_H_
#define QUORATE_STORAGE_SNAPSHOT_DIGEST_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "base/crc64.h"

namespace quorate::storage {

class SnapshotDigest {
 public:
  void Add(absl::string_view bytes) { crc_ = ExtendCrc64(crc_, bytes); }
  // Of what was added so far.
  [[nodiscard]] uint64_t value() const { return crc_ == 0 ? 1 : crc_; }
  [[nodiscard]] uint64_t crc() const { return crc_; }

 private:
  uint64_t crc_ = 0;
};

}  // namespace quorate::storage

#endif  // QUORATE_STORAGE_SNAPSHOT_DIGEST_H_
