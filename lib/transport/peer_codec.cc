#include "transport/peer_codec.h"

#include <google/protobuf/arena.h>
#include <google/protobuf/io/coded_stream.h>

#include <optional>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorate/v1/peer.pb.h"
#include "transport/admission.h"
#include "transport/peer_codec_internal.h"

namespace quorate::transport {
namespace {

using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;

// (15 << 3) | length-delimited: the key of PeerMessage.batches.
constexpr uint8_t kBatchKey = 0x7a;
static_assert(v1::PeerMessage::kBatchesFieldNumber == 15);

// Most messages fit; protobuf takes more from the heap when one doesn't.
constexpr size_t kArenaBytes = 3072;

struct StackArena {
  alignas(8) char block[kArenaBytes];
  google::protobuf::Arena arena{Options()};

  google::protobuf::ArenaOptions Options() {
    google::protobuf::ArenaOptions options;
    options.initial_block = block;
    options.initial_block_size = kArenaBytes;
    return options;
  }
  v1::PeerMessage* NewMessage() { return google::protobuf::Arena::CreateMessage<v1::PeerMessage>(&arena); }
};

absl::Status Malformed(absl::string_view what) {
  return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, absl::StrCat("not a valid peer message: ", what));
}

void Serialize(const v1::PeerMessage& message, WireHead* head) {
  head->resize(message.ByteSizeLong());
  message.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(head->data()));
}

// Where the batches begin: the length of the top-level fields before the first of them. Only lengths are looked
// at; protobuf checks the fields themselves.
absl::StatusOr<size_t> HeadLength(absl::string_view bytes) {
  CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
  while (true) {
    const int at = in.CurrentPosition();
    if (static_cast<size_t>(at) == bytes.size()) return bytes.size();
    const uint32_t key = in.ReadTag();
    if (key == kBatchKey) return static_cast<size_t>(at);
    uint64_t number = 0;
    bool ok = key != 0;
    switch (key & 7) {
      case 0:
        ok = ok && in.ReadVarint64(&number);
        break;
      case 1:
        ok = ok && in.Skip(8);
        break;
      case 2:
        ok = ok && in.ReadVarint64(&number) && number <= bytes.size() - in.CurrentPosition() &&
             in.Skip(static_cast<int>(number));
        break;
      case 5:
        ok = ok && in.Skip(4);
        break;
      default:
        ok = false;
    }
    if (!ok) return Malformed(absl::StrCat("field key ", key, " at byte ", at));
  }
}

// Slices the batches out of what stands behind the head.
absl::Status DecodeBatches(const Bytes& bytes, std::vector<Batch>* batches) {
  const absl::string_view view = bytes.view();
  size_t position = 0;
  while (position < view.size()) {
    CodedInputStream in(reinterpret_cast<const uint8_t*>(view.data()) + position,
                        static_cast<int>(view.size() - position));
    uint32_t length = 0;
    if (in.ReadTag() != kBatchKey) return Malformed("something stands behind the batches");
    if (!in.ReadVarint32(&length)) return Malformed("a batch without a length");
    position += in.CurrentPosition();
    if (length > view.size() - position) return Malformed("a batch longer than the message");
    absl::StatusOr<Batch> batch = Batch::Parse(bytes.Slice(position, length));
    if (!batch.ok()) return batch.status();
    if (batch->size() != length) return Malformed("bytes behind a batch");
    batches->push_back(*std::move(batch));
    position += length;
  }
  return absl::OkStatus();
}

absl::Status CheckSize(size_t size) {
  if (size <= limits::kPeerMessageBytesMax) return absl::OkStatus();
  return MakeError(Reason::kTooLarge, Outcome::kNotApplied,
                   absl::StrCat("a peer message has ", size, " bytes; at most ", limits::kPeerMessageBytesMax,
                                " are allowed (limits::kPeerMessageBytesMax)"));
}

// The incarnation that a message needn't name: that of the side which asked.
const IncarnationId& AskersIncarnation(const TransportIdentity& sender, const TransportIdentity& receiver,
                                       bool is_response) {
  return is_response ? receiver.incarnation : sender.incarnation;
}

// `own` returns what stands from a position on as bytes that live on with the batches.
absl::StatusOr<Message> DecodeWith(absl::string_view bytes, const StreamEnds& ends,
                                   absl::FunctionRef<Bytes(size_t position)> own) {
  if (absl::Status s = CheckSize(bytes.size()); !s.ok()) return s;
  const absl::StatusOr<size_t> head = HeadLength(bytes);
  if (!head.ok()) return head.status();
  StackArena arena;
  v1::PeerMessage* in = arena.NewMessage();
  if (!in->ParseFromArray(bytes.data(), static_cast<int>(*head))) return Malformed("protobuf can't parse it");

  Message message;
  if (!GetBody(*in, &message.body)) return Malformed("its body is missing, unknown or incomplete");
  if (!in->has_request_id()) return Malformed("no request_id");
  message.cluster_id = ends.remote.cluster_id;
  message.from = ends.remote.self;
  message.from_incarnation = ends.remote.incarnation;
  message.request_id = in->request_id();
  message.request_incarnation = in->has_request_incarnation()
                                    ? IncarnationId(GetUuid(in->request_incarnation()))
                                    : AskersIncarnation(ends.remote, ends.local, message.IsResponse());
  message.to = ends.local.self;
  if (in->has_to() && !GetReplicaKey(in->to(), &message.to)) return Malformed("an addressee without an id");
  if (*head < bytes.size()) {
    auto* fetch = std::get_if<FetchResponse>(&message.body);
    if (fetch == nullptr) return Malformed("batches beside something else than a FetchResponse");
    if (absl::Status s = DecodeBatches(own(*head), &fetch->batches); !s.ok()) return s;
  }
  if (absl::Status s = CheckFields(message); !s.ok()) return s;
  return message;
}

}  // namespace

