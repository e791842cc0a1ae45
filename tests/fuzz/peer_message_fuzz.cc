#include "fuzz/fuzz.h"
#include "transport/peer_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quorate;
  transport::StreamEnds ends;
  ends.local = {ClusterId(Uuid(1, 2)), {NodeId(1), DirectoryId(Uuid(3, 4))}, IncarnationId(Uuid(5, 6))};
  ends.remote = {ClusterId(Uuid(1, 2)), {NodeId(2), DirectoryId(Uuid(7, 8))}, IncarnationId(Uuid(9, 10))};
  const std::string bytes(fuzz::AsText(data, size));
  (void)transport::DecodeHello(bytes);
  const absl::StatusOr<Message> message = transport::DecodeMessage(Bytes::FromString(bytes), ends);
  if (!message.ok()) return 0;
  fuzz::Promise(message->from.id == NodeId(2) && message->to.id == NodeId(1), "only from this peer, only for us");
  return 0;
}
