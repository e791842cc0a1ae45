// kill -9, again and again, while clients write: nothing acknowledged is lost (P2), what clients saw is what one copy
// of the data could have said (P3), and everything heals (I-26).
#include <signal.h>

#include <iostream>

#include "absl/strings/str_cat.h"
#include "base/xoshiro.h"
#include "blackbox/checks.h"
#include "blackbox/load.h"
#include "support/catch.h"

namespace quorate::blackbox {
namespace {

TEST_CASE("Random nodes are killed under load: no acknowledged write is lost, and the history is linearizable (F-P01)",
          "[blackbox]") {
  const int kills = LongForm() ? 100 : 10;
  constexpr uint64_t kSeed = 20261122;
  Hosts hosts({"--segment-bytes", "65536", "--snapshot-bytes", "65536"});
  hosts.StartAll();
  History history;
  Xoshiro random(kSeed);
  int killed = 0, majorities_lost = 0;
  {
    Load load({.ports = hosts.client_ports(), .seed = kSeed}, &history);
    load.RequireProgress(100);
    while (killed < kills) {
      const int victim = 1 + static_cast<int>(random.Below(Hosts::kCount));
      std::vector<int> victims = {random.Below(3) == 0 ? hosts.WaitForLeader() : victim};
      // Two at once, so that nobody is left to go on for a moment.
      if (random.Below(5) == 0) victims.push_back(OthersThan(victims[0])[random.Below(2)]);
      for (const int id : victims) hosts.Kill(id);
      killed += static_cast<int>(victims.size());
      if (victims.size() == 2) {
        ++majorities_lost;
        load.LetPass(random.Below(300), absl::Milliseconds(500));
      } else if (random.Below(2) == 0) {
        load.RequireProgress(1 + random.Below(300));  // the two others go on
      }
      for (const int id : victims) hosts.Start(id);
      // Sometimes the next one is hit while this one still catches up.
      if (random.Below(3) != 0) hosts.WaitUntilServing(victims);
      load.RequireProgress(1 + random.Below(300));
      for (int id = 1; id <= Hosts::kCount; ++id) {
        INFO("node " << id << " ended by itself, see " << hosts.log(id));
        REQUIRE(hosts.running(id));
      }
    }
  }
  RequireSound(hosts, history);
  std::string snapshots;
  for (int id = 1; id <= Hosts::kCount; ++id) {
    const std::optional<Status> status = hosts.StatusOf(id);
    REQUIRE(status);
    REQUIRE(status->at("snapshot_end") != "0");  // they were taken, and the log trimmed, between the kills
    absl::StrAppend(&snapshots, " ", status->at("snapshot_end"), "/", status->at("log_start"));
    hosts.Stop(id);
  }
  std::cout << "kill -9: " << killed << " kills, " << majorities_lost << " of them took the majority; "
            << history.acknowledged() << " writes acknowledged, " << history.unknown() << " with an unknown outcome, "
            << history.calls() << " calls in the history of " << history.keys().size()
            << " keys; newest snapshot and start of the log:" << snapshots << "\n";
  hosts.Passed();
}

TEST_CASE("All three are killed at the same moment, again and again: everything acknowledged comes back (F-P01)",
          "[blackbox]") {
  const int rounds = LongForm() ? 20 : 3;
  constexpr uint64_t kSeed = 20261123;
  Hosts hosts({"--segment-bytes", "1048576"});
  hosts.StartAll();
  History history;
  Xoshiro random(kSeed);
  {
    // Each round leaves writes behind whose outcome nobody knows: not too many for one key.
    Load load({.ports = hosts.client_ports(), .seed = kSeed, .calls_per_generation = 500}, &history);
    for (int round = 0; round < rounds; ++round) {
      load.RequireProgress(100 + random.Below(500));
      for (int id = 1; id <= Hosts::kCount; ++id) hosts.Signal(id, SIGKILL);
      for (int id = 1; id <= Hosts::kCount; ++id) hosts.Kill(id);
      for (int id = 1; id <= Hosts::kCount; ++id) hosts.Start(id);
    }
    load.RequireProgress(100);
  }
  RequireSound(hosts, history);
  hosts.Passed();
}

}  // namespace
}  // namespace quorate::blackbox
