// bench/compare's client over sockets, with a server that the test plays on the same thread.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <string>
#include <vector>

#include "compare/tcp_client.h"
#include "host/protocol.h"
#include "support/catch.h"

namespace quorate::compare {
namespace {

class Server {
 public:
  Server() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    REQUIRE(::listen(listener_, 16) == 0);
    socklen_t size = sizeof(address);
    REQUIRE(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port = ntohs(address.sin_port);
  }
  ~Server() {
    Hang();
    if (listener_ >= 0) ::close(listener_);
  }

  void Accept() {
    pollfd waited{listener_, POLLIN, 0};
    REQUIRE(::poll(&waited, 1, 10'000) == 1);
    connection_ = ::accept(listener_, nullptr, nullptr);
    REQUIRE(connection_ >= 0);
  }
  // The ids of so many requests.
  std::vector<uint64_t> Read(size_t count) {
    std::vector<uint64_t> ids;
    while (ids.size() < count) {
      std::optional<absl::string_view> body;
      size_t consumed = 0;
      REQUIRE(host::TakeFrame(in_, host::kRequestBytesMax, &body, &consumed));
      if (body.has_value()) {
        ids.push_back(host::ParseRequest(*body).id);
        in_.erase(0, consumed);
        continue;
      }
      pollfd waited{connection_, POLLIN, 0};
      REQUIRE(::poll(&waited, 1, 10'000) == 1);
      char buffer[4096];
      const ssize_t n = ::recv(connection_, buffer, sizeof(buffer), 0);
      REQUIRE(n > 0);
      in_.append(buffer, static_cast<size_t>(n));
    }
    return ids;
  }
  void Answer(uint64_t id, host::Result result) {
    std::string out;
    host::AppendResponse(id, host::EncodeOutcome(result, ""), &out);
    // In two pieces, so that the client meets half an answer.
    REQUIRE(::send(connection_, out.data(), 3, MSG_NOSIGNAL) == 3);
    REQUIRE(::send(connection_, out.data() + 3, out.size() - 3, MSG_NOSIGNAL) == static_cast<ssize_t>(out.size()) - 3);
  }
  void Hang() {
    if (connection_ >= 0) ::close(connection_);
    connection_ = -1;
    in_.clear();
  }
  void StopListening() {
    ::close(listener_);
    listener_ = -1;
  }

  int port = 0;

 private:
  int listener_ = -1;
  int connection_ = -1;
  std::string in_;
};

class Ends final : public PutSink {
 public:
  void Done(uint64_t token, PutEnd end) override { CHECK(ended.emplace(token, end).second); }
  void Await(PutClient& client, size_t count) {
    for (int i = 0; i < 1000 && ended.size() < count; ++i) client.Poll(absl::Milliseconds(10), this);
    REQUIRE(ended.size() == count);
  }
  std::map<uint64_t, PutEnd> ended;
};

TEST_CASE("writes go out, and end as they were answered, in whatever order") {
  Server server;
  TcpClient client({server.port}, NewRegisterWire);
  for (const uint64_t token : {3, 1, 2}) client.Put(token, "key", "value");
  Ends ends;
  client.Poll(absl::ZeroDuration(), &ends);
  client.Poll(absl::ZeroDuration(), &ends);
  server.Accept();
  CHECK(server.Read(3) == std::vector<uint64_t>{3, 1, 2});
  server.Answer(2, host::Result::kOk);
  server.Answer(3, host::Result::kRejected);
  ends.Await(client, 2);
  CHECK(ends.ended == std::map<uint64_t, PutEnd>{{2, PutEnd::kAcknowledged}, {3, PutEnd::kRefused}});
  // An answer that nobody waits for changes nothing.
  server.Answer(2, host::Result::kOk);
  server.Answer(1, host::Result::kOk);
  ends.Await(client, 3);
}

TEST_CASE("a connection that breaks ends its writes as lost, and the next write connects again") {
  Server server;
  TcpClient client({server.port}, NewRegisterWire);
  client.Put(1, "key", "value");
  client.Put(2, "key", "value");
  Ends ends;
  client.Poll(absl::ZeroDuration(), &ends);
  client.Poll(absl::ZeroDuration(), &ends);
  server.Accept();
  (void)server.Read(2);
  server.Answer(1, host::Result::kOk);
  ends.Await(client, 1);
  server.Hang();
  ends.Await(client, 2);
  CHECK(ends.ended == std::map<uint64_t, PutEnd>{{1, PutEnd::kAcknowledged}, {2, PutEnd::kLost}});

  client.Put(3, "key", "value");
  client.Poll(absl::ZeroDuration(), &ends);
  client.Poll(absl::ZeroDuration(), &ends);
  server.Accept();
  CHECK(server.Read(1) == std::vector<uint64_t>{3});
  server.Answer(3, host::Result::kOk);
  ends.Await(client, 3);
  CHECK(ends.ended.at(3) == PutEnd::kAcknowledged);

  server.Hang();
  server.StopListening();
  client.Put(4, "key", "value");
  ends.Await(client, 4);
  CHECK(ends.ended.at(4) == PutEnd::kLost);
}

TEST_CASE("a token chooses its lane") {
  Server first, second;
  TcpClient client({first.port, second.port}, NewRegisterWire);
  CHECK(client.lanes() == 2);
  Ends ends;
  for (const uint64_t token : {0, 1, 2, 3}) client.Put(token, "key", "value");
  client.Poll(absl::ZeroDuration(), &ends);
  client.Poll(absl::ZeroDuration(), &ends);
  first.Accept();
  second.Accept();
  CHECK(first.Read(2) == std::vector<uint64_t>{0, 2});
  CHECK(second.Read(2) == std::vector<uint64_t>{1, 3});
}

}  // namespace
}  // namespace quorate::compare
