// File: node/image_slot.h
//
// The place where a node's newest committed image is: one writer, readers on every thread. Taking it is one
// atomic load of a shared pointer; nobody waits for anybody.
//
// libstdc++ 12 guards that pointer with a lock bit that ThreadSanitizer doesn't know (GCC bug 101761), so under that
// tool a mutex stands in for it.
#ifndef QUORATE_NODE_IMAGE_SLOT_H_
#define QUORATE_NODE_IMAGE_SLOT_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

#include "quorate/metadata.h"

namespace quorate::node {

#if defined(__SANITIZE_THREAD__)
#define QUORATE_IMAGE_SLOT_MUTEX 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define QUORATE_IMAGE_SLOT_MUTEX 1
#endif
#endif

#if defined(QUORATE_IMAGE_SLOT_MUTEX) || !defined(__cpp_lib_atomic_shared_ptr)
class ImageSlot {
 public:
  [[nodiscard]] MetadataImagePtr Load() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return image_;
  }
  void Store(MetadataImagePtr image) {
    const std::lock_guard<std::mutex> lock(mutex_);
    image_.swap(image);
  }

 private:
  mutable std::mutex mutex_;
  MetadataImagePtr image_ = MetadataImage::Empty();
};
#else
class ImageSlot {
 public:
  [[nodiscard]] MetadataImagePtr Load() const { return image_.load(std::memory_order_acquire); }
  void Store(MetadataImagePtr image) { image_.store(std::move(image), std::memory_order_release); }

 private:
  std::atomic<MetadataImagePtr> image_{MetadataImage::Empty()};
};
#endif

}  // namespace quorate::node

#endif  // QUORATE_NODE_IMAGE_SLOT_H_
