// File: metadata/persistent_vector.h
//
// A vector that is copied in O(1) and written in O(log n): a tree with 64 children per branch and 64
// elements per leaf. A write copies the leaf and the branches above it when another copy of the vector
// shares them, and otherwise works in place; so a batch of changes pays for each touched leaf once.
// Elements lie side by side in their leaf: 2 million of them are 31,250 allocations, not 2 million.
//
// Why not std::vector: the controller keeps an uncommitted state beside the committed one, readers keep
// old ones, and copying 80 MB for each batch is out of the question.
//
// Thread contract: a value. Distinct copies may be used by different threads even though they share nodes.
#ifndef QUORATE_METADATA_PERSISTENT_VECTOR_H_
#define QUORATE_METADATA_PERSISTENT_VECTOR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "metadata/ref.h"

namespace quorate::metadata {

template <typename T>
class PersistentVector {
 public:
  static constexpr size_t kBits = 6;
  static constexpr size_t kFanout = size_t{1} << kBits;

  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  // index < size(). The reference lives until this copy is written or destroyed.
  [[nodiscard]] const T& operator[](size_t index) const {
    const Node* node = root_.get();
    for (size_t level = height_; level > 0; --level) {
      node = static_cast<const Branch*>(node)->children[Digit(index, level)].get();
    }
    return static_cast<const Leaf*>(node)->items[index % kFanout];
  }

  // For writing; index < size(). The reference lives until the next call of any kind.
  T& Mutable(size_t index) {
    Ref<Node>* node = &root_;
    for (size_t level = height_; level > 0; --level) node = &Own<Branch>(*node).children[Digit(index, level)];
    return Own<Leaf>(*node).items[index % kFanout];
  }

  void PushBack(T value) {
    if (size_ == size_t{1} << (kBits * (height_ + 1))) {
      Ref<Node> lower = std::move(root_);
      root_ = Ref<Node>();
      Own<Branch>(root_).children[0] = std::move(lower);
      ++height_;
    }
    Mutable(size_++) = std::move(value);
  }

 private:
  struct Node : RefCounted {
    virtual ~Node() = default;
  };
  struct Branch final : Node {
    std::array<Ref<Node>, kFanout> children;
  };
  struct Leaf final : Node {
    std::array<T, kFanout> items{};
  };

  static size_t Digit(size_t index, size_t level) { return (index >> (kBits * level)) % kFanout; }

  // The node behind `ref`, made or copied so that it is ours alone. The caller knows its type by its level.
  template <typename N>
  static N& Own(Ref<Node>& ref) {
    if (!ref) {
      ref = Ref<Node>(new N());
    } else if (!ref.Unique()) {
      ref = Ref<Node>(new N(static_cast<const N&>(*ref)));
    }
    return static_cast<N&>(ref.Owned());
  }

  Ref<Node> root_;
  size_t height_ = 0;  // of the branches above the leaves
  size_t size_ = 0;
};

}  // namespace quorate::metadata

#endif  // QUORATE_METADATA_PERSISTENT_VECTOR_H_
