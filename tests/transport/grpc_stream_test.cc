// What a peer stream makes of bytes that our own client never would send.
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>

#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "support/catch.h"
#include "transport/grpc_bytes.h"
#include "transport/grpc_node.h"
#include "transport/grpc_settings.h"
#include "transport/peer_codec.h"

namespace quorate::transport_test {
namespace {

// A peer stream driven by hand, to send what our own client never would.
class RawStream final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  explicit RawStream(uint16_t port)
      : channel_(grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials())) {
    grpc::GenericStub(channel_).PrepareBidiStreamingCall(&context_, transport::kPeerExchangeMethod, {}, this);
    AddHold();
    StartRead(&incoming_);
    StartCall();
  }
  ~RawStream() override { End(); }
  // Each waits until the one before is written.
  bool Write(const std::string& bytes) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      written_ = false;
    }
    outgoing_ = transport::ToByteBuffer(bytes);
    StartWrite(&outgoing_);
    return WaitFor([&] {
      const std::lock_guard<std::mutex> lock(mutex_);
      return written_;
    });
  }
  void End() {
    if (std::exchange(ended_, true)) return;
    context_.TryCancel();
    RemoveHold();
    WaitFor([&] { return Done(); });
  }
  bool Done() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return done_;
  }
  int received() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return received_;
  }
  // Waits for the server to end it.
  grpc::Status Status() {
    RemoveHold();
    ended_ = true;
    REQUIRE(WaitFor([&] { return Done(); }));
    return status_;
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ++received_;
    }
    StartRead(&incoming_);
  }
  void OnWriteDone(bool) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    written_ = true;
  }
  void OnDone(const grpc::Status& status) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    status_ = status;
    done_ = true;
  }

  std::shared_ptr<grpc::Channel> channel_;
  grpc::ClientContext context_;
  grpc::ByteBuffer incoming_, outgoing_;
  bool ended_ = false;
  std::mutex mutex_;
  bool written_ = false;
  bool done_ = false;
  int received_ = 0;
  grpc::Status status_;
};

std::string HelloBytes(const TransportIdentity& who, NodeId intended) {
  return transport::Flatten(transport::EncodeHello({who, intended}));
}

std::string MessageBytes(const Message& m, const TransportIdentity& from, const TransportIdentity& to) {
  transport::PeerFrame frame;
  REQUIRE(transport::EncodeMessage(m, {from, to}, &frame).ok());
  return transport::Flatten(frame);
}

TEST_CASE("F-N06: a damaged message is dropped and the stream lives on", "[transport][grpc]") {
  Node b(2);
  const TransportIdentity self = Identity(1);
  RawStream stream(b.listener->port());
  REQUIRE(stream.Write(HelloBytes(self, NodeId(2))));
  REQUIRE(WaitFor([&] { return stream.received() == 1; }));
  REQUIRE(stream.Write("\xff\xff garbage"));
  REQUIRE(stream.Write(""));
  REQUIRE(stream.Write(HelloBytes(self, NodeId(2))));  // a second hello is no message
  REQUIRE(stream.Write(MessageBytes(Request(self, b.identity, 1), self, b.identity)));
  REQUIRE(WaitFor([&] { return b.sink.messages == 1; }));
  CHECK(b.transport->counters().refused_malformed == 3);
  CHECK(b.log->Count("event=message_dropped") == 1);
  // A response on a stream that leads to us answers nothing that we asked there.
  Message answer = Request(self, b.identity, 2);
  answer.body = ReadResponse{PeerError::kNone, Epoch(1), {}, 1, Offset(0)};
  REQUIRE(stream.Write(MessageBytes(answer, self, b.identity)));
  REQUIRE(WaitFor([&] { return b.transport->counters().refused_address == 1; }));
  CHECK(b.sink.messages == 1);
}

TEST_CASE("a stream that begins with something else than a hello is ended", "[transport][grpc]") {
  Node b(2);
  const TransportIdentity self = Identity(1);
  SECTION("garbage") {
    RawStream stream(b.listener->port());
    REQUIRE(stream.Write("garbage"));
    CHECK(stream.Status().error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  }
  SECTION("a message") {
    RawStream stream(b.listener->port());
    REQUIRE(stream.Write(MessageBytes(Request(self, b.identity, 1), self, b.identity)));
    CHECK(stream.Status().error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  }
  SECTION("nothing, for too long") {
    RawStream stream(b.listener->port());
    CHECK(stream.Status().error_code() != grpc::StatusCode::OK);
  }
  CHECK(b.sink.messages == 0);
}

}  // namespace
}  // namespace quorate::transport_test
