// What the virtual-time forms draw their delays from: networks and disks as distributions.
//
// Messages travel on connections (TCP), so a lost packet isn't a lost message: it comes late, after a retransmission,
// and everything behind it on that connection waits for it. That is how "loss" is modelled here; on an idle connection
// there is nothing that would trigger a fast retransmission, so it costs a retransmission timeout (200 ms at least on
// Linux). Why not drop messages instead: the transport doesn't, and what is dropped silently is gentler to a failure
// detector than a connection that stands still.
#ifndef QUORATE_BENCH_ELECTION_SIM_WORLD_H_
#define QUORATE_BENCH_ELECTION_SIM_WORLD_H_

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "quorate/environment.h"

namespace quorate::bench {

// A fixed part and an exponential tail, in microseconds.
struct Delay {
  double fixed_us = 0;
  double tail_us = 0;
  absl::Duration Draw(Random& random) const;
};

// A distribution that is another one now and then.
struct Mixture {
  Delay usual;
  double rare_share = 0;  // of all draws
  Delay rare;             // added to the usual one
  absl::Duration Draw(Random& random) const;
};

struct World {
  absl::string_view name;     // of figures and files
  absl::string_view caption;  // for people
  Mixture network;            // one way; rare: a retransmission
  Mixture disk;               // write and fdatasync of a small batch; rare: a device that collects its garbage
  Delay crash_noticed;        // until a dead process's connections break at the other end
  // Every process stands still now and then: so often, for so long. What comes for it meanwhile waits.
  double pauses_per_second = 0;
  Delay pause;
};

// Uniform in [0, 1).
double Uniform(Random& random);

// Measured on a small machine: loopback, an SSD-backed volume, nothing else to do.
World Lan();
// The same with neighbours: packets get lost, disks hang for a moment, cores are taken away.
World BusyLan();
// Three regions 40 ms apart (round trip), over lines that lose one packet in a thousand.
World Wan();

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_ELECTION_SIM_WORLD_H_
