// Images into snapshots and back: the same image, the same bytes, and the same future (I-17, I-18).
#include "metadata/image_snapshot.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "metadata/image_builder.h"
#include "metadata/record_codec.h"
#include "quorate/status.h"
#include "support/catch.h"

namespace quorate::metadata {
namespace {

constexpr LogPosition kPosition{Epoch(3), Offset(77)};

std::vector<std::string> Write(MetadataImagePtr image) {
  ImageSnapshotSource source(std::move(image));
  std::vector<std::string> written;
  while (true) {
    auto record = source.Next();
    REQUIRE(record.ok());
    if (!record->has_value()) return written;
    written.push_back(**std::move(record));
  }
}

class Recorded final : public SnapshotRecords {
 public:
  explicit Recorded(std::vector<std::string> records) : records_(std::move(records)) {}
  absl::StatusOr<std::optional<absl::string_view>> Next() override {
    if (next_ == fails_at) return absl::DataLossError("the disk says no");
    if (next_ == records_.size()) return std::optional<absl::string_view>();
    current_ = records_[next_++];  // a view must not outlive the next call
    return std::optional<absl::string_view>(current_);
  }
  size_t fails_at = SIZE_MAX;

 private:
  const std::vector<std::string> records_;
  std::string current_;
  size_t next_ = 0;
};

MetadataImagePtr Load(std::vector<std::string> written) {
  Recorded records(std::move(written));
  absl::StatusOr<MetadataImagePtr> image = LoadImage(records, kPosition);
  INFO(image.status().ToString());
  REQUIRE(image.ok());
  return *std::move(image);
}

// A log of everything that a controller writes, each record on top of those before it.
class RandomLog {
 public:
  explicit RandomLog(uint64_t seed) : random_(seed) {}

  Record Next() {
    const uint64_t dice = random_() % 20;
    if (dice == 0 || brokers_.empty()) return Register();
    if (dice == 1) return FeatureLevelRecord{"f." + std::to_string(random_() % 4), static_cast<int16_t>(random_() % 3)};
    if (dice == 2) {
      const auto& [id, epoch] = brokers_[random_() % brokers_.size()];
      return BrokerRegistrationChangeRecord{id, epoch, random_() % 2 == 0, random_() % 2 == 0};
    }
    if (dice == 3) return NoOpRecord{};
    if (dice == 4 && topics_.size() > 2) return Remove();
    if (dice < 7 || topics_.empty()) return Create();
    auto& [id, count] = topics_[random_() % topics_.size()];
    if (dice < 13 || count == 0) return PartitionRecord{{id, count++}, Partition()};
    PartitionChangeRecord change;
    change.id = {id, static_cast<int32_t>(random_() % static_cast<uint64_t>(count))};
    if (random_() % 2 == 0) {
      change.leader = kNoNode;
    } else {
      change.replicas = change.isr = Partition().replicas;
      change.leader = change.replicas->front();
      change.recovery = LeaderRecoveryState::kRecovering;
    }
    return change;
  }

 private:
  Record Register() {
    BrokerInfo broker;
    broker.id = NodeId(static_cast<int32_t>(random_() % 9));
    broker.epoch = BrokerEpoch(++epoch_);
    broker.incarnation = IncarnationId(Uuid(random_(), 7));
    broker.endpoints = {{{"PLAINTEXT", "host", 9092}, SecurityProtocol::kPlaintext}};
    broker.log_dirs = {DirectoryId(Uuid(random_(), 8))};
    if (random_() % 2 == 0) broker.rack = "r" + std::to_string(random_() % 3);
    std::erase_if(brokers_, [&](const auto& known) { return known.first == broker.id; });
    brokers_.emplace_back(broker.id, broker.epoch);
    return RegisterBrokerRecord{broker};
  }
  Record Create() {
    const TopicId id(Uuid(random_(), 9));
    topics_.emplace_back(id, 0);
    return TopicRecord{id, "t." + std::to_string(random_())};
  }
  Record Remove() {
    std::swap(topics_[random_() % topics_.size()], topics_.back());
    const TopicId id = topics_.back().first;
    topics_.pop_back();
    return RemoveTopicRecord{id};
  }
  PartitionInfo Partition() {
    PartitionInfo info;
    const int first = static_cast<int>(random_() % 9);
    for (int i = 0; i < 3; ++i) info.replicas.push_back(NodeId((first + i) % 9));
    info.isr = {info.replicas[1], info.replicas[2]};
    info.leader = info.isr[0];
    info.leader_epoch = static_cast<int32_t>(random_() % 100);
    info.partition_epoch = static_cast<int32_t>(random_() % 100);
    return info;
  }

