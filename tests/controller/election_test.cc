// The election table (who leads) and the partition change engine (what is written).
#include "controller/election.h"

#include "controller/partition_change.h"
#include "support/catch.h"

namespace quorate::controller {
namespace {

ReplicaList Nodes(std::initializer_list<int> ids) {
  ReplicaList list;
  for (int id : ids) list.push_back(NodeId(id));
  return list;
}

PartitionInfo Partition(std::initializer_list<int> replicas, std::initializer_list<int> isr, int leader) {
  return {Nodes(replicas), Nodes(isr), NodeId(leader), 4, 9};
}

auto AcceptableAmong(const ReplicaList& active) {
  return [active](NodeId id) { return std::find(active.begin(), active.end(), id) != active.end(); };
}

TEST_CASE("who is elected") {
  struct Case {
    const char* name;
    PartitionInfo current;
    ReplicaList isr;
    ElectionMode mode;
    ReplicaList active;
    Election expected;
  };
  const auto online = ElectionMode::kOnline;
  const auto preferred = ElectionMode::kPreferred;
  const auto unclean = ElectionMode::kUnclean;
  const Case cases[] = {
      {"a good leader stays",
       Partition({1, 2, 3}, {1, 2, 3}, 2),
       Nodes({1, 2, 3}),
       online,
       Nodes({1, 2, 3}),
       {NodeId(2)}},
      {"preferred: the first",
       Partition({1, 2, 3}, {1, 2, 3}, 2),
       Nodes({1, 2, 3}),
       preferred,
       Nodes({1, 2, 3}),
       {NodeId(1)}},
      {"preferred but not in the ISR",
       Partition({1, 2, 3}, {2, 3}, 3),
       Nodes({2, 3}),
       preferred,
       Nodes({1, 2, 3}),
       {NodeId(3)}},
      {"preferred but fenced",
       Partition({1, 2, 3}, {1, 2, 3}, kNoNode.value()),
       Nodes({1, 2, 3}),
       preferred,
       Nodes({2, 3}),
       {NodeId(2)}},
      {"leader gone: the next in replica order",
       Partition({3, 1, 2}, {1, 2, 3}, 3),
       Nodes({1, 2}),
       online,
       Nodes({1, 2}),
       {NodeId(1)}},
      {"in the ISR but fenced", Partition({1, 2, 3}, {1, 2, 3}, 1), Nodes({2, 3}), online, Nodes({3}), {NodeId(3)}},
      {"active but not in the ISR", Partition({1, 2, 3}, {1}, 1), Nodes({1}), online, Nodes({2, 3}), {}},
      {"nobody at all", Partition({1, 2}, {1, 2}, 1), {}, online, {}, {}},
      {"unclean, with a clean candidate",
       Partition({1, 2, 3}, {1, 3}, 1),
       Nodes({3}),
       unclean,
       Nodes({2, 3}),
       {NodeId(3)}},
      {"unclean, without one", Partition({1, 2, 3}, {1}, 1), Nodes({1}), unclean, Nodes({2, 3}), {NodeId(2), true}},
      {"unclean, but nobody is active", Partition({1, 2}, {1}, 1), Nodes({1}), unclean, {}, {}},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    CHECK(Elect(c.current, c.isr, c.mode, AcceptableAmong(c.active)) == c.expected);
  }
}

TEST_CASE("what a change writes") {
  const PartitionId id{TopicId(Uuid(1, 1)), 0};
  SECTION("nothing, when nothing changes") {
    auto current = Partition({1, 2, 3}, {1, 2, 3}, 1);
    CHECK_FALSE(BuildPartitionChange(id, current, {Nodes({3, 1, 2}), {}, {}}, AcceptableAmong(Nodes({1, 2, 3}))));
  }
  SECTION("a shrunk ISR without a leader, so that the leader epoch stays") {
    auto record = BuildPartitionChange(id, Partition({1, 2, 3}, {1, 2, 3}, 1), {Nodes({3, 1}), {}, {}},
                                       AcceptableAmong(Nodes({1, 3})));
    REQUIRE(record);
    CHECK(record->isr == Nodes({1, 3}));
    CHECK_FALSE(record->leader);
    CHECK_FALSE(record->recovery);
  }
  SECTION("a new leader together with the ISR") {
    auto record = BuildPartitionChange(id, Partition({1, 2, 3}, {1, 2, 3}, 1), {Nodes({2, 3}), {}, {}},
                                       AcceptableAmong(Nodes({2, 3})));
    REQUIRE(record);
    CHECK(record->isr == Nodes({2, 3}));
    CHECK(record->leader == NodeId(2));
  }
  SECTION("F-B06: no leader, and the last ISR member kept") {
    auto record = BuildPartitionChange(id, Partition({1, 2}, {1}, 1), {{}, {}, {}}, AcceptableAmong(Nodes({2})));
    REQUIRE(record);
    CHECK_FALSE(record->isr);
    CHECK(record->leader == kNoNode);
    CHECK_FALSE(BuildPartitionChange(id, Partition({1, 2}, {1}, -1), {{}, {}, {}}, AcceptableAmong(Nodes({2}))));
  }
  SECTION("F-B06: an unclean leader is alone in the ISR and has to recover") {
    auto record = BuildPartitionChange(id, Partition({1, 2}, {1}, 1), {{}, ElectionMode::kUnclean, {}},
                                       AcceptableAmong(Nodes({2})));
    REQUIRE(record);
    CHECK(record->isr == Nodes({2}));
    CHECK(record->leader == NodeId(2));
    CHECK(record->recovery == LeaderRecoveryState::kRecovering);
  }
}

}  // namespace
}  // namespace quorate::controller
