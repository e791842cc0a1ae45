// What the ISR keeper proposes, and what it makes of each answer of the controller.
#include "broker/isr_keeper.h"

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "metadata/image_builder.h"
#include "metadata/records.h"
#include "quorate/status.h"
#include "quorate/testing/manual_executor.h"
#include "support/catch.h"

namespace quorate::broker {
namespace {

using metadata::BrokerRegistrationChangeRecord;
using metadata::PartitionChangeRecord;
using metadata::Record;
using quorate::testing::ManualClock;
using quorate::testing::ManualExecutor;

const TopicId kTopic(Uuid(7, 7));

class ScriptedChannel : public ControllerChannel {
 public:
  struct Asked {
    IsrChangeRequest request;
    ChannelDone<IsrChangeReply> done;
  };
  void Register(Registration, absl::Duration, ChannelDone<BrokerEpoch> done) override {
    std::move(done)(absl::UnimplementedError("not part of this"));
  }
  void SendHeartbeat(Heartbeat, absl::Duration, ChannelDone<HeartbeatReply> done) override {
    std::move(done)(absl::UnimplementedError("not part of this"));
  }
  void AlterPartition(IsrChangeRequest request, absl::Duration, ChannelDone<IsrChangeReply> done) override {
    open.push_back({std::move(request), std::move(done)});
  }
  std::deque<Asked> open;
};

// Broker 1 leads partition 0 of three; only brokers 1 and 2 are in its ISR, broker 3 is fenced.
struct Fixture {
  Fixture() {
    keeper = IsrKeeper::Make(NodeId(1), &clock, &executor, &channel, absl::Seconds(1), nullptr);
    std::vector<Record> records;
    for (int32_t id : {1, 2, 3}) {
      metadata::RegisterBrokerRecord record;
      record.broker.id = NodeId(id);
      record.broker.epoch = BrokerEpoch(id * 10);
      record.broker.incarnation = IncarnationId(Uuid(1, static_cast<uint64_t>(id)));
      record.broker.fenced = id == 3;
      records.push_back(record);
    }
    records.push_back(metadata::TopicRecord{kTopic, "orders"});
    records.push_back(Partition(0));
    Apply(records);
    keeper->SetBrokerEpoch(BrokerEpoch(10));
    executor.RunUntilIdle();
  }
  ~Fixture() {
    keeper->Stop();
    executor.RunUntilIdle();
    for (auto& asked : channel.open) std::move(asked.done)(absl::CancelledError("the test is over"));
    executor.RunUntilIdle();
  }

  static metadata::PartitionRecord Partition(int32_t index) {
    metadata::PartitionRecord record;
    record.id = {kTopic, index};
    record.info.replicas = {NodeId(1), NodeId(2), NodeId(3)};
    record.info.isr = {NodeId(1), NodeId(2)};
    record.info.leader = NodeId(1);
    return record;
  }

  void Apply(const std::vector<Record>& records) {
    metadata::ImageBuilder builder(image);
    for (const Record& record : records) {
      const absl::Status status = builder.Replay(record);
      INFO(status.ToString());
      REQUIRE(status.ok());
    }
    end += static_cast<int64_t>(records.size());
    metadata::BuiltImage built = std::move(builder).Build({end, Epoch(1)});
    image = built.image;
    keeper->OnMetadata(built.image, built.delta);
    executor.RunUntilIdle();
  }

  void SetFenced(int32_t id, bool fenced) {
    BrokerRegistrationChangeRecord record;
    record.broker = NodeId(id);
    record.epoch = BrokerEpoch(id * 10);
    record.fenced = fenced;
    Apply({record});
  }

  // The proposal was accepted: its record arrives.
  void ApplyIsr(std::initializer_list<int32_t> isr, int32_t partition = 0) {
    PartitionChangeRecord record;
    record.id = {kTopic, partition};
    record.isr.emplace();
    for (int32_t id : isr) record.isr->push_back(NodeId(id));
    Apply({record});
  }

