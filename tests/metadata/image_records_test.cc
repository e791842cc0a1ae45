#include "metadata/image_records.h"

#include <random>
#include <string>
#include <vector>

#include "metadata/image_builder.h"
#include "metadata/record_codec.h"
#include "support/catch.h"

namespace quorate::metadata {
namespace {

std::vector<std::string> Write(const MetadataImage& image) {
  std::vector<std::string> bytes;
  ForEachRecord(image, [&bytes](const Record& record) {
    bytes.push_back(EncodeRecord(record));
    return true;
  });
  return bytes;
}

MetadataImagePtr Load(const std::vector<std::string>& bytes) {
  ImageBuilder builder(MetadataImage::Empty());
  for (const std::string& record : bytes) REQUIRE(builder.Replay(*DecodeRecord(record)).ok());
  return std::move(builder).Build({Offset(1), Epoch(1)}).image;
}

// Topics come and go, so that slots and extents differ from those of a freshly loaded image.
MetadataImagePtr Churned(uint64_t seed) {
  std::mt19937_64 random(seed);
  ImageBuilder builder(MetadataImage::Empty());
  REQUIRE(builder.Replay(FeatureLevelRecord{"a.feature", 3}).ok());
  REQUIRE(builder.Replay(FeatureLevelRecord{"metadata.version", 25}).ok());
  for (int id = 0; id < 6; ++id) {
    BrokerInfo broker;
    broker.id = NodeId(5 - id);
    broker.epoch = BrokerEpoch(id);
    broker.fenced = id % 2 == 0;
    REQUIRE(builder.Replay(RegisterBrokerRecord{broker}).ok());
  }
  std::vector<TopicId> live;
  for (uint64_t n = 1; n < 150; ++n) {
    if (live.size() > 3 && random() % 3 == 0) {
      std::swap(live[random() % live.size()], live.back());
      REQUIRE(builder.Replay(RemoveTopicRecord{live.back()}).ok());
      live.pop_back();
      continue;
    }
    const TopicId id(Uuid(random(), n));
    REQUIRE(builder.Replay(TopicRecord{id, "topic." + std::to_string(random())}).ok());
    live.push_back(id);
    const int32_t count = static_cast<int32_t>(random() % 70) + 1;
    for (int32_t p = 0; p < count; ++p) {
      PartitionInfo info;
      const int first = static_cast<int>(random() % 6);
      for (int i = 0; i < 3; ++i) info.replicas.push_back(NodeId((first + i) % 6));
      info.isr = {info.replicas[0], info.replicas[2]};
      info.leader = random() % 4 == 0 ? kNoNode : info.isr[1];
      info.leader_epoch = static_cast<int32_t>(random() % 9);
      info.partition_epoch = static_cast<int32_t>(random() % 90);
      REQUIRE(builder.Replay(PartitionRecord{{id, p}, info}).ok());
    }
  }
  return std::move(builder).Build({Offset(9), Epoch(2)}).image;
}

TEST_CASE("I-18: loading what was written gives the image back, and writing that the same bytes") {
  const uint64_t seed = GENERATE(range(1, 9));
  const MetadataImagePtr image = Churned(seed);
  const std::vector<std::string> written = Write(*image);
  CHECK(std::get<FeatureLevelRecord>(*DecodeRecord(written.front())).name == kMetadataVersionFeature);
  const MetadataImagePtr loaded = Load(written);
  CHECK(loaded->digest() == image->digest());
  CHECK(loaded->partition_count() == image->partition_count());
  CHECK(Write(*loaded) == written);
}

TEST_CASE("writing stops where the writer says so") {
  const MetadataImagePtr image = Churned(1);
  const size_t all = Write(*image).size();
  for (size_t limit : {size_t{1}, size_t{2}, size_t{5}, size_t{9}, size_t{200}}) {
    size_t seen = 0;
    ForEachRecord(*image, [&](const Record&) { return ++seen < limit; });
    CHECK(seen == std::min(limit, all));
  }
}

}  // namespace
}  // namespace quorate::metadata
