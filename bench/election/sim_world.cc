#include "sim_world.h"

#include <cmath>

namespace quorate::bench {

double Uniform(Random& random) { return static_cast<double>(random.Next() >> 11) * 0x1.0p-53; }

absl::Duration Delay::Draw(Random& random) const {
  return absl::Microseconds(fixed_us - tail_us * std::log1p(-Uniform(random)));
}

absl::Duration Mixture::Draw(Random& random) const {
  absl::Duration drawn = usual.Draw(random);
  if (rare_share > 0 && Uniform(random) < rare_share) drawn += rare.Draw(random);
  return drawn;
}

World Lan() {
  return {.name = "lan",
          .caption = "LAN",
          .network = {.usual = {50, 10}, .rare_share = 0, .rare = {}},
          .disk = {.usual = {220, 60}, .rare_share = 0, .rare = {}},
          .crash_noticed = {300, 400},
          .pauses_per_second = 0,
          .pause = {}};
}

World BusyLan() {
  return {.name = "busy_lan",
          .caption = "busy LAN",
          .network = {.usual = {60, 100}, .rare_share = 1e-4, .rare = {200'000, 20'000}},
          .disk = {.usual = {300, 300}, .rare_share = 0.01, .rare = {5'000, 20'000}},
          .crash_noticed = {500, 2'000},
          .pauses_per_second = 2,
          .pause = {1'000, 12'000}};
}

World Wan() {
  return {.name = "wan",
          .caption = "WAN",
          .network = {.usual = {19'000, 2'000}, .rare_share = 1e-3, .rare = {240'000, 20'000}},
          .disk = {.usual = {300, 300}, .rare_share = 0.001, .rare = {5'000, 20'000}},
          .crash_noticed = {19'500, 2'500},
          .pauses_per_second = 0.2,
          .pause = {1'000, 10'000}};
}

}  // namespace quorate::bench
