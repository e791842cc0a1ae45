// File: metadata/ref.h
//
// A counted reference to a node of a persistent structure. Copying a structure copies its root
// reference; writing to it copies only nodes that somebody else refers to as well. Whether somebody
// does is what Unique() answers, and that is why this isn't std::shared_ptr: its use_count() is a
// relaxed read, which doesn't order the last reader's reads before our write. It also saves the
// 16 bytes of a control block for each node.
//
// Thread contract: the count is atomic, so references to one node may be copied and dropped by any
// threads. Writing through a reference needs Unique(), and that nobody copies this very reference
// meanwhile: the structures give that by being values that one thread writes.
#ifndef QUORATE_METADATA_REF_H_
#define QUORATE_METADATA_REF_H_

#include <atomic>
#include <cstdint>
#include <utility>

namespace quorate::metadata {

// Base of what Ref refers to. A copied node starts with one reference of its own.
class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) {}
  RefCounted& operator=(const RefCounted&) = delete;

 private:
  template <typename T>
  friend class Ref;
  mutable std::atomic<uint32_t> references_{1};
};

template <typename T>
class Ref {
 public:
  Ref() = default;
  // Takes over the reference that a new node is born with.
  explicit Ref(T* node) : node_(node) {}
  Ref(const Ref& other) : node_(other.node_) {
    if (node_ != nullptr) node_->references_.fetch_add(1, std::memory_order_relaxed);
  }
  Ref(Ref&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~Ref() {
    if (node_ != nullptr && node_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete node_;
  }

  explicit operator bool() const { return node_ != nullptr; }
  const T& operator*() const { return *node_; }
  const T* operator->() const { return node_; }
  [[nodiscard]] const T* get() const { return node_; }

  [[nodiscard]] bool Unique() const { return node_->references_.load(std::memory_order_acquire) == 1; }
  // The node, for writing. Unique() must hold.
  T& Owned() { return *node_; }
  // The node, for writing: a copy of it takes its place first if it is shared.
  T& Mutable() {
    if (!Unique()) *this = Ref(new T(*node_));
    return *node_;
  }

 private:
  T* node_ = nullptr;
};

template <typename T, typename... Args>
Ref<T> MakeRef(Args&&... args) {
  return Ref<T>(new T(std::forward<Args>(args)...));
}

}  // namespace quorate::metadata

#endif  // QUORATE_METADATA_REF_H_
