// The log's files as somebody sees them who breaks them: docs/formats/segment.md, read with no code of the library, so
// that a test of what damage does isn't wrong in the same way.
#ifndef QUORATE_TESTS_BLACKBOX_SEGMENT_FILES_H_
#define QUORATE_TESTS_BLACKBOX_SEGMENT_FILES_H_

#include <cstdint>
#include <string>
#include <vector>

namespace quorate::blackbox {

struct Frame {
  uint64_t position = 0;
  uint64_t bytes = 0;  // header and batch, without padding
  int64_t base_offset = 0;
};

inline constexpr uint64_t kFrameHeaderBytes = 32;
inline constexpr uint64_t kSegmentHeaderBytes = 4096;

// Paths, oldest first. All but the last are closed.
std::vector<std::string> SegmentsOf(const std::string& directory);
// The first offset of a segment, from its name.
int64_t BaseOffsetOf(const std::string& segment);
std::vector<Frame> FramesOf(const std::string& segment);

// The same again puts it right.
void FlipBit(const std::string& file, uint64_t byte, int bit);

}  // namespace quorate::blackbox

#endif  // QUORATE_TESTS_BLACKBOX_SEGMENT_FILES_H_
