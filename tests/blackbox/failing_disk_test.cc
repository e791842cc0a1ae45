// Disks that say no, once: the node stops and says why, tries nothing again on that descriptor, and nothing that it
// acknowledged is lost (F-D08, F-D09, F-D10).
#include <signal.h>
#include <sys/resource.h>

#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/xoshiro.h"
#include "blackbox/checks.h"
#include "blackbox/load.h"
#include "blackbox/small_disk.h"
#include "blackbox/tracer.h"
#include "support/catch.h"
#include "support/wait.h"

namespace quorate::blackbox {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

// Counts what couldn't be tested on this machine, for all to see.
bool Skipped(const std::string& what, const std::string& obstacle) {
  static int skipped = 0;
  if (obstacle.empty()) return false;
  std::cout << "skipped (" << ++skipped << " so far): " << what << ": " << obstacle << '\n';
  return true;
}

std::string LastLine(const std::string& text) {
  const size_t end = text.find_last_not_of('\n');
  const size_t begin = text.rfind('\n', end);
  return text.substr(begin + 1, end - begin);
}

// The node ends by itself, with the code of a fault and `cause` as its last words.
void RequireFault(Hosts& hosts, int id, const std::string& cause) {
  const std::optional<testing::ProcessEnd> end = hosts.WaitForEnd(id, kPatience);
  const std::string said = testing::ReadText(hosts.log(id));
  INFO("node " << id << ", which should end because of: " << cause << "\n" << said);
  REQUIRE(end);
  REQUIRE(end->exit_code == 2);
  REQUIRE(absl::StartsWith(LastLine(said), "error: "));
  REQUIRE(absl::StrContains(LastLine(said), cause));
}

// Exactly one call failed, and its file wasn't touched again.
void RequireNoRetry(const std::vector<TracedCall>& calls) {
  size_t failed = calls.size();
  for (size_t i = 0; i < calls.size(); ++i) {
    if (!calls[i].injected) continue;
    REQUIRE(failed == calls.size());
    failed = i;
  }
  REQUIRE(failed < calls.size());
  for (size_t i = failed + 1; i < calls.size(); ++i) {
    INFO(calls[i].name << " of " << calls[i].file << " after its fdatasync failed");
    REQUIRE(calls[i].file != calls[failed].file);
  }
}

TEST_CASE("An fdatasync of the leader fails once: it stops, and doesn't try again (F-D09)", "[blackbox]") {
  if (Skipped("failing fdatasync", Tracer::Obstacle())) return;
  const NoLeakCheck no_leak_check;
  const int rounds = LongForm() ? 20 : 3;
  constexpr uint64_t kSeed = 20261127;
  Hosts hosts;
  hosts.StartAll();
  History history;
  Xoshiro random(kSeed);
  {
    Load load({.ports = hosts.client_ports(), .seed = kSeed}, &history);
    for (int round = 0; round < rounds; ++round) {
      load.RequireProgress(100);
      const int leader = hosts.WaitForLeader();
      const std::string inject = absl::StrCat("fdatasync:error=EIO:when=", 1 + random.Below(40));
      const std::unique_ptr<Tracer> tracer =
          Tracer::Attach(hosts.pid(leader), inject, hosts.path(absl::StrCat("trace-", round)));
      REQUIRE(tracer != nullptr);
      RequireFault(hosts, leader, "fdatasync");
      RequireNoRetry(tracer->Calls());
      load.RequireProgress(100);
      hosts.Start(leader);
      hosts.WaitUntilServing({leader});
    }
  }
  RequireSound(hosts, history);
  std::cout << "fdatasync of the leader fails: " << rounds << " times, never tried again; " << history.acknowledged()
            << " writes acknowledged\n";
  hosts.Passed();
}

TEST_CASE("A vote that can't be stored isn't given (F-D09, M-01)", "[blackbox]") {
  if (Skipped("failing fdatasync of a vote", Tracer::Obstacle())) return;
  const NoLeakCheck no_leak_check;
  Hosts hosts;
  hosts.StartAll();
  History history;
  {
    Load load({.ports = hosts.client_ports(), .seed = 3}, &history);
    load.RequireProgress(100);
    const int leader = hosts.WaitForLeader();
    const int broken = OthersThan(leader)[0];
    const std::string file = hosts.directory(broken) + "/quorum-state";
    const std::unique_ptr<Tracer> tracer =
        Tracer::Attach(hosts.pid(broken), "fdatasync:error=EIO:when=1", hosts.path("trace"), file);
    REQUIRE(tracer != nullptr);
    hosts.Kill(leader);
    RequireFault(hosts, broken, "fdatasync " + file);
    RequireNoRetry(tracer->Calls());
    hosts.Start(leader);
    load.RequireProgress(100);
    hosts.Start(broken);
    hosts.WaitUntilServing({broken});
  }
  RequireSound(hosts, history);
  hosts.Passed();
}

TEST_CASE("An fdatasync that fails while a node starts keeps it from serving, and harms nothing (F-P04, F-D09)",
          "[blackbox]") {
  if (Skipped("failing fdatasync at a start", Tracer::Obstacle())) return;
  const NoLeakCheck no_leak_check;
  const int syncs = LongForm() ? 12 : 4;
  Hosts hosts;
  hosts.StartAll();
  History history;
  int refused = 0;
  {
    Load load({.ports = hosts.client_ports(), .seed = 5}, &history);
    for (int sync = 1; sync <= syncs; ++sync) {
      load.RequireProgress(50);
      const int id = 1 + sync % Hosts::kCount;
      hosts.Kill(id);  // so that there is something to recover
      const size_t logged = testing::ReadText(hosts.log(id)).size();
      const std::string trace = hosts.path(absl::StrCat("trace-", sync));
      hosts.Start(id, Tracer::Wrapper(absl::StrCat("fdatasync:error=EIO:when=", sync), trace));
      // In the start, or with the first writes: sooner or later it meets the failure.
      const std::optional<testing::ProcessEnd> end = hosts.WaitForEnd(id, kPatience);
      const std::string said = testing::ReadText(hosts.log(id)).substr(logged);
      INFO("node " << id << ", fdatasync " << sync << "\n" << said);
      REQUIRE(end);
      REQUIRE((end->exit_code == 1 || end->exit_code == 2));
      REQUIRE(absl::StrContains(said, "error: "));
      REQUIRE(absl::StrContains(said, "fdatasync"));
      refused += end->exit_code == 1 ? 1 : 0;
      hosts.Start(id);
      hosts.WaitUntilServing({id});
    }
  }
  REQUIRE(refused > 0);
  RequireSound(hosts, history);
  hosts.Passed();
}

TEST_CASE("A full disk stops its node with a message, and it goes on when there is room again (F-D10)", "[blackbox]") {
  constexpr uint64_t kBytes = 6u << 20;
  Hosts hosts({"--segment-bytes", "1048576", "--snapshot-bytes", "0"});
  std::string obstacle;
  const std::unique_ptr<SmallDisk> disk = SmallDisk::Mount(hosts.directory(1), kBytes, &obstacle);
  if (Skipped("full disk", obstacle)) return hosts.Passed();
  hosts.StartAll();
  History history;
  {
    Load load({.ports = hosts.client_ports(), .seed = 7, .value_bytes = 8000}, &history);
    RequireFault(hosts, 1, "No space left on device");
    load.RequireProgress(100);
    hosts.WaitUntilServing({2, 3});
    // Not while the disk is full.
    hosts.Start(1);
    const std::optional<testing::ProcessEnd> again = hosts.WaitForEnd(1, kPatience);
    REQUIRE(again);
    REQUIRE(again->exit_code > 0);
    REQUIRE(absl::StrContains(LastLine(testing::ReadText(hosts.log(1))), "No space left on device"));
    REQUIRE(disk->Resize(64 * kBytes));
    hosts.Start(1);
    hosts.WaitUntilServing({1});
    load.RequireProgress(100);
  }
  RequireSound(hosts, history);
  hosts.Passed();
}

TEST_CASE("A write over the limit of file sizes is a failed write (F-D08)", "[blackbox]") {
  Hosts hosts({"--segment-bytes", "1048576", "--snapshot-bytes", "0"});
  hosts.StartAll();
  History history;
  {
    Load load({.ports = hosts.client_ports(), .seed = 9, .value_bytes = 4000}, &history);
    load.RequireProgress(20);
    const int leader = hosts.WaitForLeader();
    const rlimit limit{300'000, 300'000};  // less than a segment
    REQUIRE(::prlimit(hosts.pid(leader), RLIMIT_FSIZE, &limit, nullptr) == 0);
    RequireFault(hosts, leader, "File too large");
    load.RequireProgress(100);
    hosts.Start(leader);
    hosts.WaitUntilServing({leader});
  }
  RequireSound(hosts, history);
  hosts.Passed();
}

}  // namespace
}  // namespace quorate::blackbox
