#include "testing/simulator/disk_rot.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "base/crc32c.h"
#include "base/little_endian.h"
#include "storage/layout.h"
#include "storage/segment_format.h"
#include "storage/slot_file.h"

namespace quorate::testing::simulator {
namespace {

using storage::FrameHeader;
using storage::JoinPath;

struct Region {
  std::string path;
  uint64_t begin = 0;
  uint64_t end = 0;
};

struct Frame {
  uint64_t position = 0;
  uint64_t bytes = 0;
  int64_t end_offset = 0;
};

// The frames of a segment, found as a stranger would: by their magic number and a batch that parses behind it.
std::vector<Frame> FramesOf(const std::string& bytes, int64_t* synced_through) {
  std::vector<Frame> frames;
  uint64_t at = storage::SegmentHeader::kBytes;
  while (at + FrameHeader::kBytes + Batch::kHeaderBytes <= bytes.size()) {
    const char* header = bytes.data() + at;
    if (ReadLittleEndian<uint32_t>(header) != FrameHeader::kMagic) break;
    absl::StatusOr<Batch> batch = Batch::Parse(Bytes::FromString(bytes.substr(at + FrameHeader::kBytes)));
    if (!batch.ok()) break;
    *synced_through = std::max(*synced_through, static_cast<int64_t>(ReadLittleEndian<uint64_t>(header + 16)));
    frames.push_back({at, FrameHeader::kBytes + batch->size(), batch->end_offset().value()});
    at += storage::FrameBytes(batch->size());
  }
  return frames;
}

// Of a file with two slots, those that may rot: both when they hold the same value, else the older one.
std::vector<Region> SlotsOf(const std::string& path, const std::string& bytes) {
  constexpr uint64_t kSlotBytes = 512;
  if (bytes.size() < storage::kBlockBytes + kSlotBytes) return {};
  const std::string values[2] = {bytes.substr(32, kSlotBytes - 36),
                                 bytes.substr(storage::kBlockBytes + 32, kSlotBytes - 36)};
  // A slot whose write was cut short by a crash is the only damage that may be: the other one is needed then.
  for (const uint64_t slot : {uint64_t{0}, uint64_t{storage::kBlockBytes}}) {
    const absl::string_view content = absl::string_view(bytes).substr(slot, kSlotBytes);
    if (Crc32c(content.substr(0, kSlotBytes - 4)) != ReadLittleEndian<uint32_t>(content.data() + kSlotBytes - 4)) {
      return {};
    }
  }
  const uint64_t sequences[2] = {ReadLittleEndian<uint64_t>(bytes.data() + 8),
                                 ReadLittleEndian<uint64_t>(bytes.data() + storage::kBlockBytes + 8)};
  std::vector<Region> slots;
  for (uint64_t slot = 0; slot < 2; ++slot) {
    if (values[0] != values[1] && sequences[slot] > sequences[1 - slot]) continue;
    slots.push_back({path, slot * storage::kBlockBytes, slot * storage::kBlockBytes + kSlotBytes});
  }
  return slots;
}

Rot Flip(SimFileSystem* files, const Region& region, Random* random) {
  const uint64_t byte = region.begin + random->Below(region.end - region.begin);
  const uint64_t bit = byte * 8 + random->Below(8);
  files->FlipBit(region.path, bit);
  return Rot{region.path, bit, files->Contents(region.path).at(bit / 8)};
}

}  // namespace

void Rot::UndoOn(SimFileSystem* files) const {
  absl::StatusOr<bool> exists = files->Exists(path);
  if (!exists.ok() || !*exists) return;
  const std::string bytes = files->Contents(path);
  if (bit / 8 < bytes.size() && bytes[bit / 8] == flipped) files->FlipBit(path, bit);
}

std::optional<Rot> RotABit(SimFileSystem* files, const std::string& directory, Random* random) {
  absl::StatusOr<std::vector<std::string>> names = files->List(directory);
  if (!names.ok()) return std::nullopt;
  std::vector<Region> regions;
  std::vector<std::pair<std::string, std::vector<Frame>>> segments;
  int64_t synced_through = 0;
  for (const std::string& name : *names) {
    const std::string path = JoinPath(directory, name);
    absl::StatusOr<bool> is_directory = files->IsDirectory(path);
    if (!is_directory.ok() || *is_directory) continue;
    const std::string bytes = files->Contents(path);
    if (storage::ParseSegmentName(name).has_value()) {
      segments.emplace_back(path, FramesOf(bytes, &synced_through));
    } else if (name == storage::kElectionStateName || name == storage::kCheckpointName) {
      for (Region& slot : SlotsOf(path, bytes)) regions.push_back(std::move(slot));
    } else if (!bytes.empty() && !absl::EndsWith(name, storage::kTemporarySuffix) && name != storage::kLockName) {
      regions.push_back({path, 0, bytes.size()});
    }
  }
  for (const auto& [path, frames] : segments) {
    for (const Frame& frame : frames) {
      if (frame.end_offset <= synced_through) regions.push_back({path, frame.position, frame.position + frame.bytes});
    }
  }
  if (regions.empty()) return std::nullopt;
  return Flip(files, regions[random->Below(regions.size())], random);
}

std::optional<Rot> RotASlot(SimFileSystem* files, const std::string& directory, Random* random) {
  const std::string path = JoinPath(directory, storage::kElectionStateName);
  absl::StatusOr<bool> exists = files->Exists(path);
  if (!exists.ok() || !*exists) return std::nullopt;
  const std::vector<Region> slots = SlotsOf(path, files->Contents(path));
  if (slots.empty()) return std::nullopt;
  return Flip(files, slots[random->Below(slots.size())], random);
}

}  // namespace quorate::testing::simulator
