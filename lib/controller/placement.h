// File: controller/placement.h
//
// Which brokers get the replicas of a new topic: Kafka's striped placer. Goals: replicas of one
// partition on different racks as far as there are racks; leaders evenly over racks and brokers; a
// fenced broker only where the replication factor needs it, and never first.
//
// Racks take turns, and within a rack its brokers; after as many partitions as there are unfenced brokers
// everything is shuffled, so that topics of any size don't repeat one pattern. One thing differs from
// Kafka, which moves on within all racks after each partition: with three racks of three, the same broker
// of each rack then leads until the next shuffle. Here the brokers move on once for each round of the
// racks, so that each leads once before any leads twice.
//
// Why not "sort brokers by load": two topics created at once would both pick the same empty broker, and
// a new broker would be buried by the first topic after its arrival.
//
// Pure, with the randomness passed in.
#ifndef QUORATE_CONTROLLER_PLACEMENT_H_
#define QUORATE_CONTROLLER_PLACEMENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quorate/environment.h"
#include "quorate/metadata.h"

namespace quorate::controller {

struct PlacementBroker {
  NodeId id = kNoNode;
  std::optional<std::string> rack;  // absent: brokers without a rack are one group of their own
  bool fenced = false;
};

// Registered and not in controlled shutdown.
std::vector<PlacementBroker> UsableBrokers(const MetadataImage& image);

// One replica list for each of `partitions`. INVALID_REPLICATION_FACTOR when the brokers don't suffice.
absl::StatusOr<std::vector<ReplicaList>> PlaceReplicas(const std::vector<PlacementBroker>& brokers, int32_t partitions,
                                                       int32_t replication_factor, Random& random);

}  // namespace quorate::controller

#endif  // QUORATE_CONTROLLER_PLACEMENT_H_
