#include "blackbox/segment_files.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "support/catch.h"
#include "support/process.h"

namespace quorate::blackbox {

std::vector<std::string> SegmentsOf(const std::string& directory) {
  std::vector<std::string> segments;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".log") segments.push_back(entry.path().string());
  }
  std::sort(segments.begin(), segments.end());
  return segments;
}

int64_t BaseOffsetOf(const std::string& segment) { return std::stoll(std::filesystem::path(segment).stem().string()); }

std::vector<Frame> FramesOf(const std::string& segment) {
  const std::string bytes = testing::ReadText(segment);
  std::vector<Frame> frames;
  for (uint64_t at = kSegmentHeaderBytes; at + kFrameHeaderBytes <= bytes.size();) {
    if (bytes.compare(at, 4, "QRF1") != 0) break;
    uint32_t batch_bytes = 0;
    Frame frame;
    frame.position = at;
    std::memcpy(&batch_bytes, &bytes[at + 4], sizeof(batch_bytes));
    std::memcpy(&frame.base_offset, &bytes[at + 8], sizeof(frame.base_offset));
    frame.bytes = kFrameHeaderBytes + batch_bytes;
    frames.push_back(frame);
    at += (frame.bytes + 7) / 8 * 8;
  }
  return frames;
}

void FlipBit(const std::string& file, uint64_t byte, int bit) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  char value = 0;
  stream.seekg(static_cast<std::streamoff>(byte));
  stream.get(value);
  value = static_cast<char>(value ^ (1 << bit));
  stream.seekp(static_cast<std::streamoff>(byte));
  stream.put(value);
  stream.flush();
  INFO(file << " can't be damaged at byte " << byte);
  REQUIRE(stream.good());
}

}  // namespace quorate::blackbox
