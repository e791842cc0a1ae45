// File: node/publisher_hub.h
//
// Hands images and leadership to the host, on the apply thread, and never makes the quorum wait for it: between the
// strand and the host lies room for exactly one image, the newest, with the delta from the one that was handed
// over last (fault F-H02). A host that hangs costs its own news, nothing else.
//
// Order: publishers get images in log order; leadership comes after the images that were published before it.
//
// An exception that leaves a host's function stops the node (F-H01): a publisher that missed an image
// half-way can't be trusted with the next one, and nobody else can repair its state.
//
// Threads: Publish and SetLeadership from the strand; everything else from any thread. Host functions run on
// `apply` only, without a lock held.
#ifndef QUORATE_NODE_PUBLISHER_HUB_H_
#define QUORATE_NODE_PUBLISHER_HUB_H_

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "quorate/environment.h"
#include "quorate/metadata.h"
#include "quorate/state_machine.h"
#include "quorum/watchers.h"

namespace quorate::node {

class PublisherHub {
 public:
  // `apply` is serial; it is destroyed, and with it the last task that refers to the hub, before the hub.
  // `on_exception` is called on it when a host's function threw.
  PublisherHub(Executor* apply, absl::AnyInvocable<void(absl::Status)> on_exception)
      : apply_(apply), on_exception_(std::move(on_exception)) {}

  uint64_t Add(std::shared_ptr<MetadataPublisher> publisher);
  // After it returned the publisher isn't running (unless called from it) and never runs again.
  void Remove(uint64_t id);

  void Publish(MetadataImagePtr image, MetadataDelta delta);
  void SetLeadership(const Leadership& leadership);

  uint64_t Watch(quorum::LeadershipWatchers::Watcher watcher);
  void Unwatch(uint64_t id) { watchers_.Remove(id); }
  // The newest, which watchers may not have been told yet.
  [[nodiscard]] Leadership leadership() const;

  // Nothing is handed over any more.
  void Stop();

 private:
  struct Entry {
    std::shared_ptr<MetadataPublisher> publisher;
    bool is_new = true;  // has to be shown everything first
  };

  void Schedule();
  void Deliver();
  void Show(uint64_t id, const std::shared_ptr<Entry>& entry, const MetadataImagePtr& image,
            const MetadataDelta& delta);
  template <typename Function>
  void Guard(Function call);

  Executor* const apply_;
  absl::AnyInvocable<void(absl::Status)> on_exception_;  // apply thread only
  quorum::LeadershipWatchers watchers_;

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable finished_;
  bool scheduled_ = false;
  bool stopped_ = false;
  MetadataImagePtr newest_ = MetadataImage::Empty();
  Leadership leadership_;                 // the newest; watchers_ has what goes with the images handed over
  std::optional<MetadataDelta> pending_;  // from what was handed over last to newest_
  uint64_t last_id_ = 0;
  std::map<uint64_t, std::shared_ptr<Entry>> entries_;
  uint64_t running_ = 0;  // 0: none
  std::thread::id runner_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_PUBLISHER_HUB_H_
