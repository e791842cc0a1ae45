#include "node/publisher_hub.h"

#include <exception>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "node/delta_merge.h"
#include "quorate/status.h"

namespace quorate::node {

template <typename Function>
void PublisherHub::Guard(Function call) {
  std::string what = "an exception of an unknown type";
  try {
    call();
    return;
  } catch (const std::exception& e) {
    what = e.what();
  } catch (...) {
  }
  on_exception_(
      MakeError(Reason::kHalted, Outcome::kUnknown, absl::StrCat("the host's metadata callback threw: ", what)));
}

uint64_t PublisherHub::Add(std::shared_ptr<MetadataPublisher> publisher) {
  uint64_t id = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    id = ++last_id_;
    auto entry = std::make_shared<Entry>();
    entry->publisher = std::move(publisher);
    entries_.emplace(id, std::move(entry));
  }
  Schedule();
  return id;
}

void PublisherHub::Remove(uint64_t id) {
  std::shared_ptr<Entry> removed;  // destroyed without the lock: the host's destructor may call back
  std::unique_lock<std::mutex> lock(mutex_);
  if (const auto it = entries_.find(id); it != entries_.end()) {
    removed = std::move(it->second);
    entries_.erase(it);
  }
  if (runner_ == std::this_thread::get_id()) return;
  finished_.wait(lock, [this, id] { return running_ != id; });
}

void PublisherHub::Publish(MetadataImagePtr image, MetadataDelta delta) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopped_) return;
    newest_ = std::move(image);
    if (entries_.empty()) return;  // whoever comes is shown everything
    if (pending_.has_value()) {
      MergeDelta(&*pending_, delta);
    } else {
      pending_ = std::move(delta);
    }
  }
  Schedule();
}

void PublisherHub::SetLeadership(const Leadership& leadership) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    leadership_ = leadership;
  }
  Schedule();
}

Leadership PublisherHub::leadership() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return leadership_;
}

uint64_t PublisherHub::Watch(quorum::LeadershipWatchers::Watcher watcher) {
  const uint64_t id = watchers_.Add([this, watcher = std::move(watcher)](const Leadership& leadership) mutable {
    Guard([&] { watcher(leadership); });
  });
  Schedule();
  return id;
}

void PublisherHub::Stop() {
  const std::lock_guard<std::mutex> lock(mutex_);
  stopped_ = true;
}

void PublisherHub::Schedule() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (scheduled_ || stopped_) return;
    scheduled_ = true;
  }
  apply_->Post([this] { Deliver(); });
}

void PublisherHub::Deliver() {
  MetadataImagePtr image;
  std::optional<MetadataDelta> delta;
  std::vector<std::pair<uint64_t, std::shared_ptr<Entry>>> entries;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    scheduled_ = false;
    if (stopped_) return;
    image = newest_;
    // Not what is newest after the publishers ran: it may rest on an image that they haven't seen (I-23).
    watchers_.Set(leadership_);
    delta = std::exchange(pending_, std::nullopt);
    entries.assign(entries_.begin(), entries_.end());
  }
  MetadataDelta everything;
  everything.base = MetadataImage::Empty();
  everything.everything = true;
  for (const auto& [id, entry] : entries) {
    if (entry->is_new) {
      Show(id, entry, image, everything);
    } else if (delta.has_value()) {
      Show(id, entry, image, *delta);
    }
  }
  watchers_.Deliver();
}

void PublisherHub::Show(uint64_t id, const std::shared_ptr<Entry>& entry, const MetadataImagePtr& image,
                        const MetadataDelta& delta) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopped_ || entries_.count(id) == 0) return;
    running_ = id;
    runner_ = std::this_thread::get_id();
  }
  entry->is_new = false;
  Guard([&] { entry->publisher->OnMetadata(image, delta); });
  const std::lock_guard<std::mutex> lock(mutex_);
  running_ = 0;
  runner_ = std::thread::id();
  finished_.notify_all();
}

}  // namespace quorate::node
