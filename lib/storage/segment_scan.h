// Reads a segment from front to back after a restart, and says exactly where it stops making sense.
//
// The verdict on what is behind that point, torn or damaged, is recovery's (rule R-04). The scan gathers the
// evidence: every frame header with a valid sum, before and behind the point, tells up to where the log was
// durable when it was written. The writer syncs each group of frames before it writes the next, so whatever
// a crash can leave unsynced belongs to one group, and all of that group's headers name the same mark: its own
// beginning. A header behind a bad frame that names a later mark proves that the bad frame was once durable.
#ifndef QUORATE_STORAGE_SEGMENT_SCAN_H_
#define QUORATE_STORAGE_SEGMENT_SCAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "quorate/batch.h"
#include "quorate/types.h"
#include "storage/segment_format.h"

namespace quorate::storage {

struct SegmentScan {
  std::vector<Batch> batches;  // the valid chain from the start on; they share the memory of the contents
  ChainEnd end;                // of that chain
  uint64_t end_position = 0;
  bool zero_tail = false;  // nothing but zeros behind it (rule R-07)
  std::string problem;     // otherwise: why the bytes at end_position are not the next frame
  Offset synced_through;   // the largest mark in any valid frame header of the file
};

// `contents` is the whole file, its header checked before. `start` is where the chain begins.
// With `limit`, the chain ends there at the latest: what is behind was to be cut anyway.
SegmentScan ScanSegment(const Bytes& contents, const FrameCodec& codec, const ChainEnd& start, uint64_t cluster_hash,
                        std::optional<Offset> limit);

}  // namespace quorate::storage

#endif  // QUORATE_STORAGE_SEGMENT_SCAN_H_
