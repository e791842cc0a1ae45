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
  // Whom it is for is the admission's business; whom it is from isn't the sender's to say.
  fuzz::Promise(message->from == ends.remote.self && message->cluster_id == ends.remote.cluster_id,
                "from this peer, of this cluster");
  const transport::StreamEnds back{ends.remote, ends.local};
  transport::PeerFrame frame;
  if (!transport::EncodeMessage(*message, back, &frame).ok()) return 0;
  const std::string once = transport::Flatten(frame);
  const absl::StatusOr<Message> again = transport::DecodeMessage(Bytes::FromString(once), ends);
  fuzz::Promise(again.ok(), "what was read can be sent and read");
  transport::PeerFrame twice;
  fuzz::Promise(transport::EncodeMessage(*again, back, &twice).ok() && transport::Flatten(twice) == once,
                "a message's own encoding is stable");
  return 0;
}
