#include "transport/peer_codec.h"

#include <random>
#include <string>

#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorate/testing/transport_conformance.h"
#include "quorate/v1/peer.pb.h"
#include "support/catch.h"

namespace quorate::transport {
namespace {

TransportIdentity Identity(int32_t node) {
  const auto n = static_cast<uint64_t>(node);
  return {ClusterId(Uuid(1, 500)), {NodeId(node), DirectoryId(Uuid(3, 500 + n))}, IncarnationId(Uuid(2, 500 + n))};
}

const StreamEnds kSender{Identity(1), Identity(2)};
const StreamEnds kReceiver{Identity(2), Identity(1)};

std::string Encode(const Message& message) {
  PeerFrame frame;
  const absl::Status status = EncodeMessage(message, kSender, &frame);
  INFO(status.ToString());
  REQUIRE(status.ok());
  const std::string flat = Flatten(frame);
  REQUIRE(flat.size() == frame.size());
  return flat;
}

absl::StatusOr<Message> Decode(const std::string& bytes) { return DecodeMessage(Bytes::FromString(bytes), kReceiver); }

TEST_CASE("each message survives the round trip", "[transport]") {
  for (const Message& message : testing::SampleMessages(Identity(1), Identity(2))) {
    INFO(message.TypeName());
    const std::string bytes = Encode(message);
    const absl::StatusOr<Message> back = Decode(bytes);
    INFO(back.status().ToString());
    REQUIRE(back.ok());
    CHECK(testing::SameMessage(message, *back));
    // Small ones are decoded out of a buffer that goes away.
    const absl::StatusOr<Message> copied = DecodeMessage(absl::string_view(std::string(bytes)), kReceiver);
    REQUIRE(copied.ok());
    CHECK(testing::SameMessage(message, *copied));
    // Re-encoded as if we had sent it: the same bytes.
    CHECK(Encode(*back) == bytes);
  }
}

TEST_CASE("the bytes are what protobuf itself writes", "[transport]") {
  for (const Message& message : testing::SampleMessages(Identity(1), Identity(2))) {
    const std::string bytes = Encode(message);
    v1::PeerMessage proto;
    REQUIRE(proto.ParseFromString(bytes));
    CHECK(proto.SerializeAsString() == bytes);
    if (const auto* fetch = std::get_if<FetchResponse>(&message.body)) {
      REQUIRE(static_cast<size_t>(proto.batches_size()) == fetch->batches.size());
      for (size_t i = 0; i < fetch->batches.size(); ++i) {
        CHECK(absl::string_view(proto.batches(static_cast<int>(i))) == fetch->batches[i].bytes().view());
      }
    }
  }
}

TEST_CASE("batches share the received bytes", "[transport]") {
  for (const Message& message : testing::SampleMessages(Identity(1), Identity(2))) {
    const auto* fetch = std::get_if<FetchResponse>(&message.body);
    if (fetch == nullptr || fetch->batches.empty()) continue;
    const Bytes bytes = Bytes::FromString(Encode(message));
    const absl::StatusOr<Message> back = DecodeMessage(bytes, kReceiver);
    REQUIRE(back.ok());
    for (const Batch& batch : std::get<FetchResponse>(back->body).batches) {
      CHECK(batch.bytes().view().data() >= bytes.view().data());
      CHECK(batch.bytes().view().data() + batch.size() <= bytes.view().data() + bytes.size());
    }
  }
}

TEST_CASE("a hello survives the round trip", "[transport]") {
  for (const NodeId intended : {NodeId(2), NodeId(0), kNoNode}) {
    const absl::StatusOr<Hello> back = DecodeHello(Flatten(EncodeHello({Identity(1), intended})));
    REQUIRE(back.ok());
    CHECK(back->who.cluster_id == Identity(1).cluster_id);
    CHECK(back->who.self == Identity(1).self);
    CHECK(back->who.incarnation == Identity(1).incarnation);
    CHECK(back->intended == intended);
  }
}

TEST_CASE("F-N06: every truncation is refused", "[transport]") {
  for (const Message& message : testing::SampleMessages(Identity(1), Identity(2))) {
    const std::string bytes = Encode(message);
    INFO(message.TypeName());
    int accepted = 0;
    // Batches make it long; their inside is one unit.
    const size_t step = bytes.size() > 4096 ? 97 : 1;
    for (size_t n = 0; n < bytes.size(); n += step) {
      const absl::StatusOr<Message> back = Decode(bytes.substr(0, n));
      // Cutting off whole optional fields at the end leaves a smaller valid message, never the same one.
      if (back.ok()) {
        ++accepted;
        CHECK_FALSE(testing::SameMessage(message, *back));
      }
    }
    CHECK(accepted <= 6);
  }
  const std::string hello = Flatten(EncodeHello({Identity(1), NodeId(2)}));
  for (size_t n = 0; n < hello.size(); ++n) CHECK_FALSE(DecodeHello(hello.substr(0, n)).ok());
}

TEST_CASE("F-N06: a flipped bit in a batch drops the message", "[transport]") {
  Message message = testing::SampleMessages(Identity(1), Identity(2))[7];
  REQUIRE(std::holds_alternative<FetchResponse>(message.body));
  const std::string good = Encode(message);
  PeerFrame frame;
  REQUIRE(EncodeMessage(message, kSender, &frame).ok());
  std::mt19937_64 random(7);
  for (int i = 0; i < 3000; ++i) {
    std::string bad = good;
    const size_t at = frame.head.size() + random() % (bad.size() - frame.head.size());
    bad[at] = static_cast<char>(bad[at] ^ (1 << (random() % 8)));
    CHECK_FALSE(Decode(bad).ok());
  }
}

TEST_CASE("F-N06, F-X05: any damage is refused or understood, never worse", "[transport]") {
  std::mt19937_64 random(11);
  const std::vector<Message> samples = testing::SampleMessages(Identity(1), Identity(2));
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = Encode(samples[random() % samples.size()]);
    if (bytes.size() > 8192) bytes.resize(8192);
    const int edits = 1 + static_cast<int>(random() % 4);
    for (int e = 0; e < edits; ++e) {
      switch (random() % 3) {
        case 0:
          bytes[random() % bytes.size()] = static_cast<char>(random());
          break;
        case 1:
          bytes.insert(random() % bytes.size(), 1, static_cast<char>(random()));
          break;
        default:
          bytes.erase(random() % bytes.size(), 1);
      }
    }
    const absl::StatusOr<Message> back = Decode(bytes);
    if (!back.ok()) continue;
    // What was accepted is a message that we would send ourselves.
    PeerFrame frame;
    CHECK(EncodeMessage(*back, kSender, &frame).ok());
    static_cast<void>(DecodeHello(bytes));
  }
}

TEST_CASE("missing fields are errors, not zeros", "[transport]") {
  v1::PeerMessage proto;
  proto.set_request_id(1);
  SECTION("no body") { CHECK_FALSE(Decode(proto.SerializeAsString()).ok()); }
  SECTION("no request id") {
    proto.clear_request_id();
    proto.mutable_read_request()->set_epoch(1);
    proto.mutable_read_request()->set_read_id(1);
    CHECK_FALSE(Decode(proto.SerializeAsString()).ok());
    proto.set_request_id(0);
    CHECK(Decode(proto.SerializeAsString()).ok());
  }
  SECTION("each field of a fetch") {
    v1::FetchRequest* fetch = proto.mutable_fetch_request();
    fetch->set_epoch(0);
    fetch->set_session(0);
    fetch->set_fetch_offset(0);
    fetch->set_last_fetched_epoch(0);
    fetch->set_durable_end(0);
    fetch->set_high_watermark(0);
    fetch->set_credit_bytes(0);
    fetch->set_read_round(0);
    fetch->set_priority(0);
    REQUIRE(Decode(proto.SerializeAsString()).ok());
    const auto* descriptor = fetch->GetDescriptor();
    for (int i = 0; i < descriptor->field_count(); ++i) {
      v1::PeerMessage damaged = proto;
      v1::FetchRequest* target = damaged.mutable_fetch_request();
      target->GetReflection()->ClearField(target, descriptor->field(i));
      INFO(descriptor->field(i)->name());
      CHECK_FALSE(Decode(damaged.SerializeAsString()).ok());
    }
  }
  SECTION("a leader without an id, a position without an end") {
    v1::VoteResponse* vote = proto.mutable_vote_response();
    vote->set_epoch(1);
    CHECK_FALSE(Decode(proto.SerializeAsString()).ok());
    vote->mutable_leader();
    CHECK_FALSE(Decode(proto.SerializeAsString()).ok());
    vote->mutable_leader()->set_id(-1);
    CHECK(Decode(proto.SerializeAsString()).ok());
    proto.mutable_vote_request()->set_epoch(1);
    proto.mutable_vote_request()->mutable_log_end()->set_epoch(1);
    CHECK_FALSE(Decode(proto.SerializeAsString()).ok());
  }
}

TEST_CASE("F-X04: what is out of range is refused", "[transport]") {
  v1::PeerMessage proto;
  proto.set_request_id(1);
  v1::VoteResponse* vote = proto.mutable_vote_response();
  vote->set_epoch(1);
  vote->mutable_leader()->set_id(3);
  REQUIRE(Decode(proto.SerializeAsString()).ok());
  SECTION("unknown error number") {
    vote->set_error(static_cast<v1::PeerError>(99));
    CHECK_FALSE(Decode(proto.SerializeAsString()).ok());
  }
  SECTION("port") {
    v1::Endpoint* endpoint = vote->mutable_leader()->add_endpoints();
    endpoint->set_host("h");
    endpoint->set_port(65536);
    CHECK_FALSE(Decode(proto.SerializeAsString()).ok());
    endpoint->set_port(65535);
    CHECK(Decode(proto.SerializeAsString()).ok());
  }
  SECTION("too many endpoints") {
    for (size_t i = 0; i <= limits::kEndpointsMax; ++i) vote->mutable_leader()->add_endpoints()->set_host("h");
    CHECK_FALSE(Decode(proto.SerializeAsString()).ok());
  }
  SECTION("not UTF-8") {
    vote->mutable_leader()->add_endpoints()->set_host("hhhh");
    std::string bytes = proto.SerializeAsString();
    bytes.replace(bytes.find("hhhh"), 4, "\xff\xfe\xff\xfe");
    CHECK_FALSE(Decode(bytes).ok());
  }
  SECTION("batches where none belong") {
    proto.add_batches("x");
    CHECK_FALSE(Decode(proto.SerializeAsString()).ok());
  }
  SECTION("a field behind the batches") {
    std::string bytes = Encode(testing::SampleMessages(Identity(1), Identity(2))[7]);
    bytes += "\x60\x05";  // request_id once more
    CHECK_FALSE(Decode(bytes).ok());
  }
  SECTION("a batch length beyond the message") {
    Message message = testing::SampleMessages(Identity(1), Identity(2))[7];
    std::get<FetchResponse>(message.body).batches.clear();
    for (const std::string tail :
         {"\x7a\x05"
          "abcd",
          "\x7a\xff\xff\xff\xff\x0f", "\x7a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x7a"}) {
      CHECK_FALSE(Decode(Encode(message) + tail).ok());
    }
  }
  SECTION("the message as a whole") {
    CHECK(ReasonOf(Decode(std::string(limits::kPeerMessageBytesMax + 1, 'x')).status()) == Reason::kTooLarge);
  }
}

TEST_CASE("a message of another identity isn't sent", "[transport]") {
  PeerFrame frame;
  Message message = testing::SampleMessages(Identity(1), Identity(2))[0];
  SECTION("node") { message.from.id = NodeId(5); }
  SECTION("directory") { message.from.directory = DirectoryId(Uuid(8, 800)); }
  SECTION("cluster") { message.cluster_id = ClusterId(Uuid(8, 800)); }
  SECTION("incarnation") { message.from_incarnation = IncarnationId(Uuid(8, 800)); }
  SECTION("fields out of bounds") { message.body = ReadRequest{Epoch(-1), 1}; }
  CHECK_FALSE(EncodeMessage(message, kSender, &frame).ok());
}

TEST_CASE("hellos that make no sense are refused", "[transport]") {
  v1::PeerMessage proto;
  REQUIRE(proto.ParseFromString(Flatten(EncodeHello({Identity(1), NodeId(2)}))));
  v1::Hello* hello = proto.mutable_hello();
  SECTION("version") { hello->set_protocol_version(kPeerProtocolVersion + 1); }
  SECTION("no version") { hello->clear_protocol_version(); }
  SECTION("no cluster") { hello->clear_cluster_id(); }
  SECTION("no incarnation") { hello->clear_incarnation(); }
  SECTION("no sender") { hello->clear_from(); }
  SECTION("negative sender") { hello->mutable_from()->set_id(-1); }
  SECTION("negative addressee") { hello->set_to(-3); }
  SECTION("not a hello") { proto.mutable_read_request()->set_epoch(1); }
  SECTION("too long") { proto.add_batches(std::string(2000, 'x')); }
  CHECK_FALSE(DecodeHello(proto.SerializeAsString()).ok());
}

}  // namespace
}  // namespace quorate::transport
