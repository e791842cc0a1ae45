// The codec against protobuf's generated code, both ways, and against bytes that aren't messages.
#include <string>
#include <vector>

#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorate/v1/proposals.pb.h"
#include "service/proposal_codec.h"
#include "service/wire_format.h"
#include "support/catch.h"

namespace quorate::service {
namespace {

std::vector<std::string> Texts(absl::Span<const absl::string_view> views) {
  return std::vector<std::string>(views.begin(), views.end());
}

v1::StreamRequest SomeRequest() {
  v1::StreamRequest request;
  for (const uint64_t id : {uint64_t{0}, uint64_t{1}, uint64_t{300}, UINT64_MAX}) {
    v1::StreamProposal* proposal = request.add_proposals();
    proposal->set_id(id);
    proposal->add_records("value " + std::to_string(id));
    proposal->add_records("");
    proposal->set_timeout_ms(static_cast<uint32_t>(id));
    if (id == 1) proposal->set_expected_epoch(0);
    if (id == 300) proposal->set_expected_epoch(INT32_MAX);
  }
  v1::StreamRead* read = request.add_reads();
  read->set_id(7);
  read->set_query("how many?");
  read->set_timeout_ms(UINT32_MAX);
  request.add_reads();
  request.set_no_forwarding(true);
  return request;
}

TEST_CASE("A stream request is read as protobuf wrote it, and written as protobuf reads it") {
  const v1::StreamRequest request = SomeRequest();
  const std::string bytes = request.SerializeAsString();
  StreamRequest read;
  REQUIRE(DecodeStreamRequest(bytes, &read).ok());
  REQUIRE(read.proposals.size() == 4);
  CHECK(read.no_forwarding);
  CHECK(read.proposals[3].id == UINT64_MAX);
  CHECK(Texts(read.RecordsOf(read.proposals[2])) == std::vector<std::string>{"value 300", ""});
  CHECK(read.proposals[2].bytes == 9);
  CHECK_FALSE(read.proposals[0].expected_epoch.has_value());
  CHECK(read.proposals[1].expected_epoch == Epoch(0));
  CHECK(read.proposals[2].expected_epoch == Epoch(INT32_MAX));
  REQUIRE(read.reads.size() == 2);
  CHECK(read.reads[0].query == "how many?");
  CHECK(read.reads[0].timeout_ms == UINT32_MAX);

  std::string written;
  for (const WireProposal& proposal : read.proposals)
    AppendStreamProposal(proposal, read.RecordsOf(proposal), &written);
  for (const WireRead& one : read.reads) AppendStreamRead(one, &written);
  AppendNoForwarding(&written);
  CHECK(written == bytes);
}

TEST_CASE("Unary requests and answers agree with protobuf") {
  v1::ProposeRequest propose;
  propose.add_records("a");
  propose.add_records(std::string(300, 'b'));
  propose.set_timeout_ms(1234);
  propose.set_expected_epoch(5);
  propose.set_no_forwarding(true);
  // What is decoded points into the bytes.
  const std::string propose_bytes = propose.SerializeAsString();
  StreamRequest request;
  REQUIRE(DecodePropose(propose_bytes, &request).ok());
  REQUIRE(request.proposals.size() == 1);
  CHECK(EncodePropose(request.proposals[0], request.RecordsOf(request.proposals[0]), request.no_forwarding) ==
        propose_bytes);

  v1::QueryRequest query;
  query.set_query("q");
  query.set_timeout_ms(9);
  const std::string query_bytes = query.SerializeAsString();
  WireRead read;
  REQUIRE(DecodeRead(query_bytes, &read).ok());
  CHECK(EncodeRead(read) == query_bytes);

  v1::ProposeResponse proposed;
  proposed.set_base_offset(INT64_MAX);
  proposed.set_epoch(3);
  proposed.add_results("x");
  proposed.add_results("");
  const absl::StatusOr<Proposed> decoded = DecodeProposed(proposed.SerializeAsString());
  REQUIRE(decoded.ok());
  CHECK(decoded->base_offset == Offset(INT64_MAX));
  CHECK(decoded->results == std::vector<std::string>{"x", ""});
  CHECK(EncodeProposed(*decoded) == proposed.SerializeAsString());

  v1::QueryResponse answer;
  answer.set_offset(12);
  answer.set_answer("forty-two");
  const absl::StatusOr<ReadAnswer> known = DecodeAnswer(answer.SerializeAsString());
  REQUIRE(known.ok());
  CHECK(EncodeAnswer(known->offset, known->answer) == answer.SerializeAsString());
}

TEST_CASE("A stream's answers agree with protobuf, and errors arrive whole") {
  StatusDetail detail;
  detail.reason = Reason::kNotLeader;
  detail.outcome = Outcome::kNotApplied;
  detail.leader = LeaderHint{NodeId(2), Epoch(9), {"C", "host-2", 9093}};
  const absl::Status refused = MakeError(detail, "not here");
  const std::vector<std::string> results = {"one", ""};
  std::string bytes;
  AppendStreamProposed(5, Offset(100), Epoch(9), results, &bytes);
  AppendStreamFailed(6, EncodeStatus(refused), &bytes);
  AppendStreamAnswer(7, Offset(101), "here", &bytes);
  AppendStreamReadFailed(8, EncodeStatus(refused), &bytes);

  v1::StreamResponse parsed;
  REQUIRE(parsed.ParseFromString(bytes));
  CHECK(parsed.SerializeAsString() == bytes);
  CHECK(parsed.proposed(0).results_size() == 2);
  CHECK(parsed.answers(0).answer() == "here");

  StreamResponse read;
  REQUIRE(DecodeStreamResponse(bytes, &read).ok());
  REQUIRE(read.proposed.size() == 2);
  REQUIRE(read.answers.size() == 2);
  CHECK(read.proposed[0].status.ok());
  CHECK(Texts(read.ResultsOf(read.proposed[0])) == results);
  CHECK(read.proposed[1].status == refused);
  CHECK(LeaderHintFrom(read.proposed[1].status) == detail.leader);
  CHECK(read.answers[0].answer == "here");
  CHECK(read.answers[1].status == refused);
}

TEST_CASE("Bytes that are no message are refused whole") {
  const std::string good = SomeRequest().SerializeAsString();
  StreamRequest request;
  int refused = 0;
  for (size_t length = 0; length < good.size(); ++length) {
    refused += DecodeStreamRequest(absl::string_view(good).substr(0, length), &request).ok() ? 0 : 1;
  }
  // Only cuts between two fields leave a message; there are seven fields.
  CHECK(refused == static_cast<int>(good.size()) - 7);
  const std::vector<std::string> bad = {
      std::string("\x20\x01", 2),                                               // field 4
      std::string("\x08\x01", 2),                                               // a proposal that is a number
      std::string("\x0a\x02\x20\xff", 4),                                       // a varint that doesn't end
      std::string("\x0a\x0c\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 13),  // an epoch of -1
      std::string("\x18\x02", 2),                                               // a bool that is 2
      std::string("\x0a\xff\xff\xff\xff\x0f", 6),                               // a length beyond the end
      std::string("\x00\x00", 2),                                               // field 0
      std::string("\x0b\x0c", 2),                                               // a group
  };
  for (const std::string& bytes : bad) {
    const absl::Status status = DecodeStreamRequest(bytes, &request);
    CHECK(ReasonOf(status) == Reason::kInvalidArgument);
    CHECK(OutcomeOf(status) == Outcome::kNotApplied);
  }
}

TEST_CASE("M-31: an answer that can't be read says nothing about what was applied") {
  StreamResponse response;
  CHECK(OutcomeOf(DecodeStreamResponse("\x20\x01", &response)) == Outcome::kUnknown);
  CHECK(OutcomeOf(DecodeProposed("\x0a").status()) == Outcome::kUnknown);
  CHECK(OutcomeOf(DecodeAnswer("\x0a").status()) == Outcome::kUnknown);
  // An error that says OK, and one that can't be read, stay errors.
  for (const std::string& status : {EncodeStatus(absl::OkStatus()), std::string("?")}) {
    std::string bytes;
    AppendStreamFailed(1, status, &bytes);
    REQUIRE(DecodeStreamResponse(bytes, &response).ok());
    REQUIRE(response.proposed.size() == 1);
    CHECK_FALSE(response.proposed[0].status.ok());
    CHECK(OutcomeOf(response.proposed[0].status) == Outcome::kUnknown);
  }
}

TEST_CASE("F-X04: a message holds no more proposals than its limit") {
  std::string bytes;
  const absl::string_view record = "x";
  for (size_t i = 0; i < limits::kProposalsPerMessageMax; ++i) AppendStreamProposal({}, {&record, 1}, &bytes);
  StreamRequest request;
  CHECK(DecodeStreamRequest(bytes, &request).ok());
  AppendStreamRead({}, &bytes);
  CHECK(ReasonOf(DecodeStreamRequest(bytes, &request)) == Reason::kTooLarge);
}

TEST_CASE("Varints are read as long as they may be, and no longer") {
  std::string bytes;
  AppendVarint(UINT64_MAX, &bytes);
  CHECK(bytes.size() == 10);
  CHECK(VarintSize(UINT64_MAX) == 10);
  WireReader whole(bytes);
  CHECK(whole.TakeVarint() == UINT64_MAX);
  CHECK(whole.ok());
  bytes.back() = '\x02';  // a 65th bit
  WireReader wide(bytes);
  wide.TakeVarint();
  CHECK_FALSE(wide.ok());
}

}  // namespace
}  // namespace quorate::service
