#include "fuzz/fuzz.h"
#include "metadata/record_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quorate;
  const absl::StatusOr<metadata::Record> record = metadata::DecodeRecord(fuzz::AsText(data, size));
  if (!record.ok()) return 0;
  // Protocol buffers allow several encodings of one message; ours of it is stable.
  const std::string once = metadata::EncodeRecord(*record);
  const absl::StatusOr<metadata::Record> again = metadata::DecodeRecord(once);
  fuzz::Promise(again.ok(), "what was read can be written and read");
  fuzz::Promise(metadata::EncodeRecord(*again) == once, "a record's own encoding is stable");
  return 0;
}
