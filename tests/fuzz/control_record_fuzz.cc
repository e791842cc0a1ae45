#include "fuzz/fuzz.h"
#include "raft/control_records.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quorate;
  const absl::StatusOr<raft::ControlRecord> record = raft::DecodeControlRecord(fuzz::AsText(data, size));
  if (!record.ok()) return 0;
  fuzz::Promise(raft::EncodeControlRecord(*record) == fuzz::AsText(data, size), "a control record has one encoding");
  return 0;
}
