// File: metadata/persistent_map.h
//
// A sorted map that is copied in O(1) and written in O(log n): a B+ tree whose nodes are copied when,
// and only when, another copy of the map shares them.
//
// Why a B+ tree and not a hash trie: the digest, listings and snapshots need a fixed order, and 32
// entries side by side cost fewer bytes than 32 nodes. Deletion merges a small node with a neighbour
// when both fit into one; two neighbours therefore always hold more than one full node between them.
//
// Keys and values should be small; keep anything large behind a pointer. `Less` may be transparent.
//
// Thread contract: a value, as PersistentVector.
#ifndef QUORATE_METADATA_PERSISTENT_MAP_H_
#define QUORATE_METADATA_PERSISTENT_MAP_H_

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <utility>
#include <vector>

#include "metadata/ref.h"

namespace quorate::metadata {

template <typename K, typename V, typename Less = std::less<>>
class PersistentMap {
 public:
  static constexpr size_t kNodeMax = 32;

  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  // Null when absent. The pointer lives until this copy is written or destroyed.
  template <typename Q>
  [[nodiscard]] const V* Find(const Q& key) const {
    if (!root_) return nullptr;
    const Node* node = root_.get();
    while (!node->is_leaf()) node = node->children[ChildOf(*node, key)].get();
    const size_t at = Position(*node, key);
    return at < node->keys.size() && !Less()(key, node->keys[at]) ? &node->values[at] : nullptr;
  }
  template <typename Q>
  [[nodiscard]] bool Contains(const Q& key) const {
    return Find(key) != nullptr;
  }

  // The value of `key`, for writing, made if it wasn't there. Lives until the next call of any kind.
  V& Mutable(const K& key) {
    if (!root_) root_ = MakeRef<Node>();
    V* value = nullptr;
    Ref<Node> right = Put(root_, key, value);
    if (right) {
      Ref<Node> top = MakeRef<Node>();
      Node& node = top.Owned();
      node.keys = {root_->keys.front(), right->keys.front()};
      node.children = {std::move(root_), std::move(right)};
      root_ = std::move(top);
    }
    return *value;
  }
  void Set(const K& key, V value) { Mutable(key) = std::move(value); }

  // True if it was there.
  template <typename Q>
  bool Erase(const Q& key) {
    if (!Contains(key)) return false;  // first, so that nothing is copied in vain
    Remove(root_, key);
    --size_;
    while (!root_->is_leaf() && root_->children.size() == 1) {
      Ref<Node> only = root_->children.front();
      root_ = std::move(only);
    }
    if (size_ == 0) root_ = Ref<Node>();
    return true;
  }

  // visit(const K&, const V&) -> bool, in key order, until it returns false.
  template <typename F>
  void ForEach(F&& visit) const {
    if (root_) Walk(*root_, visit);
  }
  // The same for keys >= first.
  template <typename Q, typename F>
  void ForEachFrom(const Q& first, F&& visit) const {
    if (root_) WalkFrom(*root_, first, visit);
  }

 private:
  struct Node : RefCounted {
    std::vector<K> keys;              // of a branch: a lower bound of each child
    std::vector<V> values;            // of a leaf
    std::vector<Ref<Node>> children;  // of a branch
    [[nodiscard]] bool is_leaf() const { return children.empty(); }
  };

  // The first entry that is not less than `key`.
  template <typename Q>
  static size_t Position(const Node& node, const Q& key) {
    return std::lower_bound(node.keys.begin(), node.keys.end(), key, Less()) - node.keys.begin();
  }
  // The child that holds `key` if any does. The first child also takes what is below its bound.
  template <typename Q>
  static size_t ChildOf(const Node& node, const Q& key) {
    return std::upper_bound(node.keys.begin() + 1, node.keys.end(), key, Less()) - node.keys.begin() - 1;
  }

  // Finds or makes `key` below `ref`; returns the new right neighbour of `ref` if it had to be split.
  Ref<Node> Put(Ref<Node>& ref, const K& key, V*& value) {
    Node& node = ref.Mutable();
    if (node.is_leaf()) return PutIntoLeaf(node, key, value);
    const size_t at = ChildOf(node, key);
    Ref<Node> right = Put(node.children[at], key, value);
    if (!right) return {};
    node.keys.insert(node.keys.begin() + at + 1, right->keys.front());
    node.children.insert(node.children.begin() + at + 1, std::move(right));
    if (node.children.size() <= kNodeMax) return {};
    return Split(node, SplitPoint(at + 1 == node.children.size() - 1));
  }