size_t PeerFrame::size() const {
  size_t total = head.size();
  char prefix[kBatchPrefixBytesMax];
  for (const Batch& batch : batches) total += WriteBatchPrefix(batch.size(), prefix) + batch.size();
  return total;
}

size_t WriteBatchPrefix(size_t size, char* out) {
  auto* at = reinterpret_cast<uint8_t*>(out);
  *at++ = kBatchKey;
  at = CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(size), at);
  return static_cast<size_t>(reinterpret_cast<char*>(at) - out);
}

PeerFrame EncodeHello(const Hello& hello) {
  StackArena arena;
  v1::PeerMessage* message = arena.NewMessage();
  v1::Hello* out = message->mutable_hello();
  PutUuid(hello.who.cluster_id.value(), out->mutable_cluster_id());
  PutReplicaKey(hello.who.self, out->mutable_from());
  PutUuid(hello.who.incarnation.value(), out->mutable_incarnation());
  if (hello.intended > kNoNode) out->set_to(hello.intended.value());
  out->set_protocol_version(kPeerProtocolVersion);
  PeerFrame frame;
  Serialize(*message, &frame.head);
  return frame;
}

absl::StatusOr<Hello> DecodeHello(absl::string_view bytes) {
  // Far more than a hello needs; the peer isn't known yet, so nothing is parsed for it.
  constexpr size_t kHelloBytesMax = 1024;
  if (bytes.size() > kHelloBytesMax) return Malformed(absl::StrCat("a hello of ", bytes.size(), " bytes"));
  StackArena arena;
  v1::PeerMessage* message = arena.NewMessage();
  if (!message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return Malformed("protobuf can't parse it");
  if (message->body_case() != v1::PeerMessage::kHello)
    return Malformed("the first message on a stream must be a hello");
  const v1::Hello& in = message->hello();
  if (!in.has_cluster_id() || !in.has_from() || !in.has_incarnation() || !in.has_protocol_version()) {
    return Malformed("a hello without cluster_id, from, incarnation or protocol_version");
  }
  if (in.protocol_version() != kPeerProtocolVersion) {
    return Malformed(
        absl::StrCat("protocol version ", in.protocol_version(), "; this build speaks ", kPeerProtocolVersion));
  }
  Hello hello;
  hello.who.cluster_id = ClusterId(GetUuid(in.cluster_id()));
  hello.who.incarnation = IncarnationId(GetUuid(in.incarnation()));
  if (!GetReplicaKey(in.from(), &hello.who.self) || hello.who.self.id.value() < 0)
    return Malformed("a hello from no node");
  if (in.has_to()) {
    if (in.to() < 0) return Malformed("a hello to a negative node id");
    hello.intended = NodeId(in.to());
  }
  return hello;
}

absl::Status EncodeMessage(Message message, const StreamEnds& ends, PeerFrame* frame) {
  if (message.cluster_id != ends.local.cluster_id || message.from != ends.local.self ||
      message.from_incarnation != ends.local.incarnation) {
    return MakeError(Reason::kWrongReplica, Outcome::kNotApplied,
                     absl::StrCat("a message from ", message.from.ToString(), " can't be sent by ",
                                  ends.local.self.ToString(), ": it must bear the transport's own identity"));
  }
  if (absl::Status s = CheckFields(message); !s.ok()) return s;
  StackArena arena;
  v1::PeerMessage* out = arena.NewMessage();
  PutBody(message.body, out);
  out->set_request_id(message.request_id);
  if (message.request_incarnation != AskersIncarnation(ends.local, ends.remote, message.IsResponse())) {
    PutUuid(message.request_incarnation.value(), out->mutable_request_incarnation());
  }
  if (message.to != ends.remote.self) PutReplicaKey(message.to, out->mutable_to());
  Serialize(*out, &frame->head);
  if (auto* fetch = std::get_if<FetchResponse>(&message.body)) frame->batches = std::move(fetch->batches);
  return CheckSize(frame->size());
}

absl::StatusOr<Message> DecodeMessage(const Bytes& bytes, const StreamEnds& ends) {
  return DecodeWith(bytes.view(), ends,
                    [&bytes](size_t position) { return bytes.Slice(position, bytes.size() - position); });
}

absl::StatusOr<Message> DecodeMessage(absl::string_view bytes, const StreamEnds& ends) {
  return DecodeWith(bytes, ends,
                    [bytes](size_t position) { return Bytes::FromString(std::string(bytes.substr(position))); });
}

std::string Flatten(const PeerFrame& frame) {
  std::string out(frame.head.data(), frame.head.size());
  char prefix[kBatchPrefixBytesMax];
  for (const Batch& batch : frame.batches) {
    out.append(prefix, WriteBatchPrefix(batch.size(), prefix));
    out.append(batch.bytes().view().data(), batch.size());
  }
  return out;
}

}  // namespace quorate::transport
