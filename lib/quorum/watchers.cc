#include "quorum/watchers.h"

#include <utility>
#include <vector>

namespace quorate::quorum {

uint64_t LeadershipWatchers::Add(Watcher watcher) {
  auto entry = std::make_shared<Entry>();
  entry->watcher = std::move(watcher);
  std::lock_guard<std::mutex> lock(mutex_);
  entries_.emplace(++last_id_, std::move(entry));
  return last_id_;
}

void LeadershipWatchers::Remove(uint64_t id) {
  std::shared_ptr<Entry> removed;  // destroyed outside the lock: it may own things of the host
  std::unique_lock<std::mutex> lock(mutex_);
  auto found = entries_.find(id);
  if (found != entries_.end()) {
    removed = std::move(found->second);
    entries_.erase(found);
  }
  if (runner_ == std::this_thread::get_id()) return;
  finished_.wait(lock, [&] { return running_ != id; });
  lock.unlock();
}

void LeadershipWatchers::Set(const Leadership& leadership) {
  std::lock_guard<std::mutex> lock(mutex_);
  latest_ = leadership;
}

Leadership LeadershipWatchers::Get() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return latest_;
}

void LeadershipWatchers::Deliver() {
  std::unique_lock<std::mutex> lock(mutex_);
  uint64_t next = 0;
  while (true) {
    auto at = entries_.upper_bound(next);
    if (at == entries_.end()) return;
    next = at->first;
    std::shared_ptr<Entry> entry = at->second;
    if (entry->told && entry->last == latest_) continue;
    entry->told = true;
    entry->last = latest_;
    running_ = next;
    runner_ = std::this_thread::get_id();
    const Leadership value = latest_;
    lock.unlock();
    entry->watcher(value);
    entry.reset();
    lock.lock();
    running_ = 0;
    runner_ = std::thread::id();
    finished_.notify_all();
  }
}

}  // namespace quorate::quorum
