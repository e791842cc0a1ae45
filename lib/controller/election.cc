#include "controller/election.h"

#include <algorithm>

namespace quorate::controller {

Election Elect(const PartitionInfo& current, const ReplicaList& isr, ElectionMode mode, Acceptable acceptable) {
  auto valid = [&](NodeId replica) {
    return std::find(isr.begin(), isr.end(), replica) != isr.end() && acceptable(replica);
  };
  if (mode == ElectionMode::kPreferred && valid(current.replicas.front())) return {current.replicas.front()};
  if (current.leader != kNoNode && valid(current.leader)) return {current.leader};
  for (NodeId replica : current.replicas) {
    if (valid(replica)) return {replica};
  }
  if (mode == ElectionMode::kUnclean) {
    for (NodeId replica : current.replicas) {
      if (acceptable(replica)) return {replica, true};
    }
  }
  return {};
}

}  // namespace quorate::controller
