#include "storage/checkpoint.h"

#include "absl/strings/str_cat.h"
#include "base/little_endian.h"
#include "storage/layout.h"

namespace quorate::storage {
namespace {

constexpr int64_t kNotTruncating = -1;

}  // namespace

std::string EncodeCheckpoint(const LogCheckpoint& checkpoint) {
  std::string out;
  AppendLittleEndian(checkpoint.log_start.value(), &out);
  AppendLittleEndian(checkpoint.durable_end.value(), &out);
  AppendLittleEndian(checkpoint.truncating.has_value() ? checkpoint.truncating->value() : kNotTruncating, &out);
  return out;
}

absl::StatusOr<LogCheckpoint> ParseCheckpoint(absl::string_view value, absl::string_view path) {
  ByteReader reader(value);
  LogCheckpoint out;
  out.log_start = Offset(reader.Take<int64_t>());
  out.durable_end = Offset(reader.Take<int64_t>());
  const auto truncating = reader.Take<int64_t>();
  if (truncating != kNotTruncating) out.truncating = Offset(truncating);
  const bool ordered = out.log_start.value() >= 0 && out.log_start <= out.durable_end &&
                       (!out.truncating.has_value() || out.log_start <= *out.truncating);
  if (!reader.AtEnd() || !ordered) {
    return CorruptionError(
        path, absl::StrCat("its offsets make no sense: log start ", out.log_start.value(), ", durable end ",
                           out.durable_end.value(), ", truncation to ", truncating));
  }
  return out;
}

}  // namespace quorate::storage
