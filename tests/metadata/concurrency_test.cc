// Readers check old images from scratch while newer ones, which share nearly all nodes with them, are
// written. A write that reaches a shared node shows as a wrong digest here, and as a race under TSan.
#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "metadata/image_builder.h"
#include "metadata/image_check.h"
#include "support/catch.h"

namespace quorate::metadata {
namespace {

TEST_CASE("images may be read by any thread while their successors are built") {
  ImageBuilder first(MetadataImage::Empty());
  for (int id = 0; id < 6; ++id) {
    BrokerInfo broker;
    broker.id = NodeId(id);
    broker.epoch = BrokerEpoch(id);
    broker.fenced = false;
    REQUIRE(first.Replay(RegisterBrokerRecord{broker}).ok());
  }
  const TopicId topic(Uuid(1, 1));
  REQUIRE(first.Replay(TopicRecord{topic, "busy"}).ok());
  for (int32_t p = 0; p < 300; ++p) {
    PartitionInfo info;
    for (int i = 0; i < 5; ++i) info.replicas.push_back(NodeId((p + i) % 6));  // five: more than fit in place
    info.isr = info.replicas;
    info.leader = info.replicas[0];
    REQUIRE(first.Replay(PartitionRecord{{topic, p}, info}).ok());
  }
  std::mutex mutex;
  MetadataImagePtr newest = std::move(first).Build({Offset(1), Epoch(1)}).image;
  auto load = [&] {
    std::lock_guard<std::mutex> lock(mutex);
    return newest;
  };
  std::atomic<bool> done = false;
  std::atomic<int> broken = 0;
  std::vector<std::thread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&] {
      bool last = false;
      while (!last) {
        last = done;  // once more after the end, so that each checks at least one image
        if (!CheckImage(*load()).ok()) ++broken;
      }
    });
  }
  bool ok = true;
  for (int step = 0; ok && step < 400; ++step) {
    const MetadataImagePtr base = load();
    ImageBuilder builder(base);
    const TopicId passing(Uuid(2, static_cast<uint64_t>(step) + 1));
    ok = builder.Replay(TopicRecord{passing, "passing." + std::to_string(step)}).ok();
    if (ok && step >= 20)
      ok = builder.Replay(RemoveTopicRecord{TopicId(Uuid(2, static_cast<uint64_t>(step) - 19))}).ok();
    const PartitionId id{topic, step % 300};
    const PartitionInfo now = *base->FindPartition(topic, id.partition);
    if (ok) ok = builder.Replay(PartitionChangeRecord{id, {}, now.replicas[(step / 300 + 1) % 5], {}, {}}).ok();
    MetadataImagePtr image = std::move(builder).Build({Offset(step + 2), Epoch(1)}).image;
    std::lock_guard<std::mutex> lock(mutex);
    newest = std::move(image);
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(ok);
  CHECK(broken == 0);
}

}  // namespace
}  // namespace quorate::metadata