  ScriptedChannel::Asked Next(absl::Duration within = absl::ZeroDuration()) {
    REQUIRE(executor.RunUntilTrue([&] { return !channel.open.empty(); }, within));
    ScriptedChannel::Asked asked = std::move(channel.open.front());
    channel.open.pop_front();
    return asked;
  }
  bool NothingWithin(absl::Duration span) {
    return !executor.RunUntilTrue([&] { return !channel.open.empty(); }, span);
  }

  static IsrChangeReply Answer(const IsrChangeRequest& request, int16_t error) {
    IsrChangeReply reply;
    for (const IsrChange& change : request.changes) reply.outcomes.push_back({change.id, error, ""});
    return reply;
  }

  ManualClock clock;
  ManualExecutor executor{&clock};
  ScriptedChannel channel;
  std::shared_ptr<IsrKeeper> keeper;
  MetadataImagePtr image = MetadataImage::Empty();
  Offset end;
};

TEST_CASE("A replica whose broker is unfenced is proposed at once, with all epochs") {
  Fixture f;
  CHECK(f.NothingWithin(absl::Seconds(10)));
  f.SetFenced(3, false);
  auto asked = f.Next();
  CHECK(asked.request.broker == NodeId(1));
  CHECK(asked.request.epoch == BrokerEpoch(10));
  REQUIRE(asked.request.changes.size() == 1);
  const IsrChange& change = asked.request.changes[0];
  CHECK(change.id == PartitionId{kTopic, 0});
  const auto partition = f.image->FindPartition(kTopic, 0);
  CHECK(change.leader_epoch == partition->leader_epoch);
  CHECK(change.partition_epoch == partition->partition_epoch);
  REQUIRE(change.isr.size() == 3);
  CHECK(change.isr[2].broker == NodeId(3));
  CHECK(change.isr[2].epoch == BrokerEpoch(30));
  std::move(asked.done)(Fixture::Answer(asked.request, 0));
  f.ApplyIsr({1, 2, 3});
  CHECK(f.NothingWithin(absl::Seconds(10)));
}

TEST_CASE("Nothing is proposed without a registration, for other leaders' partitions, or for a leaving replica") {
  SECTION("no registration") {
    Fixture f;
    f.keeper->SetBrokerEpoch(kNoBrokerEpoch);
    f.SetFenced(3, false);
    CHECK(f.NothingWithin(absl::Seconds(10)));
    f.keeper->SetBrokerEpoch(BrokerEpoch(99));
    CHECK(f.Next().request.epoch == BrokerEpoch(99));
  }
  SECTION("another leader") {
    Fixture f;
    PartitionChangeRecord moved;
    moved.id = {kTopic, 0};
    moved.leader = NodeId(2);
    f.Apply({moved});
    f.SetFenced(3, false);
    CHECK(f.NothingWithin(absl::Seconds(10)));
  }
  SECTION("leaving replica") {
    Fixture f;
    BrokerRegistrationChangeRecord leaving;
    leaving.broker = NodeId(3);
    leaving.epoch = BrokerEpoch(30);
    leaving.fenced = false;
    leaving.in_controlled_shutdown = true;
    f.Apply({leaving});
    CHECK(f.NothingWithin(absl::Seconds(10)));
  }
}

TEST_CASE("A leader that was elected uncleanly says that it has recovered, even if the ISR stays as it is") {
  Fixture f;
  PartitionChangeRecord recovering;
  recovering.id = {kTopic, 0};
  recovering.isr = ReplicaList{NodeId(1)};
  recovering.leader = NodeId(1);
  recovering.recovery = LeaderRecoveryState::kRecovering;
  f.SetFenced(2, true);
  f.Apply({recovering});
  auto asked = f.Next();
  REQUIRE(asked.request.changes.size() == 1);
  CHECK(asked.request.changes[0].recovery == LeaderRecoveryState::kRecovered);
  CHECK(asked.request.changes[0].isr.size() == 1);
  std::move(asked.done)(Fixture::Answer(asked.request, 0));
}

TEST_CASE("F-B05: a refused proposal is made again from the next image, or after a pause") {
  for (const int16_t error : {int16_t{41}, int16_t{42}, int16_t{74}, int16_t{95}, int16_t{107}}) {
    INFO(error);
    Fixture f;
    f.SetFenced(3, false);
    auto first = f.Next();
    std::move(first.done)(Fixture::Answer(first.request, error));
    f.executor.RunUntilIdle();
    CHECK(f.channel.open.empty());
    SECTION("pause") {
      const Instant before = f.clock.Now();
      auto second = f.Next(absl::Seconds(1));
      CHECK(f.clock.Now() - before == absl::Milliseconds(50));
      std::move(second.done)(Fixture::Answer(second.request, error));
      CHECK(f.NothingWithin(absl::Milliseconds(99)));
      CHECK_FALSE(f.NothingWithin(absl::Milliseconds(1)));
    }
    SECTION("next image") {
      PartitionChangeRecord change;
      change.id = {kTopic, 0};
      change.leader = NodeId(1);
      f.Apply({change});
      auto second = f.Next();
      CHECK(second.request.changes[0].leader_epoch == first.request.changes[0].leader_epoch + 1);
      std::move(second.done)(Fixture::Answer(second.request, 0));
    }
    SECTION("the reason is gone") {
      f.SetFenced(3, true);
      CHECK(f.NothingWithin(absl::Seconds(10)));
    }
  }
}

TEST_CASE(
    "A deleted partition is forgotten; a lost request is made again; a stale registration waits for the new one") {
  Fixture f;
  f.SetFenced(3, false);
  auto asked = f.Next();
  SECTION("deleted") {
    std::move(asked.done)(Fixture::Answer(asked.request, 100));
    CHECK(f.NothingWithin(absl::Seconds(10)));
  }
  SECTION("lost") {
    std::move(asked.done)(MakeError(Reason::kDeadlineExceeded, Outcome::kUnknown, "no answer"));
    CHECK(f.Next(absl::Milliseconds(50)).request.changes.size() == 1);
  }
  SECTION("controller changed") {
    std::move(asked.done)(MakeError(Reason::kNoLeader, Outcome::kNotApplied, "nobody leads"));
    f.executor.RunUntilIdle();
    f.keeper->OnControllerChanged();
    CHECK(f.Next().request.changes.size() == 1);
  }
  SECTION("stale") {
    std::move(asked.done)(MakeKafkaError(77, "stale"));
    CHECK(f.NothingWithin(absl::Seconds(10)));
    f.keeper->SetBrokerEpoch(BrokerEpoch(70));
    CHECK(f.Next().request.epoch == BrokerEpoch(70));
  }
  SECTION("an answer that doesn't fit is a failure") {
    std::move(asked.done)(IsrChangeReply{});
    CHECK(f.Next(absl::Milliseconds(50)).request.changes.size() == 1);
  }
}

TEST_CASE("Many partitions go in several requests, one at a time") {
  Fixture f;
  std::vector<Record> more;
  for (int32_t index = 1; index < 2500; ++index) more.push_back(Fixture::Partition(index));
  f.Apply(more);
  f.SetFenced(3, false);
  size_t total = 0;
  for (int request = 0; request < 3; ++request) {
    auto asked = f.Next();
    CHECK(f.channel.open.empty());
    CHECK(asked.request.changes.size() <= IsrKeeper::kChangesPerRequest);
    total += asked.request.changes.size();
    std::move(asked.done)(Fixture::Answer(asked.request, 0));
  }
  CHECK(total == 2500);
  CHECK(f.NothingWithin(absl::Seconds(1)));
}

}  // namespace
}  // namespace quorate::broker
