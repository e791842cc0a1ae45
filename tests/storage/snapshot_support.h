// Snapshots for tests: bytes of any size, and their digests.
#ifndef QUORATE_TESTS_STORAGE_SNAPSHOT_SUPPORT_H_
#define QUORATE_TESTS_STORAGE_SNAPSHOT_SUPPORT_H_

#include <memory>
#include <string>

#include "base/xoshiro.h"
#include "quorate/storage.h"
#include "storage/snapshot_digest.h"
#include "support/catch.h"

namespace quorate::storage {

inline std::string Text(uint64_t seed, size_t size) {
  Xoshiro random(seed);
  std::string out(size, '\0');
  for (char& byte : out) byte = static_cast<char>(random.Next());
  return out;
}

inline SnapshotInfo InfoOf(LogPosition id, absl::string_view bytes) {
  SnapshotDigest digest;
  digest.Add(bytes);
  return SnapshotInfo{id, bytes.size(), digest.value()};
}

inline constexpr LogPosition kFirst{Epoch(1), Offset(10)};
inline constexpr LogPosition kSecond{Epoch(1), Offset(20)};
inline constexpr LogPosition kThird{Epoch(2), Offset(30)};
inline constexpr LogPosition kFourth{Epoch(2), Offset(40)};

inline std::string Contents(SnapshotStore& store, LogPosition id) {
  std::unique_ptr<SnapshotReader> reader = store.OpenReader(id).value();
  std::string out;
  REQUIRE(reader->ReadAt(0, reader->size(), &out).ok());
  return out;
}

}  // namespace quorate::storage

#endif  // QUORATE_TESTS_STORAGE_SNAPSHOT_SUPPORT_H_
