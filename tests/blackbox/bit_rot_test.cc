// One flipped bit in what was acknowledged (F-D02): the node that has it refuses, with file and offset; it neither cuts
// its log nor passes the bytes on, and the others go on without it.
#include <filesystem>
#include <iostream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/xoshiro.h"
#include "blackbox/checks.h"
#include "blackbox/load.h"
#include "blackbox/segment_files.h"
#include "support/catch.h"
#include "support/wait.h"

namespace quorate::blackbox {
namespace {

constexpr size_t kValueBytes = 700;

std::vector<std::string> Flags() {
  return {"--segment-bytes", "65536", "--snapshot-bytes", "0", "--tail-cache-bytes", "16384"};
}

LoadOptions LoadOn(const Hosts& hosts, uint64_t seed) {
  return {.ports = hosts.client_ports(), .seed = seed, .value_bytes = kValueBytes, .keys = absl::StrCat(seed, "-")};
}

void WaitForSegments(Hosts& hosts, int id, size_t count) {
  REQUIRE(testing::WaitUntil([&] { return SegmentsOf(hosts.directory(id)).size() >= count; }, absl::Seconds(60)));
}

struct Damage {
  std::string file;
  uint64_t byte = 0;
  int bit = 0;
  uint64_t frame = 0;    // where the frame begins that holds it
  std::string reported;  // how a start says so
  void Toggle() const { FlipBit(file, byte, bit); }
};

enum Part { kSegmentHeader, kFrameHeader, kBatchHeader, kRecords, kParts };

Damage ChooseDamage(Xoshiro& random, const std::string& segment, Part part) {
  Damage damage;
  damage.file = segment;
  damage.bit = static_cast<int>(random.Below(8));
  if (part == kSegmentHeader) {
    damage.byte = random.Below(kSegmentHeaderBytes);
    return damage;
  }
  const std::vector<Frame> frames = FramesOf(segment);
  REQUIRE(frames.size() > 2);
  const Frame& frame = frames[random.Below(frames.size())];
  constexpr uint64_t kBatchHeaderBytes = 32;
  const uint64_t begin[] = {0, 0, kFrameHeaderBytes, kFrameHeaderBytes + kBatchHeaderBytes, frame.bytes};
  damage.byte = frame.position + begin[part] + random.Below(begin[part + 1] - begin[part]);
  damage.frame = frame.position;
  damage.reported = absl::StrCat("at byte ", frame.position, " (offset ", frame.base_offset, ")");
  return damage;
}

// Starts a node whose log is damaged, and checks how it refuses.
void RequireRefusal(Hosts& hosts, int id, const Damage& damage) {
  const std::string damaged = testing::ReadText(damage.file);
  const size_t logged = testing::ReadText(hosts.log(id)).size();
  hosts.Start(id);
  const std::optional<testing::ProcessEnd> end = hosts.WaitForEnd(id, absl::Seconds(30));
  const std::string said = testing::ReadText(hosts.log(id)).substr(logged);
  INFO("byte " << damage.byte << ", bit " << damage.bit << " of " << damage.file << "\n" << said);
  REQUIRE(end);
  REQUIRE(end->exit_code == 1);
  REQUIRE(said.find(absl::StrCat("error: ", damage.file)) != std::string::npos);
  REQUIRE(said.find(damage.reported) != std::string::npos);
  REQUIRE(said.find("Remedy") != std::string::npos);
  REQUIRE((testing::ReadText(damage.file) == damaged));
}

TEST_CASE("A bit that flipped in a closed segment keeps a stopped node from starting (F-D02)", "[blackbox]") {
  const int rounds = LongForm() ? 60 : 8;
  constexpr uint64_t kSeed = 20261125;
  Hosts hosts(Flags());
  hosts.StartAll();
  History history;
  Xoshiro random(kSeed);
  {
    Load load(LoadOn(hosts, kSeed), &history);
    WaitForSegments(hosts, 1, 4);
    for (int round = 0; round < rounds; ++round) {
      const int victim = 1 + static_cast<int>(random.Below(Hosts::kCount));
      WaitForSegments(hosts, victim, 4);
      hosts.Stop(victim);
      const std::vector<std::string> segments = SegmentsOf(hosts.directory(victim));
      const Damage damage =
          ChooseDamage(random, segments[random.Below(segments.size() - 1)], static_cast<Part>(round % kParts));
      damage.Toggle();
      RequireRefusal(hosts, victim, damage);
      load.RequireProgress(20);
      damage.Toggle();
      hosts.Start(victim);
      hosts.WaitUntilServing({victim});
    }
  }
  RequireSound(hosts, history);
  std::cout << "bit rot at rest: " << rounds << " bits, each refused with file and offset\n";
  hosts.Passed();
}

// A leader is made to read a damaged closed segment for a follower that was away. False: another one leads by now.
bool DamageUnderTheLeader(Hosts& hosts, History& history, Xoshiro& random) {
  Load load(LoadOn(hosts, random.Next() % 1'000'000), &history);
  load.RequireProgress(100);
  const int leader = hosts.WaitForLeader();
  const int follower = OthersThan(leader)[0], witness = OthersThan(leader)[1];
  hosts.Kill(follower);
  const size_t before = SegmentsOf(hosts.directory(leader)).size();
  WaitForSegments(hosts, leader, before + 4);
  // Whole behind what the follower has, and closed.
  const std::string segment = SegmentsOf(hosts.directory(leader))[before + 1];
  const Damage damage = ChooseDamage(random, segment, kRecords);
  damage.Toggle();
  if (hosts.WaitForLeader() != leader) {
    damage.Toggle();
    hosts.Start(follower);
    hosts.WaitUntilServing({follower});
    return false;
  }
  const size_t logged = testing::ReadText(hosts.log(leader)).size();
  hosts.Start(follower);
  const std::optional<testing::ProcessEnd> end = hosts.WaitForEnd(leader, absl::Seconds(30));
  const std::string said = testing::ReadText(hosts.log(leader)).substr(logged);
  INFO("byte " << damage.byte << ", bit " << damage.bit << " of " << damage.file << "\n" << said);
  REQUIRE(end);
  REQUIRE(end->exit_code == 2);
  REQUIRE(said.find(absl::StrCat(damage.file, ": at byte ", damage.frame)) != std::string::npos);
  // The other one has it whole.
  hosts.WaitUntilServing({follower, witness});
  load.RequireProgress(50);
  RequireRefusal(hosts, leader, damage);
  load.Stop();
  RequireSound(hosts, history, {follower, witness});
  damage.Toggle();
  hosts.Start(leader);
  hosts.WaitUntilServing({leader});
  return true;
}

TEST_CASE("A bit that flipped under a running leader is never sent to a follower (F-D02)", "[blackbox]") {
  const int rounds = LongForm() ? 10 : 1;
  constexpr uint64_t kSeed = 20261126;
  Hosts hosts(Flags());
  hosts.StartAll();
  History history;
  Xoshiro random(kSeed);
  int done = 0;
  for (int tries = 0; done < rounds && tries < 3 * rounds; ++tries) {
    if (DamageUnderTheLeader(hosts, history, random)) ++done;
  }
  REQUIRE(done == rounds);
  RequireSound(hosts, history);
  std::cout << "bit rot under a leader: " << rounds << " bits, none of them sent\n";
  hosts.Passed();
}

}  // namespace
}  // namespace quorate::blackbox
