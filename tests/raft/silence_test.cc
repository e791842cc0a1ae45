// The silence detector alone: rhythms in, timeouts out.
#include "raft/silence.h"

#include "base/xoshiro.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

using absl::Milliseconds;

// The defaults of QuorumTimeouts.
struct Listener {
  SilenceDetector detector{Milliseconds(150), Milliseconds(600), Milliseconds(30)};
  Instant now = Instant::FromNanos(1'000'000'000);
  void Beat(absl::Duration gap) {
    now = now + gap;
    detector.Heard(now);
  }
  void Steady(int beats, absl::Duration gap = Milliseconds(30)) {
    for (int i = 0; i < beats; ++i) Beat(gap);
  }
};

TEST_CASE("until a few beats were heard, the upper bound holds; a steady rhythm leads to the lower one") {
  Listener l;
  CHECK(l.detector.Timeout() == Milliseconds(600));
  l.Steady(5);
  CHECK(l.detector.Timeout() == Milliseconds(600));
  l.Steady(10);
  CHECK(l.detector.Timeout() == Milliseconds(150));
  l.detector.Reset();
  CHECK(l.detector.Timeout() == Milliseconds(600));
}

TEST_CASE("a later leader is trusted after three beats, with what was measured of the surroundings before") {
  Listener l;
  l.Steady(20);
  l.detector.Reset();
  l.Steady(3);  // the first one only begins
  CHECK(l.detector.Timeout() == Milliseconds(600));
  l.Steady(1);
  CHECK(l.detector.Timeout() == Milliseconds(150));

  // The weather is the same whoever leads.
  l.Beat(Milliseconds(130));
  const absl::Duration before = l.detector.Timeout();
  CHECK(before > Milliseconds(200));
  l.detector.Reset();
  l.Steady(4);
  CHECK(l.detector.Timeout() > before * 0.9);

  // A leader that is late itself shows it at once.
  l.detector.Reset();
  for (int i = 0; i < 4; ++i) l.Beat(Milliseconds(250));
  CHECK(l.detector.Timeout() > Milliseconds(400));
}

TEST_CASE("leaders that don't last teach something all the same") {
  Listener l;
  for (int leader = 0; leader < 3; ++leader) {
    l.Steady(3);  // two samples each, and never three
    CHECK(l.detector.Timeout() == Milliseconds(600));
    l.detector.Reset();
  }
  l.Steady(3);
  CHECK(l.detector.Timeout() == Milliseconds(600));
  l.Steady(1);
  CHECK(l.detector.Timeout() == Milliseconds(150));
}

TEST_CASE("an unsteady rhythm earns patience, in proportion, and a steady one loses it again slowly") {
  Xoshiro random(3);
  const auto with_jitter = [&](uint64_t ms) {
    Listener l;
    for (int i = 0; i < 300; ++i) l.Beat(Milliseconds(30 + random.Below(ms + 1)));
    return l.detector.Timeout();
  };
  CHECK(with_jitter(5) == Milliseconds(150));
  const absl::Duration some = with_jitter(60);
  const absl::Duration much = with_jitter(150);
  CHECK(some > Milliseconds(150));
  CHECK(much > some);
  CHECK(much <= Milliseconds(600));

  Listener l;
  for (int i = 0; i < 300; ++i) l.Beat(Milliseconds(30 + random.Below(151)));
  const absl::Duration before = l.detector.Timeout();
  l.Steady(33);  // one good second doesn't make a good machine
  CHECK(l.detector.Timeout() > before / 2);
  l.Steady(10 * 60 * 1000 / 30 + 2);  // ten good minutes do
  CHECK(l.detector.Timeout() == Milliseconds(150));
}

TEST_CASE("what is rare and comes back surprises only once") {
  // A packet gets lost every two minutes or so, and a retransmission takes a quarter of a second.
  Xoshiro random(5);
  Listener l;
  int surprises = 0;
  for (int minute = 0; minute < 60; minute += 2) {
    l.Steady(3000 + static_cast<int>(random.Below(1000)));
    const absl::Duration gap = Milliseconds(240 + random.Below(50));
    surprises += gap >= l.detector.Timeout() ? 1 : 0;
    l.Beat(gap);
  }
  CHECK(surprises == 1);
}

TEST_CASE("the timeout is longer than any gap that a jittery rhythm has shown in a while") {
  // What it is for: no needless election on a machine whose cores are saturated.
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Xoshiro random(seed);
    Listener l;
    const uint64_t jitter = 10 + random.Below(190);
    int needless = 0;
    for (int i = 0; i < 2000; ++i) {
      const absl::Duration gap = Milliseconds(30 + random.Below(jitter));
      needless += i > 50 && gap >= l.detector.Timeout() ? 1 : 0;
      l.Beat(gap);
    }
    INFO("seed " << seed << " jitter " << jitter);
    CHECK(needless == 0);
  }
}

TEST_CASE("one long gap counts for little, a pause of our own for nothing") {
  Listener l;
  l.Steady(100);
  l.Beat(absl::Seconds(30));
  CHECK(l.detector.Timeout() > Milliseconds(150));
  CHECK(l.detector.Timeout() < Milliseconds(400));

  Listener paused;
  paused.Steady(100);
  paused.now = paused.now + absl::Seconds(30);
  paused.detector.Interrupted();
  paused.Beat(Milliseconds(1));
  paused.Steady(3);
  CHECK(paused.detector.Timeout() == Milliseconds(150));
}

TEST_CASE("a burst of signs doesn't talk the estimate down") {
  Xoshiro random(8);
  Listener l;
  for (int i = 0; i < 300; ++i) l.Beat(Milliseconds(30 + random.Below(151)));
  const absl::Duration before = l.detector.Timeout();
  for (int i = 0; i < 5000; ++i) l.Beat(absl::Microseconds(20));  // a tenth of a second of load
  CHECK(l.detector.Timeout() > before * 0.9);
}

TEST_CASE("bounds that leave no room mean a fixed timeout") {
  Xoshiro random(4);
  SilenceDetector fixed(Milliseconds(600), Milliseconds(600), Milliseconds(100));
  SilenceDetector upside_down(Milliseconds(900), Milliseconds(600), Milliseconds(100));
  Instant now = Instant::FromNanos(1);
  for (int i = 0; i < 500; ++i) {
    now = now + Milliseconds(random.Below(400));
    fixed.Heard(now);
    upside_down.Heard(now);
    REQUIRE(fixed.Timeout() == Milliseconds(600));
    REQUIRE(upside_down.Timeout() == Milliseconds(600));
  }
}

}  // namespace
}  // namespace quorate::raft
