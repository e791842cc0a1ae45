#include "transport/admission.h"

#include <limits>
#include <string>

#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorate/testing/transport_conformance.h"
#include "support/catch.h"

namespace quorate::transport {
namespace {

constexpr ClusterId kCluster{Uuid(1, 500)};

TransportIdentity Identity(int32_t node) {
  const auto n = static_cast<uint64_t>(node);
  return {kCluster, {NodeId(node), DirectoryId(Uuid(3, 500 + n))}, IncarnationId(Uuid(2, 500 + n))};
}

Message RequestFor(const ReplicaKey& to) {
  Message m = testing::SampleMessages(Identity(1), Identity(2)).front();
  m.to = to;
  return m;
}

TEST_CASE("F-N09, F-N10, F-N11: whom a message is for", "[transport]") {
  const TransportIdentity self = Identity(2);
  CHECK(CheckAddress(self, RequestFor(self.self)) == Refusal::kNone);
  CHECK(CheckAddress(self, RequestFor({NodeId(2), {}})) == Refusal::kNone);
  CHECK(CheckAddress(self, RequestFor({NodeId(-2), {}})) == Refusal::kNone);
  CHECK(CheckAddress(self, RequestFor({kNoNode, {}})) == Refusal::kWrongReplica);
  CHECK(CheckAddress(self, RequestFor({NodeId(3), {}})) == Refusal::kWrongReplica);
  CHECK(CheckAddress(self, RequestFor({NodeId(2), DirectoryId(Uuid(9, 900))})) == Refusal::kWrongReplica);

  Message foreign = RequestFor(self.self);
  foreign.cluster_id = ClusterId(Uuid(1, 501));
  CHECK(CheckAddress(self, foreign) == Refusal::kWrongCluster);
  Message echo = RequestFor(self.self);
  echo.from = self.self;
  CHECK(CheckAddress(self, echo) == Refusal::kSelf);
  echo.from.directory = DirectoryId(Uuid(9, 901));  // a second process with our node id
  CHECK(CheckAddress(self, echo) == Refusal::kSelf);
  Message nobody = RequestFor(self.self);
  nobody.from.id = kNoNode;
  CHECK(CheckAddress(self, nobody) == Refusal::kInvalid);

  Message answer = RequestFor({NodeId(-2), {}});
  answer.body = ReadResponse{PeerError::kNone, Epoch(1), {}, 1, Offset(0)};
  CHECK(CheckAddress(self, answer) == Refusal::kWrongReplica);
}

TEST_CASE("every sample message is fit to be sent", "[transport]") {
  for (const Message& m : testing::SampleMessages(Identity(1), Identity(2))) {
    INFO(m.TypeName() << ": " << CheckFields(m).ToString());
    CHECK(CheckFields(m).ok());
  }
}

template <typename Body>
absl::Status CheckBody(Body body) {
  Message m = RequestFor({NodeId(2), {}});
  m.body = std::move(body);
  return CheckFields(m);
}

FetchRequest GoodFetch() { return {Epoch(1), 1, Offset(10), Epoch(1), Offset(10), Offset(5), 1000, 0}; }

TEST_CASE("F-N17, F-X04: numbers that can't be", "[transport]") {
  constexpr int32_t kLeast32 = std::numeric_limits<int32_t>::min();
  constexpr int64_t kLeast64 = std::numeric_limits<int64_t>::min();
  CHECK(CheckBody(GoodFetch()).ok());
  SECTION("epochs") {
    for (const int32_t bad : {-1, kLeast32}) {
      CHECK_FALSE(CheckBody(VoteRequest{Epoch(bad), {Epoch(1), Offset(1)}, false}).ok());
      CHECK_FALSE(CheckBody(VoteRequest{Epoch(1), {Epoch(bad), Offset(1)}, false}).ok());
      CHECK_FALSE(CheckBody(BeginEpochRequest{Epoch(bad), {}}).ok());
      CHECK_FALSE(CheckBody(EndEpochRequest{Epoch(bad), {}}).ok());
      CHECK_FALSE(CheckBody(ReadRequest{Epoch(bad), 1}).ok());
      CHECK_FALSE(CheckBody(ReadResponse{PeerError::kNone, Epoch(bad), {}, 1, Offset(0)}).ok());
      FetchRequest fetch = GoodFetch();
      fetch.last_fetched_epoch = Epoch(bad);
      CHECK_FALSE(CheckBody(fetch).ok());
    }
  }
  SECTION("offsets") {
    FetchRequest fetch = GoodFetch();
    fetch.fetch_offset = Offset(-1);
    CHECK_FALSE(CheckBody(fetch).ok());
    fetch = GoodFetch();
    fetch.durable_end = Offset(-1);
    CHECK_FALSE(CheckBody(fetch).ok());
    fetch = GoodFetch();
    fetch.durable_end = fetch.fetch_offset + 1;
    CHECK_FALSE(CheckBody(fetch).ok());
    fetch = GoodFetch();
    fetch.high_watermark = kNoOffset;
    CHECK(CheckBody(fetch).ok());
    fetch.high_watermark = Offset(-2);
    CHECK_FALSE(CheckBody(fetch).ok());
    FetchResponse answer;
    answer.base_offset = Offset(kLeast64);
    CHECK_FALSE(CheckBody(answer).ok());
    answer.base_offset = Offset(0);
    answer.snapshot = LogPosition{Epoch(1), Offset(-1)};
    CHECK_FALSE(CheckBody(answer).ok());
    answer.snapshot.reset();
    answer.diverging = LogPosition{Epoch(-1), Offset(1)};
    CHECK_FALSE(CheckBody(answer).ok());
  }
  SECTION("credit") {
    FetchRequest fetch = GoodFetch();
    fetch.credit_bytes = limits::kFetchCreditBytesMax;
    CHECK(CheckBody(fetch).ok());
    ++fetch.credit_bytes;
    CHECK_FALSE(CheckBody(fetch).ok());
  }
  SECTION("error numbers and leaders") {
    CHECK_FALSE(CheckBody(VoteResponse{static_cast<PeerError>(200), Epoch(1), {}, false, false}).ok());
    CHECK(CheckBody(VoteResponse{PeerError::kNone, Epoch(1), {kNoNode, {}}, false, false}).ok());
    CHECK_FALSE(CheckBody(VoteResponse{PeerError::kNone, Epoch(1), {NodeId(-2), {}}, false, false}).ok());
  }
}

TEST_CASE("F-X04, F-X08: lists and names", "[transport]") {
  const Endpoint good{"CONTROLLER", "localhost", 9093};
  std::vector<Endpoint> endpoints(limits::kEndpointsMax, good);
  CHECK(CheckBody(BeginEpochRequest{Epoch(1), endpoints}).ok());
  endpoints.push_back(good);
  CHECK_FALSE(CheckBody(BeginEpochRequest{Epoch(1), endpoints}).ok());
  std::vector<ReplicaKey> voters(limits::kVotersMax, {NodeId(1), {}});
  CHECK(CheckBody(EndEpochRequest{Epoch(1), voters}).ok());
  voters.push_back({NodeId(1), {}});
  CHECK_FALSE(CheckBody(EndEpochRequest{Epoch(1), voters}).ok());
  CHECK_FALSE(CheckBody(EndEpochRequest{Epoch(1), {{kNoNode, {}}}}).ok());

  CHECK(CheckEndpoint(good).ok());
  CHECK(CheckEndpoint({"", "h", 1}).ok());
  CHECK_FALSE(CheckEndpoint({"C", "", 1}).ok());
  CHECK(CheckEndpoint({"C", std::string(limits::kHostNameBytesMax, 'h'), 1}).ok());
  CHECK_FALSE(CheckEndpoint({"C", std::string(limits::kHostNameBytesMax + 1, 'h'), 1}).ok());
  CHECK_FALSE(CheckEndpoint({std::string(limits::kListenerNameBytesMax + 1, 'L'), "h", 1}).ok());
  for (const std::string bad : {"a b", "a\nb", "a\x1b[2J", "\x7f", "h\xc3\xa4"}) {
    CHECK_FALSE(CheckEndpoint({"C", bad, 1}).ok());
    CHECK_FALSE(CheckEndpoint({bad, "h", 1}).ok());
  }
}

TEST_CASE("an introduction says what is wrong", "[transport]") {
  const TransportIdentity self = Identity(2);
  CHECK(CheckIntroduction(self, Identity(1), NodeId(2)).ok());
  CHECK(CheckIntroduction(self, Identity(1), kNoNode).ok());
  TransportIdentity foreign = Identity(1);
  foreign.cluster_id = ClusterId(Uuid(1, 501));
  CHECK(ReasonOf(CheckIntroduction(self, foreign, NodeId(2))) == Reason::kWrongCluster);
  CHECK(ReasonOf(CheckIntroduction(self, Identity(1), NodeId(3))) == Reason::kWrongReplica);
  CHECK(ReasonOf(CheckIntroduction(self, Identity(2), NodeId(2))) == Reason::kWrongReplica);
  const absl::Status status = CheckIntroduction(self, foreign, NodeId(2));
  CHECK(status.message().find("INCONSISTENT_CLUSTER_ID") != absl::string_view::npos);
  CHECK(status.message().find(foreign.cluster_id.ToString()) != absl::string_view::npos);
}

}  // namespace
}  // namespace quorate::transport
