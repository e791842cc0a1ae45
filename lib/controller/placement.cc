#include "controller/placement.h"

#include <algorithm>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/strings/str_cat.h"
#include "controller/errors.h"
#include "quorate/status.h"

namespace quorate::controller {
namespace {

template <typename T>
void Shuffle(std::vector<T>& items, Random& random) {
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random.Below(i)]);
}

// Where the placer is: which partition it places, and how often it has been round the racks.
struct Position {
  int64_t partition = 0;
  int64_t lap = 0;
};

// Brokers that take turns: each at most once for a partition, and each lap begins one further.
class Turns {
 public:
  void Add(NodeId broker) { brokers_.push_back(broker); }
  void Start(Random& random) {
    std::sort(brokers_.begin(), brokers_.end());
    if (!brokers_.empty()) offset_ = random.Below(brokers_.size());
  }
  void Reshuffle(Random& random) { Shuffle(brokers_, random); }

  // kNoNode when all had their turn for this partition.
  NodeId Next(const Position& at) {
    if (at.partition != partition_) {
      partition_ = at.partition;
      taken_ = 0;
    }
    if (taken_ == brokers_.size()) return kNoNode;
    return brokers_[(offset_ + static_cast<size_t>(at.lap) + taken_++) % brokers_.size()];
  }

 private:
  std::vector<NodeId> brokers_;
  size_t offset_ = 0;
  int64_t partition_ = -1;
  size_t taken_ = 0;  // for that partition
};

struct Rack {
  Turns unfenced;
  Turns fenced;

  NodeId Next(const Position& at) {
    const NodeId broker = unfenced.Next(at);
    return broker == kNoNode ? fenced.Next(at) : broker;
  }
};

class StripedPlacer {
 public:
  StripedPlacer(const std::vector<PlacementBroker>& brokers, Random& random) : random_(random) {
    absl::btree_map<std::optional<std::string>, Rack> by_name;
    for (const PlacementBroker& broker : brokers) {
      Rack& rack = by_name[broker.rack];
      (broker.fenced ? rack.fenced : rack.unfenced).Add(broker.id);
      if (!broker.fenced) ++unfenced_;
    }
    for (auto& [name, rack] : by_name) {
      rack.unfenced.Start(random_);
      rack.fenced.Start(random_);
      racks_.push_back(std::move(rack));
    }
    offset_ = racks_.empty() ? 0 : random_.Below(racks_.size());
  }

  // There must be an unfenced broker, and `count` brokers in all.
  ReplicaList Place(int32_t count) {
    if (placed_ == unfenced_ && unfenced_ > 1) {
      Shuffle(racks_, random_);
      for (Rack& rack : racks_) {
        rack.unfenced.Reshuffle(random_);
        rack.fenced.Reshuffle(random_);
      }
      placed_ = 0;
    }
    ReplicaList replicas;
    // The leader is of the rack whose turn it is, or of the next one that has an unfenced broker.
    size_t leader_rack = offset_;
    replicas.push_back(racks_[leader_rack].unfenced.Next(at_));
    while (replicas.front() == kNoNode) {
      leader_rack = (leader_rack + 1) % racks_.size();
      replicas.front() = racks_[leader_rack].unfenced.Next(at_);
    }
    // The others go round the racks; the leader's has had its turn in the first round.
    bool skipped = false;
    for (size_t rack = offset_; replicas.size() < static_cast<size_t>(count); rack = (rack + 1) % racks_.size()) {
      if (rack == leader_rack && !skipped) {
        skipped = true;
        continue;
      }
      const NodeId broker = racks_[rack].Next(at_);
      if (broker != kNoNode) replicas.push_back(broker);
    }
    ++placed_;
    ++at_.partition;
    at_.lap = at_.partition / static_cast<int64_t>(racks_.size());
    offset_ = (offset_ + 1) % racks_.size();
    return replicas;
  }

 private:
  Random& random_;
  std::vector<Rack> racks_;
  size_t offset_ = 0;
  int64_t unfenced_ = 0;
  int64_t placed_ = 0;  // since the last shuffle
  Position at_;
};

}  // namespace

std::vector<PlacementBroker> UsableBrokers(const MetadataImage& image) {
  std::vector<PlacementBroker> usable;
  image.ForEachBroker([&usable](const BrokerInfo& broker) {
    if (!broker.in_controlled_shutdown) usable.push_back({broker.id, broker.rack, broker.fenced});
    return true;
  });
  return usable;
}

absl::StatusOr<std::vector<ReplicaList>> PlaceReplicas(const std::vector<PlacementBroker>& brokers, int32_t partitions,
                                                       int32_t replication_factor, Random& random) {
  if (replication_factor <= 0) {
    return MakeKafkaError(kInvalidReplicationFactor,
                          absl::StrCat("The replication factor is ", replication_factor, "; it must be 1 or more."));
  }
  if (static_cast<size_t>(replication_factor) > brokers.size()) {
    return MakeKafkaError(
        kInvalidReplicationFactor,
        absl::StrCat("The target replication factor of ", replication_factor, " cannot be reached because only ",
                     brokers.size(), " broker(s) are registered."));
  }
  if (std::all_of(brokers.begin(), brokers.end(), [](const PlacementBroker& b) { return b.fenced; })) {
    return MakeKafkaError(kInvalidReplicationFactor, "All brokers are currently fenced.");
  }
  StripedPlacer placer(brokers, random);
  std::vector<ReplicaList> placed;
  placed.reserve(static_cast<size_t>(partitions));
  for (int32_t i = 0; i < partitions; ++i) placed.push_back(placer.Place(replication_factor));
  return placed;
}

}  // namespace quorate::controller
