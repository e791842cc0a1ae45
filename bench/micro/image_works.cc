// Metadata images: what applying a record costs in a cluster that is not small.
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "metadata/image_builder.h"
#include "work.h"

namespace quorate::bench {
namespace {

constexpr int kBrokers = 100;
constexpr int kTopics = 1000;
constexpr int kPartitions = 100;

TopicId Topic(int n) { return TopicId(Uuid(static_cast<uint64_t>(n) * 0x9e3779b97f4a7c15, static_cast<uint64_t>(n))); }

PartitionInfo OnThree(int first) {
  PartitionInfo info;
  for (int i : {0, 37, 71}) info.replicas.push_back(NodeId((first + i) % kBrokers));
  info.isr = info.replicas;
  info.leader = info.replicas[0];
  return info;
}

absl::Status CreateTopic(metadata::ImageBuilder& builder, int topic, int partitions) {
  absl::Status status = builder.Replay(metadata::TopicRecord{Topic(topic), absl::StrCat("service.topic-", topic)});
  for (int p = 0; p < partitions && status.ok(); ++p) {
    status = builder.Replay(metadata::PartitionRecord{{Topic(topic), p}, OnThree(topic * 7 + p * 13)});
  }
  return status;
}

absl::StatusOr<MetadataImagePtr> HundredThousandPartitions() {
  metadata::ImageBuilder builder(MetadataImage::Empty(), metadata::ImageBuilder::Delta::kNone);
  for (int t = 1; t <= kTopics; ++t) {
    if (absl::Status status = CreateTopic(builder, t, kPartitions); !status.ok()) return status;
  }
  return std::move(builder).Build({Offset(1), Epoch(1)}).image;
}

// The leader of one partition moves to and fro, each time another partition's.
absl::StatusOr<std::unique_ptr<Work>> ChangePartition() {
  absl::StatusOr<MetadataImagePtr> image = HundredThousandPartitions();
  if (!image.ok()) return image.status();
  return Repeat([image = *std::move(image), n = int64_t{0}]() mutable {
    const PartitionId id{Topic(1 + static_cast<int>(n * 7919 % kTopics)), static_cast<int32_t>(n * 31 % kPartitions)};
    ++n;
    metadata::ImageBuilder builder(image);
    const std::optional<PartitionInfo> before = image->FindPartition(id.topic, id.partition);
    if (!before.has_value()) return absl::InternalError("a partition that was created isn't there");
    const NodeId next = before->leader == before->isr[0] ? before->isr[1] : before->isr[0];
    absl::Status status = builder.Replay(metadata::PartitionChangeRecord{id, {}, next, {}, {}});
    if (status.ok()) image = std::move(builder).Build({image->provenance().end + 1, Epoch(1)}).image;
    return status;
  });
}

// A topic of ten partitions comes, and goes by being forgotten: nothing grows while it is measured.
absl::StatusOr<std::unique_ptr<Work>> AddTopic() {
  absl::StatusOr<MetadataImagePtr> image = HundredThousandPartitions();
  if (!image.ok()) return image.status();
  return Repeat([image = *std::move(image)] {
    metadata::ImageBuilder builder(image);
    absl::Status status = CreateTopic(builder, kTopics + 1, 10);
    if (status.ok()) Keep(std::move(builder).Build({Offset(2), Epoch(1)}));
    return status;
  });
}

}  // namespace

void AddImageWorks(std::vector<WorkSpec>& works) {
  works.push_back({"image_change", "in an image of 100,000 partitions one gets another leader", 200, 1,
                   [](const std::string&) { return ChangePartition(); }});
  works.push_back({"image_topic", "a topic with 10 partitions joins that image", 100, 1,
                   [](const std::string&) { return AddTopic(); }});
}

}  // namespace quorate::bench
