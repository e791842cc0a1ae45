// The striped placer, against the properties that it is there for. They are computed here the dull way,
// from the assignments alone.
#include "controller/placement.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/xoshiro.h"
#include "controller/errors.h"
#include "quorate/status.h"
#include "support/catch.h"

namespace quorate::controller {
namespace {

// `racks[i]` brokers in rack i; brokers whose id is in `fenced` are fenced.
std::vector<PlacementBroker> Brokers(const std::vector<int>& racks, const std::set<int>& fenced = {}) {
  std::vector<PlacementBroker> brokers;
  int id = 0;
  for (size_t rack = 0; rack < racks.size(); ++rack) {
    for (int i = 0; i < racks[rack]; ++i, ++id) {
      brokers.push_back({NodeId(id), "rack" + std::to_string(rack), fenced.count(id) > 0});
    }
  }
  return brokers;
}

std::string RackOf(const std::vector<PlacementBroker>& brokers, NodeId id) {
  auto it = std::find_if(brokers.begin(), brokers.end(), [id](const auto& b) { return b.id == id; });
  REQUIRE(it != brokers.end());
  return it->rack.value_or("");
}

bool IsFenced(const std::vector<PlacementBroker>& brokers, NodeId id) {
  return std::any_of(brokers.begin(), brokers.end(), [id](const auto& b) { return b.id == id && b.fenced; });
}

TEST_CASE("replicas are distinct, fenced brokers never first and only when needed, racks spread") {
  const uint64_t seed = GENERATE(range(1, 40));
  Xoshiro random(seed);
  std::vector<int> racks;
  const int rack_count = 1 + static_cast<int>(random.Below(4));
  int total = 0;
  for (int i = 0; i < rack_count; ++i) {
    racks.push_back(1 + static_cast<int>(random.Below(4)));
    total += racks.back();
  }
  std::set<int> fenced;
  for (int id = 1; id < total; ++id) {
    if (random.Below(4) == 0) fenced.insert(id);
  }
  const auto brokers = Brokers(racks, fenced);
  const int factor = 1 + static_cast<int>(random.Below(static_cast<uint64_t>(total)));
  auto placed = PlaceReplicas(brokers, 50, factor, random);
  REQUIRE(placed.ok());
  REQUIRE(placed->size() == 50);
  for (const ReplicaList& replicas : *placed) {
    REQUIRE(replicas.size() == static_cast<size_t>(factor));
    CHECK(std::set<NodeId>(replicas.begin(), replicas.end()).size() == replicas.size());
    CHECK_FALSE(IsFenced(brokers, replicas.front()));
    std::set<std::string> used;
    for (NodeId id : replicas) used.insert(RackOf(brokers, id));
    CHECK(used.size() == static_cast<size_t>(std::min(factor, rack_count)));
    for (const std::string& rack : used) {
      // Within a rack a fenced broker is only taken after all unfenced ones.
      bool fenced_used = false;
      bool unfenced_left = false;
      for (const PlacementBroker& broker : brokers) {
        if (broker.rack != rack) continue;
        const bool taken = std::find(replicas.begin(), replicas.end(), broker.id) != replicas.end();
        if (taken && broker.fenced) fenced_used = true;
        if (!taken && !broker.fenced) unfenced_left = true;
      }
      CHECK_FALSE((fenced_used && unfenced_left));
    }
  }
}

TEST_CASE("leaders and replicas are even where the racks are") {
  const uint64_t seed = GENERATE(range(1, 20));
  const auto brokers = Brokers({3, 3, 3});
  Xoshiro random(seed);
  auto placed = PlaceReplicas(brokers, 90, 3, random);
  REQUIRE(placed.ok());
  std::map<NodeId, int> leaders;
  std::map<NodeId, int> replicas;
  std::map<std::string, int> rack_leaders;
  for (const ReplicaList& list : *placed) {
    ++leaders[list.front()];
    ++rack_leaders[RackOf(brokers, list.front())];
    for (NodeId id : list) ++replicas[id];
  }
  REQUIRE(leaders.size() == 9);
  for (const auto& [rack, count] : rack_leaders) CHECK(count == 30);
  for (const auto& [id, count] : leaders) CHECK(count == 10);
  for (const auto& [id, count] : replicas) CHECK(count == 30);
}

TEST_CASE("without racks, leaders take turns and patterns don't repeat for ever") {
  std::vector<PlacementBroker> brokers;
  for (int id = 0; id < 5; ++id) brokers.push_back({NodeId(id), std::nullopt, false});
  Xoshiro random(3);
  auto placed = PlaceReplicas(brokers, 100, 3, random);
  REQUIRE(placed.ok());
  std::map<NodeId, int> leaders;
  for (const ReplicaList& list : *placed) ++leaders[list.front()];
  for (const auto& [id, count] : leaders) CHECK(count == 20);
  CHECK(std::set<ReplicaList>(placed->begin(), placed->end()).size() > 15);
}

TEST_CASE("the same seed places the same") {
  Xoshiro a(9);
  Xoshiro b(9);
  CHECK(*PlaceReplicas(Brokers({2, 3}), 20, 2, a) == *PlaceReplicas(Brokers({2, 3}), 20, 2, b));
}

TEST_CASE("what can't be placed is refused") {
  Xoshiro random(1);
  for (auto [brokers, factor] : std::vector<std::pair<std::vector<PlacementBroker>, int>>{
           {Brokers({3}), 4}, {{}, 1}, {Brokers({2}, {0, 1}), 1}, {Brokers({3}), 0}, {Brokers({3}), -2}}) {
    auto placed = PlaceReplicas(brokers, 1, factor, random);
    REQUIRE_FALSE(placed.ok());
    CHECK(KafkaErrorOf(placed.status()) == kInvalidReplicationFactor);
  }
}

}  // namespace
}  // namespace quorate::controller
