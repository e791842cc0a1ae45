#include "metadata/image_snapshot.h"

#include <cstdint>
#include <variant>

#include "absl/strings/str_cat.h"
#include "metadata/image_builder.h"
#include "metadata/record_codec.h"
#include "quorate/limits.h"
#include "quorate/status.h"

namespace quorate::metadata {
namespace {

bool IsState(const Record& record) {
  return std::holds_alternative<FeatureLevelRecord>(record) || std::holds_alternative<RegisterBrokerRecord>(record) ||
         std::holds_alternative<TopicRecord>(record) || std::holds_alternative<PartitionRecord>(record);
}

absl::Status LoadOne(absl::string_view bytes, ImageBuilder& builder) {
  absl::StatusOr<Record> record = DecodeRecord(bytes);
  if (!record.ok()) return record.status();
  if (!IsState(*record)) {
    return MakeError(Reason::kCorruption, Outcome::kUnknown,
                     absl::StrCat("a ", RecordName(*record), " has no place in a snapshot"));
  }
  return builder.Replay(*record);
}

}  // namespace

absl::StatusOr<std::optional<std::string>> ImageSnapshotSource::Next() {
  std::optional<Record> record = records_.Next();
  if (!record.has_value()) return std::optional<std::string>();
  std::string bytes = EncodeRecord(*record);
  if (bytes.size() > limits::kSnapshotRecordBytesMax) {
    return MakeError(
        Reason::kTooLarge, Outcome::kNotApplied,
        absl::StrCat("a ", RecordName(*record), " of ", bytes.size(), " bytes doesn't fit into a snapshot, ",
                     "whose records have at most ", limits::kSnapshotRecordBytesMax));
  }
  return std::optional<std::string>(std::move(bytes));
}

absl::StatusOr<MetadataImagePtr> LoadImage(SnapshotRecords& records, LogPosition position) {
  ImageBuilder builder(MetadataImage::Empty(), ImageBuilder::Delta::kNone);
  for (uint64_t number = 0;; ++number) {
    absl::StatusOr<std::optional<absl::string_view>> bytes = records.Next();
    if (!bytes.ok()) return bytes.status();
    if (!bytes->has_value()) break;
    if (absl::Status loaded = LoadOne(**bytes, builder); !loaded.ok()) {
      return MakeError(Reason::kCorruption, Outcome::kUnknown,
                       absl::StrCat("record ", number, " of the snapshot at offset ", position.end.value(),
                                    " can't be loaded: ", loaded.message()));
    }
  }
  return std::move(builder).Build({position.end, position.epoch}).image;
}

}  // namespace quorate::metadata
