#include "fuzz/fuzz.h"
#include "quorate/batch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quorate;
  const absl::StatusOr<Batch> batch = Batch::Parse(Bytes::FromString(std::string(fuzz::AsText(data, size))));
  if (!batch.ok()) return 0;
  const absl::StatusOr<Batch> again = Batch::Make(batch->header(), batch->Records());
  fuzz::Promise(again.ok(), "a parsed batch can be made again");
  fuzz::Promise(again->bytes().view() == batch->bytes().view(), "a batch has one encoding");
  fuzz::Promise(batch->Records().size() == batch->record_count(), "as many records as it says");
  return 0;
}
