// Two million partitions: what they weigh and what a change costs. Memory is what the allocator has
// handed out, so that the figures don't depend on the machine; where the allocator doesn't say (under a
// sanitizer) only the behaviour is checked. docs/metadata.md quotes the figures.
#include <malloc.h>

#include <cstdint>
#include <string>
#include <utility>

#include "metadata/image_builder.h"
#include "support/catch.h"

namespace quorate::metadata {
namespace {

int64_t LiveBytes() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<int64_t>(info.uordblks + info.hblkhd);
}

constexpr int kBrokers = 100;

TopicId Topic(int n) { return TopicId(Uuid(static_cast<uint64_t>(n) * 0x9e3779b97f4a7c15, static_cast<uint64_t>(n))); }

PartitionInfo OnThree(int first) {
  PartitionInfo info;
  for (int i : {0, 37, 71}) info.replicas.push_back(NodeId((first + i) % kBrokers));
  info.isr = info.replicas;
  info.leader = info.replicas[0];
  return info;
}

MetadataImagePtr Build(int topics, int partitions) {
  ImageBuilder builder(MetadataImage::Empty());
  for (int t = 1; t <= topics; ++t) {
    bool ok = builder.Replay(TopicRecord{Topic(t), "service.topic-" + std::to_string(t)}).ok();
    for (int p = 0; p < partitions; ++p)
      ok = ok && builder.Replay(PartitionRecord{{Topic(t), p}, OnThree(t * 7 + p * 13)}).ok();
    REQUIRE(ok);
  }
  return std::move(builder).Build({Offset(1), Epoch(1)}).image;
}

TEST_CASE("two million partitions with three replicas each, and what changing some costs") {
  const int64_t before = LiveBytes();
  const MetadataImagePtr image = Build(20, 100'000);
  REQUIRE(image->partition_count() == 2'000'000);
  const int64_t total = LiveBytes() - before;
  const bool counted = total > 0;
  const double per_partition = static_cast<double>(total) / 2e6;
  INFO("bytes per partition: " << per_partition);
  if (counted) CHECK(per_partition < 64);

  // One partition: a leaf here, a branch there.
  int64_t mark = LiveBytes();
  ImageBuilder one(image);
  REQUIRE(one.Replay(PartitionChangeRecord{{Topic(7), 500}, {}, kNoNode, {}, {}}).ok());
  const BuiltImage changed = std::move(one).Build({Offset(2), Epoch(1)});
  const int64_t single = LiveBytes() - mark;
  INFO("bytes for one change: " << single);
  if (counted) CHECK(single < 64 << 10);
  CHECK(changed.image->leaderless_count() == 1);
  CHECK(image->leaderless_count() == 0);

  // All that one broker leads: a hundredth of everything. Its leaves are spread over the whole vector, so
  // the new image may copy every leaf that holds one, and no more than those.
  mark = LiveBytes();
  ImageBuilder fence(image);
  size_t moved = 0;
  bool ok = true;
  image->ForEachLedBy(NodeId(42), [&](const PartitionId& id, const PartitionInfo& info) {
    ++moved;
    const ReplicaList isr = {info.replicas[1], info.replicas[2]};
    ok = fence.Replay(PartitionChangeRecord{id, isr, isr[0], {}, {}}).ok();
    return ok;
  });
  REQUIRE(ok);
  CHECK(moved == 20'000);
  const BuiltImage fenced = std::move(fence).Build({Offset(3), Epoch(1)});
  const int64_t spread = LiveBytes() - mark;
  INFO("bytes for " << moved << " changes: " << spread);
  if (counted) CHECK(spread < static_cast<int64_t>(moved) * 4096);
  CHECK(fenced.image->LeaderCount(NodeId(42)) == 0);
  CHECK(fenced.image->IsrCount(NodeId(42)) == image->IsrCount(NodeId(42)) - moved);
  CHECK(fenced.delta.partitions.size() == moved);
  CHECK(image->LeaderCount(NodeId(42)) == 20'000);
}

TEST_CASE("topics of one partition each stay affordable") {
  const int64_t before = LiveBytes();
  const MetadataImagePtr image = Build(200'000, 1);
  const int64_t total = LiveBytes() - before;
  const double per_topic = static_cast<double>(total) / 2e5;
  INFO("bytes per topic with one partition: " << per_topic);
  if (total > 0) CHECK(per_topic < 320);
  CHECK(image->topic_count() == 200'000);
}

}  // namespace
}  // namespace quorate::metadata