  Ref<Node> PutIntoLeaf(Node& node, const K& key, V*& value) {
    const size_t at = Position(node, key);
    if (at < node.keys.size() && !Less()(key, node.keys[at])) {
      value = &node.values[at];
      return {};
    }
    ++size_;
    node.keys.insert(node.keys.begin() + at, key);
    node.values.insert(node.values.begin() + at, V());
    value = &node.values[at];
    if (node.keys.size() <= kNodeMax) return {};
    const size_t split = SplitPoint(at == node.keys.size() - 1);
    Ref<Node> right = Split(node, split);
    value = at < split ? &node.values[at] : &right.Owned().values[at - split];
    return right;
  }

  // Keys often come in order: then the left node stays full, otherwise both get half.
  static size_t SplitPoint(bool at_end) { return at_end ? kNodeMax : kNodeMax / 2; }

  static Ref<Node> Split(Node& node, size_t at) {
    Ref<Node> ref = MakeRef<Node>();
    Node& right = ref.Owned();
    MoveTail(node.keys, at, right.keys);
    if (node.is_leaf()) {
      MoveTail(node.values, at, right.values);
    } else {
      MoveTail(node.children, at, right.children);
    }
    return ref;
  }
  template <typename T>
  static void MoveTail(std::vector<T>& from, size_t at, std::vector<T>& to) {
    to.assign(std::make_move_iterator(from.begin() + at), std::make_move_iterator(from.end()));
    from.resize(at);
  }

  // `key` is below `ref`.
  template <typename Q>
  void Remove(Ref<Node>& ref, const Q& key) {
    Node& node = ref.Mutable();
    if (node.is_leaf()) {
      const size_t at = Position(node, key);
      node.keys.erase(node.keys.begin() + at);
      node.values.erase(node.values.begin() + at);
      return;
    }
    const size_t at = ChildOf(node, key);
    Remove(node.children[at], key);
    if (at + 1 < node.children.size()) MergeIfSmall(node, at);
    if (at > 0) MergeIfSmall(node, at - 1);
  }

  // Merges children `at` and `at + 1` when both fit into one node.
  static void MergeIfSmall(Node& node, size_t at) {
    if (at + 1 >= node.children.size()) return;
    if (node.children[at]->keys.size() + node.children[at + 1]->keys.size() > kNodeMax) return;
    Node& left = node.children[at].Mutable();
    const Node& right = *node.children[at + 1];
    const size_t first = left.keys.size();
    left.keys.insert(left.keys.end(), right.keys.begin(), right.keys.end());
    // Of a branch's own bounds the first may be too high, because its first child takes all below; what
    // the parent knew about it holds.
    if (!left.is_leaf()) left.keys[first] = node.keys[at + 1];
    left.values.insert(left.values.end(), right.values.begin(), right.values.end());
    left.children.insert(left.children.end(), right.children.begin(), right.children.end());
    node.keys.erase(node.keys.begin() + at + 1);
    node.children.erase(node.children.begin() + at + 1);
  }

  template <typename F>
  static bool Walk(const Node& node, F& visit) {
    for (size_t i = 0; i < node.values.size(); ++i) {
      if (!visit(node.keys[i], node.values[i])) return false;
    }
    for (const Ref<Node>& child : node.children) {
      if (!Walk(*child, visit)) return false;
    }
    return true;
  }
  template <typename Q, typename F>
  static bool WalkFrom(const Node& node, const Q& first, F& visit) {
    if (node.is_leaf()) {
      for (size_t i = Position(node, first); i < node.values.size(); ++i) {
        if (!visit(node.keys[i], node.values[i])) return false;
      }
      return true;
    }
    const size_t at = ChildOf(node, first);
    if (!WalkFrom(*node.children[at], first, visit)) return false;
    for (size_t i = at + 1; i < node.children.size(); ++i) {
      if (!Walk(*node.children[i], visit)) return false;
    }
    return true;
  }

  Ref<Node> root_;
  size_t size_ = 0;
};

}  // namespace quorate::metadata

#endif  // QUORATE_METADATA_PERSISTENT_MAP_H_
