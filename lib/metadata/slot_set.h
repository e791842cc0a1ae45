// File: metadata/slot_set.h
//
// A persistent set of slots (small integers): the indexes "which partitions does broker 3 replicate"
// and "which partitions have no leader". A trie of three levels whose nodes keep only the children
// that exist, with bitmap words of 64 slots at the bottom. A broker that holds everything pays 1.1
// bits for each partition; one that holds a thousandth pays about 12 bytes for each that it holds.
//
// Why not sorted vectors of slots: adding one would copy all. Why not a bitmap per broker: 1,000
// brokers with 2 million bits each are 250 MB, nearly all zero.
//
// Thread contract: a value, as PersistentVector.
#ifndef QUORATE_METADATA_SLOT_SET_H_
#define QUORATE_METADATA_SLOT_SET_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "metadata/ref.h"

namespace quorate::metadata {

using Slot = uint32_t;

class SlotSet {
 public:
  static constexpr Slot kSlotEnd = Slot{1} << 24;  // slots are below it: three levels of 6 bits over words of 64

  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] bool Contains(Slot slot) const { return root_ && Has(*root_, slot); }

  // True if it wasn't there.
  bool Insert(Slot slot) {
    if (Contains(slot)) return false;
    if (!root_) root_ = MakeRef<Root>();
    Add(root_.Mutable(), slot);
    ++size_;
    return true;
  }
  // True if it was there.
  bool Erase(Slot slot) {
    if (!Contains(slot)) return false;
    Remove(root_.Mutable(), slot);
    if (--size_ == 0) root_ = Ref<Root>();
    return true;
  }
  // The smallest; the set must not be empty.
  [[nodiscard]] Slot First() const {
    Slot first = 0;
    ForEach([&first](Slot slot) {
      first = slot;
      return false;
    });
    return first;
  }
  // visit(Slot) -> bool, ascending, until it returns false.
  template <typename F>
  void ForEach(F&& visit) const {
    if (root_) Walk(*root_, 0, visit);
  }

 private:
  // `children` has one element for each bit of `mask`, in order.
  template <typename Child, int kLevelShift>
  struct Level : RefCounted {
    static constexpr int kShift = kLevelShift;
    using ChildType = Child;
    uint64_t mask = 0;
    std::vector<Child> children;

    [[nodiscard]] static uint64_t Bit(Slot slot) { return uint64_t{1} << ((slot >> kShift) % 64); }
    [[nodiscard]] size_t Rank(Slot slot) const { return std::popcount(mask & (Bit(slot) - 1)); }
  };
  using Words = Level<uint64_t, 6>;
  using Middle = Level<Ref<Words>, 12>;
  using Root = Level<Ref<Middle>, 18>;

  static uint64_t WordBit(Slot slot) { return uint64_t{1} << (slot % 64); }

  template <typename L>
  static bool Has(const L& level, Slot slot) {
    if ((level.mask & L::Bit(slot)) == 0) return false;
    const auto& child = level.children[level.Rank(slot)];
    if constexpr (std::is_same_v<L, Words>) {
      return (child & WordBit(slot)) != 0;
    } else {
      return Has(*child, slot);
    }
  }

  template <typename L>
  static void Add(L& level, Slot slot) {
    const size_t at = level.Rank(slot);
    if ((level.mask & L::Bit(slot)) == 0) {
      level.mask |= L::Bit(slot);
      level.children.insert(level.children.begin() + at, typename L::ChildType());
    }
    auto& child = level.children[at];
    if constexpr (std::is_same_v<L, Words>) {
      child |= WordBit(slot);
    } else {
      using Next = std::remove_const_t<std::remove_reference_t<decltype(*child)>>;
      if (!child) child = MakeRef<Next>();
      Add(child.Mutable(), slot);
    }
  }

  template <typename L>
  static void Remove(L& level, Slot slot) {
    const size_t at = level.Rank(slot);
    auto& child = level.children[at];
    if constexpr (std::is_same_v<L, Words>) {
      child &= ~WordBit(slot);
      if (child != 0) return;
    } else {
      Remove(child.Mutable(), slot);
      if (child->mask != 0) return;
    }
    level.children.erase(level.children.begin() + at);
    level.mask &= ~L::Bit(slot);
  }

  template <typename L, typename F>
  static bool Walk(const L& level, Slot prefix, F& visit) {
    size_t at = 0;
    for (uint64_t rest = level.mask; rest != 0; rest &= rest - 1, ++at) {
      const Slot base = prefix | (static_cast<Slot>(std::countr_zero(rest)) << L::kShift);
      if constexpr (std::is_same_v<L, Words>) {
        for (uint64_t word = level.children[at]; word != 0; word &= word - 1) {
          if (!visit(base | static_cast<Slot>(std::countr_zero(word)))) return false;
        }
      } else {
        if (!Walk(*level.children[at], base, visit)) return false;
      }
    }
    return true;
  }

  Ref<Root> root_;
  size_t size_ = 0;
};

}  // namespace quorate::metadata

#endif  // QUORATE_METADATA_SLOT_SET_H_
