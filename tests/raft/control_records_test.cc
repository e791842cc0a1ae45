#include "raft/control_records.h"

#include "absl/strings/match.h"
#include "base/xoshiro.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "raft/one_core.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

VotersRecord SomeVoters() {
  VotersRecord record;
  for (int id = 1; id <= 3; ++id) {
    record.voters.push_back(
        Voter{OneCore::Key(id), {OneCore::Address(id), Endpoint{"OTHER", "2001:db8::1", 65535}}, 0, 1});
  }
  return record;
}

std::vector<ControlRecord> Samples() {
  return {LeaderChange{NodeId(2), {OneCore::Key(1), OneCore::Key(2)}, {OneCore::Key(2)}},
          LeaderChange{NodeId(0), {}, {}}, KRaftVersion{1}, SomeVoters()};
}

TEST_CASE("control records survive encoding") {
  for (const ControlRecord& record : Samples()) {
    const auto decoded = DecodeControlRecord(EncodeControlRecord(record));
    REQUIRE(decoded.ok());
    CHECK(*decoded == record);
  }
}

TEST_CASE("a control record that is cut short or longer than itself is refused") {
  for (const ControlRecord& record : Samples()) {
    const std::string bytes = EncodeControlRecord(record);
    for (size_t length = 0; length < bytes.size(); ++length) {
      CHECK_FALSE(DecodeControlRecord(absl::string_view(bytes).substr(0, length)).ok());
    }
    CHECK_FALSE(DecodeControlRecord(bytes + '\0').ok());
  }
}

TEST_CASE("F-P12: unknown versions and types are refused, not skipped") {
  std::string bytes = EncodeControlRecord(KRaftVersion{1});
  bytes[0] = 1;
  CHECK(ReasonOf(DecodeControlRecord(bytes).status()) == Reason::kUnsupportedVersion);
  bytes[0] = 0;
  bytes[2] = 3;
  CHECK(ReasonOf(DecodeControlRecord(bytes).status()) == Reason::kUnsupportedVersion);
  CHECK(ReasonOf(DecodeControlRecord(bytes.substr(0, 3)).status()) == Reason::kCorruption);
}

// A control batch of one record that this build can't read, and what its message must say of it.
struct Foreign {
  std::string record;
  std::string says;
};
std::vector<Foreign> ForeignRecords() {
  std::string type = EncodeControlRecord(KRaftVersion{1});
  type[2] = 9;
  std::string version = EncodeControlRecord(SomeVoters());
  version[0] = 1;
  return {
      {type, "type 9, this build knows 2, 5 and 6"},
      {version, "version 1, this build reads version 0"},
      {EncodeControlRecord(KRaftVersion{2}), "kraft.version 2 is in force from here on, this build supports up to 1"}};
}
Batch ForeignBatch(int64_t base, int epoch, const std::string& record) {
  const absl::string_view view = record;
  return *Batch::Make({Offset(base), Epoch(epoch), BatchKind::kControl, OneCore::Cluster().value().low(), 0},
                      absl::MakeConstSpan(&view, 1));
}

TEST_CASE("F-P12: a follower that is sent a control record it doesn't know stops, with offset, type and remedy") {
  for (const Foreign& foreign : ForeignRecords()) {
    OneCore core({.log = OneCore::Log(0, 2, 1)});
    core.Follow(2, 1);
    core.Receive(
        core.From(2, core.Push({OneCore::Data(2, 1), ForeignBatch(3, 1, foreign.record), OneCore::Data(4, 1)}, 2)));
    INFO(foreign.says);
    REQUIRE(core.core->role() == ReplicaRole::kHalted);
    REQUIRE(core.halt.has_value());
    CHECK(ReasonOf(*core.halt) == Reason::kUnsupportedVersion);
    CHECK(absl::StrContains(core.halt->message(), foreign.says));
    CHECK(absl::StrContains(core.halt->message(), "offset 3 of epoch 1"));
    CHECK(absl::StrContains(core.halt->message(), "run that version on this node"));
    // What came before it is good; it, and what came behind it, isn't in the log.
    CHECK(core.core->log_end().end == Offset(3));
  }
}

