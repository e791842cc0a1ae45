// The protocols of bench/compare, byte by byte: a client that is wrong about them measures something else.
#include "compare/wire.h"

#include <string>
#include <utility>
#include <vector>

#include "host/protocol.h"
#include "support/catch.h"

namespace quorate::compare {
namespace {

using Ends = std::vector<std::pair<uint64_t, PutEnd>>;

std::string Bytes(std::initializer_list<int> values) {
  std::string bytes;
  for (const int value : values) bytes.push_back(static_cast<char>(value));
  return bytes;
}

// What a whole answer of ZooKeeper is: length, xid, zxid, error.
std::string ZooKeeperReply(int xid, int error) {
  std::string reply = Bytes({0, 0, 0, 16, 0, 0, 0, xid, 0, 0, 0, 0, 0, 0, 0, 9});
  for (int shift = 24; shift >= 0; shift -= 8)
    reply.push_back(static_cast<char>(static_cast<uint32_t>(error) >> shift));
  return reply;
}

std::string ZooKeeperWelcome(int timeout_ms) {
  std::string body = Bytes({0, 0, 0, 0, 0, 0, timeout_ms >> 8, timeout_ms & 255}) + std::string(8, '\1') +
                     Bytes({0, 0, 0, 16}) + std::string(16, '\2') + Bytes({0});
  return Bytes({0, 0, 0, static_cast<int>(body.size())}) + body;
}

int64_t Take(Wire& wire, const std::string& in, Ends* ends) {
  return wire.Take(in, [ends](uint64_t token, PutEnd end) { ends->emplace_back(token, end); });
}

TEST_CASE("ZooKeeper is greeted with a request for a new session") {
  std::string out;
  NewZooKeeperWire(0x7530)->Greet(&out);
  CHECK(out == Bytes({0, 0, 0,    45,                // length
                      0, 0, 0,    0,                 // protocol version
                      0, 0, 0,    0,    0, 0, 0, 0,  // last zxid seen
                      0, 0, 0x75, 0x30,              // timeout
                      0, 0, 0,    0,    0, 0, 0, 0,  // session
                      0, 0, 0,    16}) +             // password
                   std::string(16, '\0') +
                   Bytes({0}));
}

TEST_CASE("ZooKeeper's setData and create, as its jute definition has them") {
  const auto wire = NewZooKeeperWire(1000);
  std::string out;
  wire->Put(4, "ab", "xyz", &out);
  CHECK(out == Bytes({0, 0, 0, 26, 0,   0,   0,   5, 0, 0, 0, 5,  // length, xid, setData
                      0, 0, 0, 3,  '/', 'a', 'b', 0, 0, 0, 3, 'x', 'y', 'z', 255, 255, 255, 255}));
  out.clear();
  wire->Create(0, "k", "v", &out);
  CHECK(out == Bytes({0, 0, 0, 50, 0,   0,   0,   1,   0,   0,   0,   1,               // length, xid, create
                      0, 0, 0, 2,  '/', 'k', 0,   0,   0,   1,   'v', 0,   0,   0, 1,  // path, value, one ACL
                      0, 0, 0, 31, 0,   0,   0,   5,   'w', 'o', 'r', 'l', 'd',        // all permissions, for the world
                      0, 0, 0, 6,  'a', 'n', 'y', 'o', 'n', 'e', 0,   0,   0,   0}));  // persistent
}

TEST_CASE("ZooKeeper's answers count once the session is there, whole, and by their error") {
  const auto wire = NewZooKeeperWire(1000);
  std::string out;
  wire->Greet(&out);
  Ends ends;
  CHECK(Take(*wire, ZooKeeperWelcome(1000), &ends) == 41);
  CHECK(ends.empty());
  const std::string two = ZooKeeperReply(5, 0) + ZooKeeperReply(6, -101);
  CHECK(Take(*wire, two + two.substr(0, 7), &ends) == 40);
  CHECK(ends == Ends{{4, PutEnd::kAcknowledged}, {5, PutEnd::kRefused}});
  ends.clear();
  CHECK(Take(*wire, ZooKeeperReply(7, -110), &ends) == 20);  // it exists: what create was for
  CHECK(ends == Ends{{6, PutEnd::kAcknowledged}});
  // A refused session, and a length that can't be.
  const auto refused = NewZooKeeperWire(1000);
  refused->Greet(&out);
  CHECK(Take(*refused, ZooKeeperWelcome(0), &ends) == -1);
  CHECK(Take(*wire, Bytes({127, 0, 0, 0}), &ends) == -1);
}

TEST_CASE("a register host's answers are acknowledgements only when they say so") {
  const auto wire = NewRegisterWire();
  std::string request;
  wire->Put(17, "key", "value", &request);
  std::optional<absl::string_view> body;
  size_t consumed = 0;
  REQUIRE(host::TakeFrame(request, host::kRequestBytesMax, &body, &consumed));
  REQUIRE(body.has_value());
  CHECK(consumed == request.size());
  const host::Request parsed = host::ParseRequest(*body);
  const auto command = host::ParseCommand(parsed.command);
  REQUIRE(command.has_value());
  CHECK(parsed.id == 17);
  CHECK(command->operation == host::Operation::kWrite);
  CHECK(command->key == "key");
  CHECK(command->argument == "value");

  std::string answers;
  host::AppendResponse(1, host::EncodeOutcome(host::Result::kOk, ""), &answers);
  host::AppendResponse(2, host::EncodeRefusal(host::Result::kNotApplied, {NodeId(3), "not the leader"}), &answers);
  host::AppendResponse(3, host::EncodeRefusal(host::Result::kUnknown, {kNoNode, "who knows"}), &answers);
  Ends ends;
  CHECK(Take(*wire, answers, &ends) == static_cast<int64_t>(answers.size()));
  CHECK(ends == Ends{{1, PutEnd::kAcknowledged}, {2, PutEnd::kRefused}, {3, PutEnd::kRefused}});
}

}  // namespace
}  // namespace quorate::compare
