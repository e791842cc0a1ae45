// The persistent structures against the standard library's, with old copies kept and compared later: a
// write that leaks into a copy, or a lost entry, shows up as a difference.
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "metadata/persistent_map.h"
#include "metadata/persistent_vector.h"
#include "metadata/slot_set.h"
#include "support/catch.h"

namespace quorate::metadata {
namespace {

template <typename K, typename V>
std::map<K, V> Contents(const PersistentMap<K, V>& map) {
  std::map<K, V> contents;
  map.ForEach([&](const K& key, const V& value) {
    REQUIRE((contents.empty() || contents.rbegin()->first < key));
    contents.emplace(key, value);
    return true;
  });
  return contents;
}

std::set<Slot> Contents(const SlotSet& set) {
  std::set<Slot> contents;
  set.ForEach([&](Slot slot) {
    REQUIRE((contents.empty() || *contents.rbegin() < slot));
    contents.insert(slot);
    return true;
  });
  return contents;
}

TEST_CASE("PersistentMap behaves like std::map and leaves its copies alone") {
  const uint64_t seed = GENERATE(1, 2, 3, 4);
  const int key_space = GENERATE(20, 200, 5000);
  std::mt19937_64 random(seed);
  PersistentMap<int, int> map;
  std::map<int, int> twin;
  std::vector<std::pair<PersistentMap<int, int>, std::map<int, int>>> copies;
  for (int step = 0; step < 12000; ++step) {
    const int key = static_cast<int>(random() % key_space);
    // Phases that mostly grow and phases that mostly shrink, so that nodes split and merge.
    const bool grow = (step / 3000) % 2 == 0;
    if (random() % 10 < (grow ? 8u : 2u)) {
      map.Set(key, step);
      twin[key] = step;
    } else {
      CHECK(map.Erase(key) == (twin.erase(key) > 0));
    }
    REQUIRE(map.size() == twin.size());
    const int* found = map.Find(key);
    REQUIRE((found != nullptr) == (twin.count(key) > 0));
    if (step % 1500 == 0) copies.emplace_back(map, twin);
  }
  copies.emplace_back(map, twin);
  for (const auto& [copy, expected] : copies) {
    CHECK(Contents(copy) == expected);
    for (const auto& [key, value] : expected) {
      REQUIRE(copy.Find(key) != nullptr);
      REQUIRE(*copy.Find(key) == value);
    }
    const int first = static_cast<int>(random() % key_space);
    std::vector<int> from;
    copy.ForEachFrom(first, [&](int key, int) {
      from.push_back(key);
      return from.size() < 50;
    });
    auto it = expected.lower_bound(first);
    for (int key : from) {
      REQUIRE(it != expected.end());
      REQUIRE((it++)->first == key);
    }
    CHECK((from.size() == 50 || it == expected.end()));
  }
}

TEST_CASE("PersistentMap emptied key by key ends empty") {
  PersistentMap<int, int> map;
  for (int i = 0; i < 3000; ++i) map.Set(i, i);
  PersistentMap<int, int> kept = map;
  for (int i = 2999; i >= 0; i -= 2) CHECK(map.Erase(i));
  for (int i = 0; i < 3000; i += 2) CHECK(map.Erase(i));
  CHECK(map.empty());
  CHECK(map.Find(7) == nullptr);
  CHECK(kept.size() == 3000);
  CHECK(*kept.Find(1234) == 1234);
}

TEST_CASE("PersistentVector behaves like std::vector and leaves its copies alone") {
  std::mt19937_64 random(7);
  PersistentVector<uint64_t> vector;
  std::vector<uint64_t> twin;
  std::vector<std::pair<PersistentVector<uint64_t>, std::vector<uint64_t>>> copies;
  for (int step = 0; step < 20000; ++step) {
    if (twin.empty() || random() % 2 == 0) {
      vector.PushBack(step);
      twin.push_back(step);
    } else {
      const size_t at = random() % twin.size();
      vector.Mutable(at) = step;
      twin[at] = step;
    }
    if (step == 63 || step == 4000 || step == 9000) copies.emplace_back(vector, twin);
  }
  copies.emplace_back(vector, twin);
  for (const auto& [copy, expected] : copies) {
    REQUIRE(copy.size() == expected.size());
    for (size_t i = 0; i < expected.size(); ++i) REQUIRE(copy[i] == expected[i]);
  }
}

TEST_CASE("PersistentVector grows over its level boundaries") {
  PersistentVector<uint32_t> vector;
  const uint32_t count = 64 * 64 * 64 + 65;
  for (uint32_t i = 0; i < count; ++i) vector.PushBack(i);
  for (uint32_t i : {0u, 63u, 64u, 4095u, 4096u, 262143u, 262144u, count - 1}) CHECK(vector[i] == i);
}

TEST_CASE("SlotSet behaves like std::set and leaves its copies alone") {
  const Slot span = GENERATE(Slot{100}, Slot{10000}, SlotSet::kSlotEnd);
  std::mt19937_64 random(span);
  SlotSet set;
  std::set<Slot> twin;
  std::vector<std::pair<SlotSet, std::set<Slot>>> copies;
  for (int step = 0; step < 20000; ++step) {
    const Slot slot = static_cast<Slot>(random() % span);
    const bool grow = (step / 5000) % 2 == 0;
    if (random() % 10 < (grow ? 8u : 2u)) {
      REQUIRE(set.Insert(slot) == twin.insert(slot).second);
    } else {
      const Slot victim = twin.empty() ? slot : *twin.begin();
      REQUIRE(set.Erase(victim) == (twin.erase(victim) > 0));
    }
    REQUIRE(set.size() == twin.size());
    REQUIRE(set.Contains(slot) == (twin.count(slot) > 0));
    if (step % 4000 == 0) copies.emplace_back(set, twin);
  }
  copies.emplace_back(set, twin);
  for (const auto& [copy, expected] : copies) {
    CHECK(Contents(copy) == expected);
    if (!expected.empty()) CHECK(copy.First() == *expected.begin());
  }
}

}  // namespace
}  // namespace quorate::metadata
