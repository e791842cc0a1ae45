// A leader that stands still for longer than its followers' patience and then goes on as if nothing had been (F-P06):
// what it was asked before, meanwhile and after must not be answered from its old state (M-27, M-28).
#include <signal.h>

#include <algorithm>
#include <iostream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/xoshiro.h"
#include "blackbox/checks.h"
#include "blackbox/load.h"
#include "blackbox/loyal_client.h"
#include "quorate/system.h"
#include "support/catch.h"
#include "support/wait.h"

namespace quorate::blackbox {
namespace {

constexpr int kElectionTimeoutMs = 300;
// Clients don't wait for a host that stands still: somebody has to see that the others go on.
constexpr absl::Duration kCallLimit = absl::Milliseconds(500);

// The pause is what the test is about, so nothing ends it early.
void LetTimePass(absl::Duration time) {
  const Instant until = SystemClock()->Now() + time;
  testing::WaitUntil([&] { return SystemClock()->Now() >= until; }, 2 * time);
}

int64_t Number(const Status& status, const std::string& name) {
  int64_t value = -1;
  REQUIRE(absl::SimpleAtoi(status.at(name), &value));
  return value;
}

// Stops the leader for ten election timeouts, with clients that stay connected to each node.
void PauseTheLeader(Hosts& hosts, History& history, int round) {
  const int leader = hosts.WaitForLeader();
  const std::optional<Status> before = hosts.StatusOf(leader);
  REQUIRE(before);
  const std::string prefix = absl::StrCat("p", round, "-");
  // Registers that the load writes as well.
  const std::vector<std::string> keys = {prefix + "0-2", prefix + "0-3", prefix + "0-6", prefix + "0-7"};
  Load load({.ports = hosts.client_ports(),
             .clients = 3,
             .seed = static_cast<uint64_t>(round),
             .keys = prefix,
             .calls_per_generation = UINT64_MAX,
             .call_limit = kCallLimit},
            &history);
  std::vector<std::unique_ptr<LoyalClient>> loyal;
  for (int id = 1; id <= Hosts::kCount; ++id) {
    loyal.push_back(LoyalClient::Start(hosts.client_port(id), absl::StrCat("l", id), keys, &history));
    REQUIRE(loyal.back() != nullptr);
  }
  const LoyalClient& of_leader = *loyal[static_cast<size_t>(leader - 1)];
  load.RequireProgress(100);
  REQUIRE(testing::WaitUntil([&] { return of_leader.served() > 20; }, absl::Seconds(10)));

  hosts.Signal(leader, SIGSTOP);
  const uint64_t answered_before = of_leader.answered();
  LetTimePass(absl::Milliseconds(10 * kElectionTimeoutMs));
  load.RequireProgress(10);  // a new leader commits, while the old one stands still
  const uint64_t asked_meanwhile = of_leader.asked() - answered_before;
  REQUIRE(asked_meanwhile > 100);
  hosts.Signal(leader, SIGCONT);

  const uint64_t answers_due = answered_before + asked_meanwhile;
  REQUIRE(testing::WaitUntil([&] { return of_leader.answered() >= answers_due; }, absl::Seconds(10)));
  hosts.WaitUntilServing({leader});
  load.RequireProgress(100);
  for (const auto& client : loyal) client->Stop();
  load.Stop();
  const std::optional<Status> after = hosts.StatusOf(leader);
  REQUIRE(after);
  REQUIRE(Number(*after, "epoch") > Number(*before, "epoch"));
  for (int id = 1; id <= Hosts::kCount; ++id) REQUIRE(hosts.running(id));
}

TEST_CASE("A leader that is stopped for ten election timeouts answers no read from its old state (F-P06)",
          "[blackbox]") {
  const int rounds = LongForm() ? 12 : 2;
  Hosts hosts({"--election-timeout-ms", absl::StrCat(kElectionTimeoutMs)});
  hosts.StartAll();
  History history;
  for (int round = 0; round < rounds; ++round) PauseTheLeader(hosts, history, round);
  RequireSound(hosts, history);
  // Followers have little to say to each other for all that time. Keepalive is no flood.
  for (int id = 1; id <= Hosts::kCount; ++id) {
    const std::string log = absl::AsciiStrToLower(testing::ReadText(hosts.log(id)));
    REQUIRE_FALSE(absl::StrContains(log, "too_many_pings"));
    REQUIRE_FALSE(absl::StrContains(log, "too many pings"));
  }
  std::cout << "SIGSTOP of the leader: " << rounds << " times for " << 10 * kElectionTimeoutMs << " ms; "
            << history.calls() << " calls in the history\n";
  hosts.Passed();
}

TEST_CASE("Nodes that are stopped for about as long as others are patient never serve what is old (F-P06)",
          "[blackbox]") {
  const int pauses = LongForm() ? 100 : 10;
  constexpr uint64_t kSeed = 20261124;
  Hosts hosts({"--election-timeout-ms", absl::StrCat(kElectionTimeoutMs)});
  hosts.StartAll();
  History history;
  Xoshiro random(kSeed);
  {
    Load load({.ports = hosts.client_ports(), .seed = kSeed, .call_limit = kCallLimit}, &history);
    load.RequireProgress(100);
    for (int pause = 0; pause < pauses; ++pause) {
      const int any = 1 + static_cast<int>(random.Below(Hosts::kCount));
      const int id = random.Below(3) != 0 ? hosts.WaitForLeader() : any;
      hosts.Signal(id, SIGSTOP);
      LetTimePass(absl::Milliseconds(20 + static_cast<int64_t>(random.Below(2 * kElectionTimeoutMs))));
      hosts.Signal(id, SIGCONT);
      load.LetPass(random.Below(200), absl::Milliseconds(300));
    }
    load.RequireProgress(100);
  }
  for (int id = 1; id <= Hosts::kCount; ++id) REQUIRE(hosts.running(id));
  RequireSound(hosts, history);
  hosts.Passed();
}

}  // namespace
}  // namespace quorate::blackbox
