// What the host is told, and in which order, while its own functions run.
#include "node/publisher_hub.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "metadata/image_builder.h"
#include "quorate/testing/manual_executor.h"
#include "support/catch.h"

namespace quorate::node {
namespace {

using quorate::testing::ManualClock;
using quorate::testing::ManualExecutor;

MetadataImagePtr ImageAt(int64_t end) {
  return metadata::ImageBuilder(MetadataImage::Empty()).Build({Offset(end), Epoch(1)}).image;
}

class Scripted : public MetadataPublisher {
 public:
  Scripted(std::vector<std::string>* heard, std::function<void()> meanwhile)
      : heard_(heard), meanwhile_(std::move(meanwhile)) {}
  void OnMetadata(const MetadataImagePtr& image, const MetadataDelta&) override {
    heard_->push_back("image " + std::to_string(image->provenance().end.value()));
    std::exchange(meanwhile_, [] {})();
  }

 private:
  std::vector<std::string>* const heard_;
  std::function<void()> meanwhile_;
};

TEST_CASE("Leadership that comes while a publisher runs waits for the image that came before it (I-23)") {
  ManualClock clock;
  ManualExecutor executor(&clock);
  PublisherHub hub(&executor, [](const absl::Status&) {});
  std::vector<std::string> heard;
  Leadership self;
  self.leader = NodeId(1);
  self.epoch = Epoch(2);
  self.is_self = true;
  hub.Watch([&](const Leadership& now) {
    if (now.is_self) heard.push_back("leader");
  });
  hub.Publish(ImageAt(1), {});
  hub.Add(std::make_shared<Scripted>(&heard, [&] {
    MetadataDelta delta;
    delta.base = ImageAt(1);
    hub.Publish(ImageAt(2), std::move(delta));
    hub.SetLeadership(self);
    CHECK(hub.leadership() == self);
  }));
  executor.RunUntilIdle();
  CHECK(heard == std::vector<std::string>{"image 1", "image 2", "leader"});
  hub.Stop();
}

}  // namespace
}  // namespace quorate::node