TEST_CASE("F-P12: a log with a control record that this build doesn't know isn't opened") {
  for (const Foreign& foreign : ForeignRecords()) {
    Recovery recovery;
    REQUIRE(recovery.Visit(OneCore::Data(0, 1)).ok());
    const absl::Status visited = recovery.Visit(ForeignBatch(1, 2, foreign.record));
    CHECK(ReasonOf(visited) == Reason::kUnsupportedVersion);
    CHECK(absl::StrContains(visited.message(), foreign.says));
    CHECK(absl::StrContains(visited.message(), "offset 1 of epoch 2"));
    CHECK(absl::StrContains(visited.message(), "run that version on this node"));
  }
}

TEST_CASE("M-37: voter records with an id twice, none, negative ids or a senseless version range are refused") {
  const auto ok = [](const VotersRecord& record) { return DecodeControlRecord(EncodeControlRecord(record)).ok(); };
  VotersRecord record = SomeVoters();
  CHECK(ok(record));
  record.voters[1].key.id = record.voters[0].key.id;
  CHECK_FALSE(ok(record));
  record.voters[1].key.id = NodeId(-5);
  CHECK_FALSE(ok(record));
  CHECK_FALSE(ok(VotersRecord{}));
  record = SomeVoters();
  record.voters[0].kraft_version_min = 2;
  CHECK_FALSE(ok(record));
  record = SomeVoters();
  record.voters.resize(limits::kVotersMax + 1);
  for (size_t i = 0; i < record.voters.size(); ++i) record.voters[i].key.id = NodeId(static_cast<int32_t>(i));
  CHECK_FALSE(ok(record));
  record = SomeVoters();
  record.voters[0].endpoints[0].host = std::string(limits::kHostNameBytesMax + 1, 'h');
  CHECK_FALSE(ok(record));
}

TEST_CASE("random bytes never decode to something that encodes differently, nor crash") {
  Xoshiro random(11);
  const std::vector<ControlRecord> samples = Samples();
  for (int i = 0; i < 50'000; ++i) {
    std::string bytes = EncodeControlRecord(samples[random.Below(samples.size())]);
    for (uint64_t k = random.Below(4); k > 0; --k) bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
    if (random.Below(8) == 0) bytes.resize(random.Below(bytes.size() + 4));
    const auto decoded = DecodeControlRecord(bytes);
    if (decoded.ok()) REQUIRE(EncodeControlRecord(*decoded) == bytes);
  }
}

TEST_CASE("the first leader writes the configured voters into the log; a follower takes them from there") {
  OneCore one;
  one.Elect();
  REQUIRE(one.log.size() == 1);
  const Batch& batch = std::get<AppendLog>(one.log[0]).batch;
  CHECK(batch.kind() == BatchKind::kControl);
  const auto sets = VoterSetsIn(batch);
  REQUIRE(sets.ok());
  REQUIRE(sets->size() == 1);
  CHECK(sets->front().first == Offset(2));
  CHECK(sets->front().second.voters() == one.core->voters());

  OneCore joiner({.self = 9, .voters = {}, .may_vote = false});
  joiner.Follow(1, 1);
  joiner.Receive(joiner.From(1, joiner.Push({batch}, 3)));
  CHECK(joiner.core->voters() == one.core->voters());
  OneCore restarted({.voters = {5, 6}, .log = {batch}});  // the log wins over the configuration (F-N12)
  CHECK(restarted.core->voters() == one.core->voters());
}

TEST_CASE("M-33: truncating a voters record brings the set before it back") {
  VotersRecord larger = SomeVoters();
  larger.voters.push_back(Voter{OneCore::Key(4), {}, 0, 1});
  const std::string record = EncodeControlRecord(larger);
  const absl::string_view view = record;
  const Batch batch =
      *Batch::Make({Offset(0), Epoch(2), BatchKind::kControl, OneCore::Cluster().value().low(), 0}, {&view, 1});
  OneCore one;
  one.Follow(2, 2);
  one.Receive(one.From(2, one.Push({batch}, 0)));
  CHECK(one.core->voters().size() == 4);
  one.Follow(3, 3);
  FetchResponse diverging = one.Push({}, 0);
  diverging.diverging = LogPosition{Epoch(0), Offset(0)};
  one.Receive(one.From(3, diverging));
  CHECK(one.core->voters().size() == 3);
}

}  // namespace
}  // namespace quorate::raft
