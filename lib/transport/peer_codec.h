// Peer messages as bytes (proto/quorate/v1/peer.proto), and back.
//
// A message is mostly small numbers, which protobuf encodes, and batches, which may be megabytes and which already
// are bytes: those are not copied. The encoder returns the small part ("head") and the batches beside it; whoever
// writes to the network appends each batch behind its field prefix. The decoder walks the top-level fields up to the
// first batch, gives only the head to protobuf, and slices the batches out of the received buffer. The schema gives
// the batches the highest field number, so any protobuf implementation writes them last too.
//
// Decoding is strict: nothing is defaulted, every number is range-checked (lib/transport/admission.h), a batch's
// CRC must fit (F-N06), lengths are bounded by what is there before they are used (F-X05). A message that fails
// is dropped whole. Protobuf parses into an arena on the stack; a small message costs no allocation there.
//
// Pure functions; thread-safe. No protobuf or gRPC type shows here.
#ifndef QUORATE_LIB_TRANSPORT_PEER_CODEC_H_
#define QUORATE_LIB_TRANSPORT_PEER_CODEC_H_

#include <string>
#include <variant>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "quorate/batch.h"
#include "quorate/messages.h"
#include "quorate/transport.h"

namespace quorate::transport {

inline constexpr uint32_t kPeerProtocolVersion = 1;

// The first message on a stream, each way.
struct Hello {
  TransportIdentity who;
  NodeId intended = kNoNode;  // whom the opener means to reach; kNoNode when it doesn't know
};

// Both ends of a stream after the hellos: what the messages on it leave out.
struct StreamEnds {
  TransportIdentity local;
  TransportIdentity remote;
};

// Fits every message without endpoints and batches.
using WireHead = absl::InlinedVector<char, 224>;

struct PeerFrame {
  WireHead head;
  std::vector<Batch> batches;
  [[nodiscard]] size_t size() const;
};

inline constexpr size_t kBatchPrefixBytesMax = 6;
// Writes what stands before a batch of `size` bytes; returns how many bytes that is.
size_t WriteBatchPrefix(size_t size, char* out);

PeerFrame EncodeHello(const Hello& hello);
absl::StatusOr<Hello> DecodeHello(absl::string_view bytes);

// Fails when the message isn't ours to send on this stream (cluster, sender), or its fields or size are out of
// bounds: what we wouldn't accept we don't send.
absl::Status EncodeMessage(Message message, const StreamEnds& ends, PeerFrame* frame);
// The batches share `bytes`.
absl::StatusOr<Message> DecodeMessage(const Bytes& bytes, const StreamEnds& ends);
// The batches, if there are any, are copied out of `bytes`: for small messages, whose few bytes shouldn't keep a
// whole read buffer alive. A message without batches costs no allocation.
absl::StatusOr<Message> DecodeMessage(absl::string_view bytes, const StreamEnds& ends);

// The frame in one piece, as it stands on the wire. For tests and tools.
std::string Flatten(const PeerFrame& frame);

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_PEER_CODEC_H_
