#include "fuzz/fuzz.h"
#include "quorate/status.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quorate;
  const absl::Status status = DecodeStatus(fuzz::AsText(data, size));
  (void)OutcomeOf(status);
  (void)LeaderHintFrom(status);
  fuzz::Promise(DecodeStatus(EncodeStatus(status)) == status, "a status survives the wire");
  return 0;
}
