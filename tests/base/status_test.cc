#include "quorate/status.h"

#include "support/catch.h"

namespace quorate {
namespace {

absl::Status NotLeader() {
  StatusDetail detail;
  detail.reason = Reason::kNotLeader;
  detail.outcome = Outcome::kNotApplied;
  detail.leader = LeaderHint{NodeId(2), Epoch(9), {"CONTROLLER", "localhost", 19093}};
  return MakeError(detail, "node 1 doesn't lead; node 2 does");
}

TEST_CASE("a status carries its reason, outcome and leader", "[base][status]") {
  const absl::Status status = NotLeader();
  CHECK(ReasonOf(status) == Reason::kNotLeader);
  CHECK(OutcomeOf(status) == Outcome::kNotApplied);
  REQUIRE(LeaderHintFrom(status).has_value());
  CHECK(LeaderHintFrom(status)->endpoint.Address() == "localhost:19093");
  CHECK(IsRetriable(status));
}

TEST_CASE("nothing is promised about a status that isn't ours", "[base][status]") {
  CHECK(OutcomeOf(absl::InternalError("?")) == Outcome::kUnknown);
  CHECK_FALSE(DetailOf(absl::InternalError("?")).has_value());
}

TEST_CASE("a status survives the wire", "[base][status]") {
  for (const absl::Status& status :
       {NotLeader(), MakeKafkaError(36, "Topic 'a' already exists."), absl::OkStatus(), absl::InternalError("plain")}) {
    const absl::Status again = DecodeStatus(EncodeStatus(status));
    CHECK(again == status);
    CHECK(DetailOf(again) == DetailOf(status));
  }
}

TEST_CASE("a damaged status is an error of its own, whatever the damage", "[base][status]") {
  const std::string good = EncodeStatus(NotLeader());
  for (size_t length = 0; length < good.size(); ++length) {
    CHECK_FALSE(DecodeStatus(absl::string_view(good).substr(0, length)).ok());
  }
  std::string bad = good;
  bad[0] = 99;
  CHECK(ReasonOf(DecodeStatus(bad)) == Reason::kCorruption);
  CHECK_FALSE(DecodeStatus(good + "x").ok());
}

TEST_CASE("Kafka's refusals keep their number and get a fitting code", "[base][status]") {
  const absl::Status exists = MakeKafkaError(36, "Topic 'a' already exists.");
  CHECK(KafkaErrorOf(exists) == 36);
  CHECK(exists.code() == absl::StatusCode::kAlreadyExists);
  CHECK(KafkaErrorName(38) == "INVALID_REPLICATION_FACTOR");
  CHECK(MakeKafkaError(3, "").code() == absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace quorate
