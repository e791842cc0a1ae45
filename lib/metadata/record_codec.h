// File: metadata/record_codec.h
//
// Records to bytes and back: one byte of frame version, then a protobuf message (docs/formats/records.md).
// Protobuf, because the format must grow for years without a parser of ours for each version. But its
// habit of skipping what it doesn't know is turned off: an unknown record or field means that the
// writer meant something that we would silently not do, so decoding fails and the node stops
// (fault F-P12).
//
// Pure functions; any thread.
#ifndef QUORATE_METADATA_RECORD_CODEC_H_
#define QUORATE_METADATA_RECORD_CODEC_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "metadata/records.h"

namespace quorate::metadata {

inline constexpr uint8_t kRecordFrameVersion = 1;

std::string EncodeRecord(const Record& record);

// kCorruption, with what is wrong, for anything that EncodeRecord of this version wouldn't write.
absl::StatusOr<Record> DecodeRecord(absl::string_view bytes);

}  // namespace quorate::metadata

#endif  // QUORATE_METADATA_RECORD_CODEC_H_