  std::mt19937_64 random_;
  int64_t epoch_ = 0;
  std::vector<std::pair<NodeId, BrokerEpoch>> brokers_;
  std::vector<std::pair<TopicId, int32_t>> topics_;
};

MetadataImagePtr Replay(const MetadataImagePtr& base, const std::vector<Record>& log, size_t from, size_t to) {
  ImageBuilder builder(base);
  for (size_t i = from; i < to; ++i) REQUIRE(builder.Replay(log[i]).ok());
  return std::move(builder).Build({kPosition.end, kPosition.epoch}).image;
}

TEST_CASE("I-17, I-18: load(snapshot) is replay, with the same future, and writes the same bytes") {
  const uint64_t seed = GENERATE(range(1, 13));
  INFO("seed " << seed);
  RandomLog source(seed);
  std::vector<Record> log;
  for (int i = 0; i < 1500; ++i) log.push_back(source.Next());
  for (const size_t cut : {size_t{0}, size_t{1}, size_t{13}, size_t{400}, size_t{1499}, size_t{1500}}) {
    const MetadataImagePtr replayed = Replay(MetadataImage::Empty(), log, 0, cut);
    const std::vector<std::string> written = Write(replayed);
    const MetadataImagePtr loaded = Load(written);
    CHECK(loaded->digest() == replayed->digest());
    CHECK(loaded->provenance() == MetadataProvenance{kPosition.end, kPosition.epoch});
    CHECK(Write(loaded) == written);
    // Slots and extents differ between the two; nothing that anybody sees may.
    const MetadataImagePtr later = Replay(replayed, log, cut, log.size());
    const MetadataImagePtr later_from_loaded = Replay(loaded, log, cut, log.size());
    CHECK(later->digest() == later_from_loaded->digest());
    CHECK(later->partition_count() == later_from_loaded->partition_count());
    CHECK(later->leaderless_count() == later_from_loaded->leaderless_count());
    for (int32_t id = 0; id < 9; ++id) {
      CHECK(later->ReplicaCount(NodeId(id)) == later_from_loaded->ReplicaCount(NodeId(id)));
      CHECK(later->IsrCount(NodeId(id)) == later_from_loaded->IsrCount(NodeId(id)));
      CHECK(later->LeaderCount(NodeId(id)) == later_from_loaded->LeaderCount(NodeId(id)));
    }
    CHECK(Write(later) == Write(later_from_loaded));
  }
}

TEST_CASE("A snapshot shows the moment of its capture, whatever is made of the image meanwhile") {
  RandomLog source(5);
  std::vector<Record> log;
  for (int i = 0; i < 600; ++i) log.push_back(source.Next());
  MetadataImagePtr image = Replay(MetadataImage::Empty(), log, 0, 500);
  const std::vector<std::string> expected = Write(image);
  ImageSnapshotSource captured(image);
  std::vector<std::string> written;
  for (size_t i = 500;; ++i) {
    auto record = captured.Next();
    REQUIRE(record.ok());
    if (!record->has_value()) break;
    written.push_back(**std::move(record));
    if (i < log.size()) image = Replay(image, log, i, i + 1);
  }
  CHECK(written == expected);
}

TEST_CASE("F-P12: a snapshot with a record that doesn't belong there is refused, with its number") {
  RandomLog source(3);
  std::vector<Record> log;
  for (int i = 0; i < 50; ++i) log.push_back(source.Next());
  std::vector<std::string> written = Write(Replay(MetadataImage::Empty(), log, 0, log.size()));
  REQUIRE(written.size() > 5);
  std::string bad;
  SECTION("a change") { bad = EncodeRecord(PartitionChangeRecord{{TopicId(Uuid(1, 2)), 0}, {}, kNoNode, {}, {}}); }
  SECTION("nothing") { bad = EncodeRecord(NoOpRecord{}); }
  SECTION("garbage") { bad = "not a record"; }
  SECTION("the same topic again") {
    for (const std::string& record : written) {
      if (std::holds_alternative<TopicRecord>(*DecodeRecord(record))) bad = record;
    }
  }
  REQUIRE_FALSE(bad.empty());
  written.push_back(bad);
  const size_t number = written.size() - 1;
  Recorded records(written);
  const absl::Status status = LoadImage(records, kPosition).status();
  CHECK(ReasonOf(status) == Reason::kCorruption);
  CHECK_THAT(std::string(status.message()),
             Catch::Matchers::Contains("record " + std::to_string(number) + " of the snapshot at offset 77"));
}

TEST_CASE("F-H07: what the reader says about the disk is what the loader says") {
  Recorded records({EncodeRecord(FeatureLevelRecord{"metadata.version", 25}), "never read"});
  records.fails_at = 1;
  CHECK(LoadImage(records, kPosition).status() == absl::DataLossError("the disk says no"));
}

}  // namespace
}  // namespace quorate::metadata
