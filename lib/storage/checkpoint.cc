#include "storage/checkpoint.h"

#include "absl/strings/str_cat.h"
#include "base/little_endian.h"
#include "storage/layout.h"

namespace quorate::storage {
namespace {

constexpr int64_t kNone = -1;
// Log start, durable end, truncation: all that there was before logs could be trimmed.
constexpr size_t kShortBytes = 3 * sizeof(int64_t);

}  // namespace

std::string EncodeCheckpoint(const LogCheckpoint& checkpoint) {
  const LogPosition reset = checkpoint.resetting.value_or(LogPosition{Epoch(0), Offset(kNone)});
  std::string out;
  AppendLittleEndian(checkpoint.log_start.end.value(), &out);
  AppendLittleEndian(checkpoint.durable_end.value(), &out);
  AppendLittleEndian(checkpoint.truncating.has_value() ? checkpoint.truncating->value() : kNone, &out);
  AppendLittleEndian(checkpoint.log_start.epoch.value(), &out);
  AppendLittleEndian(reset.epoch.value(), &out);
  AppendLittleEndian(reset.end.value(), &out);
  return out;
}

absl::StatusOr<LogCheckpoint> ParseCheckpoint(absl::string_view value, absl::string_view path) {
  ByteReader reader(value);
  LogCheckpoint out;
  out.log_start.end = Offset(reader.Take<int64_t>());
  out.durable_end = Offset(reader.Take<int64_t>());
  const auto truncating = reader.Take<int64_t>();
  if (truncating != kNone) out.truncating = Offset(truncating);
  LogPosition reset{Epoch(0), Offset(kNone)};
  if (value.size() != kShortBytes) {
    out.log_start.epoch = Epoch(reader.Take<int32_t>());
    reset.epoch = Epoch(reader.Take<int32_t>());
    reset.end = Offset(reader.Take<int64_t>());
  }
  if (reset.end.value() != kNone) out.resetting = reset;
  const bool possible = out.log_start.end.value() >= 0 && out.log_start.epoch.value() >= 0 &&
                        out.log_start.end <= out.durable_end && reset.epoch.value() >= 0 &&
                        reset.end.value() >= kNone &&
                        (!out.truncating.has_value() || out.log_start.end <= *out.truncating);
  if (!reader.AtEnd() || !possible) {
    return CorruptionError(
        path, absl::StrCat("its values make no sense: log start ", out.log_start.end.value(), " in epoch ",
                           out.log_start.epoch.value(), ", durable end ", out.durable_end.value(), ", truncation to ",
                           truncating, ", reset to ", reset.end.value(), " in epoch ", reset.epoch.value()));
  }
  return out;
}

}  // namespace quorate::storage
