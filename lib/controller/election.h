// File: controller/election.h
//
// Who should lead a partition (kraft: KIP-631; unclean: KIP-106, KIP-704). A leader comes from the ISR,
// whose members have everything that was ever acknowledged; an unclean election trades that for
// availability and says so in its result.
//
// Pure functions.
#ifndef QUORATE_CONTROLLER_ELECTION_H_
#define QUORATE_CONTROLLER_ELECTION_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "quorate/metadata.h"

namespace quorate::controller {

enum class ElectionMode : uint8_t {
  kOnline,     // keep the leader if it will do, else the first replica that will
  kPreferred,  // the first replica of all if it will do, else as kOnline
  kUnclean,    // as kOnline, and if nobody will, the first acceptable replica outside the ISR
};

// May this broker lead? In general: registered, unfenced, not in controlled shutdown. Events override it
// for the broker that they are about, whose record isn't in the image yet.
using Acceptable = absl::FunctionRef<bool(NodeId)>;

struct Election {
  NodeId leader = kNoNode;
  bool unclean = false;
  friend bool operator==(const Election&, const Election&) = default;
};

// `isr` is the one that the partition is going to have; `current` the partition as it is.
Election Elect(const PartitionInfo& current, const ReplicaList& isr, ElectionMode mode, Acceptable acceptable);

}  // namespace quorate::controller

#endif  // QUORATE_CONTROLLER_ELECTION_H_
