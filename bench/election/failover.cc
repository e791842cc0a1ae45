#include "failover.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <map>
#include <memory>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "quorate/system.h"
#include "sim_world.h"

namespace quorate::bench {
namespace {

constexpr absl::Duration kTrialLimit = absl::Seconds(30);

// The command that a member gets for a fault, and the one that undoes it; null where it is done with signals.
const char* CommandOf(Fault fault) {
  switch (fault) {
    case Fault::kCut:
      return "cut";
    case Fault::kDiskStall:
      return "stall";
    case Fault::kStop:
      return "stop";
    case Fault::kTransfer:
      return "transfer";
    case Fault::kKill:
    case Fault::kHang:
      break;
  }
  return nullptr;
}

// What was said since a fault began.
struct Story {
  struct Role {
    int member;
    std::string role;
    int32_t epoch;
    int64_t nanos;
  };
  std::vector<Role> roles;
  std::map<int, std::map<int32_t, int64_t>> leader_known;  // member -> epoch -> when
  std::map<int, std::map<int32_t, int64_t>> applied;
  std::map<int32_t, std::pair<int, int64_t>> acked;  // epoch -> by whom, when
  int64_t began = 0;
  int64_t call_ended = 0;
};

class Failovers {
 public:
  explicit Failovers(const FailoverOptions& options) : options_(options), members_(options.cluster.voters) {}
  absl::StatusOr<FailoverResult> Run();

 private:
  absl::Status AwaitReady(std::set<int> members);
  absl::Status Settle();
  // Who leads, by the word of all; sets silence_. 0: they don't agree at present.
  absl::StatusOr<int> AskStatus();
  absl::Status Trial(int leader);
  absl::Status Inject(int leader);
  void Listen(const Line& line);
  // The epoch in which everything that a trial waits for has happened; 0: not yet.
  [[nodiscard]] int32_t Finished() const;
  void Record(int32_t epoch);
  absl::Status Recover(int leader);

  const FailoverOptions& options_;
  const int members_;
  std::unique_ptr<Cluster> cluster_;
  FailoverResult result_;
  Story story_;
  std::set<int> in_reach_;  // of the trial: who is to know the new leader
  int32_t epoch_ = 0;       // the newest one that any member named
  absl::Duration silence_;
};

absl::Status Failovers::AwaitReady(std::set<int> members) {
  const Instant deadline = SystemClock()->Now() + kTrialLimit;
  while (!members.empty()) {
    absl::StatusOr<std::optional<Line>> line = cluster_->Next(deadline);
    if (!line.ok()) return line.status();
    if (!line->has_value()) {
      return absl::DeadlineExceededError(
          absl::StrCat("member ", *members.begin(), " could not read for 30 seconds; --log shows what it waits for"));
    }
    Listen(**line);
    if ((*line)->kind() == "ready") members.erase((*line)->member);
  }
  return absl::OkStatus();
}

absl::Status Failovers::Settle() {
  const Instant until = SystemClock()->Now() + options_.settle * (0.5 + Uniform(*SystemRandom()));
  while (true) {
    absl::StatusOr<std::optional<Line>> line = cluster_->Next(until);
    if (!line.ok()) return line.status();
    if (!line->has_value()) return absl::OkStatus();
    Listen(**line);
  }
}

absl::StatusOr<int> Failovers::AskStatus() {
  cluster_->TellAll("status");
  const Instant deadline = SystemClock()->Now() + kTrialLimit;
  std::set<int> leaders;
  std::set<int32_t> epochs;
  silence_ = absl::InfiniteDuration();
  for (int answers = 0; answers < members_;) {
    absl::StatusOr<std::optional<Line>> line = cluster_->Next(deadline);
    if (!line.ok()) return line.status();
    if (!line->has_value()) return absl::DeadlineExceededError("a member says nothing for 30 seconds");
    Listen(**line);
    if ((*line)->kind() != "status") continue;
    ++answers;
    epochs.insert((*line)->number(1));
    leaders.insert((*line)->number(2));
    if (const int32_t nanos = (*line)->number(3); nanos > 0) silence_ = std::min(silence_, absl::Nanoseconds(nanos));
  }
  if (leaders.size() != 1 || epochs.size() != 1 || *leaders.begin() < 1) return 0;
  if (epoch_ > 0 && *epochs.begin() > epoch_) ++result_.unexpected;
  epoch_ = *epochs.begin();
  return *leaders.begin();
}

absl::Status Failovers::Inject(int leader) {
  story_ = Story();
  in_reach_.clear();
  for (int id = 1; id <= members_; ++id) {
    if (id != leader || options_.fault == Fault::kTransfer || members_ == 1) in_reach_.insert(id);
  }
  story_.began = SystemClock()->Now().nanos();  // a command says itself when it was obeyed
  if (options_.cluster.log) absl::FPrintF(stderr, "%d %s node %d\n", story_.began, NameOf(options_.fault), leader);
  if (const char* command = CommandOf(options_.fault)) {
    cluster_->Tell(leader, command);
  } else {
    cluster_->Signal(leader, options_.fault == Fault::kKill ? SIGKILL : SIGSTOP);
  }
  if (members_ > 1) return absl::OkStatus();
  // Nobody takes over: how long until it serves again?
  if (absl::Status gone = cluster_->Reap(leader); !gone.ok()) return gone;
  return cluster_->Start(leader);
}

void Failovers::Listen(const Line& line) {
  if (line.nanos < story_.began) return;
  if (line.kind() == "role") {
    story_.roles.push_back({line.member, line.words[1], line.number(2), line.nanos});
  } else if (line.kind() == "leader") {
    story_.leader_known[line.member].try_emplace(line.number(1), line.nanos);
  } else if (line.kind() == "applied") {
    story_.applied[line.member].try_emplace(line.number(1), line.nanos);
  } else if (line.kind() == "acked") {
    story_.acked.try_emplace(line.number(1), line.member, line.nanos);
  } else if (line.kind() == "did") {
    story_.began = line.nanos;
  } else if (line.kind() == "ended") {
    story_.call_ended = line.nanos;
  }
}

int32_t Failovers::Finished() const {
  if (story_.acked.empty() || story_.acked.rbegin()->first <= epoch_) return 0;
  if (options_.fault == Fault::kTransfer && story_.call_ended == 0) return 0;
  const int32_t epoch = story_.acked.rbegin()->first;
  for (int member : in_reach_) {
    for (const auto* told : {&story_.leader_known, &story_.applied}) {
      const auto of = told->find(member);
      if (of == told->end() || of->second.lower_bound(epoch) == of->second.end()) return 0;
    }
  }
  return epoch;
}

void Failovers::Record(int32_t epoch) {
  const auto& [winner, acked_at] = story_.acked.at(epoch);
  int64_t known = 0, published = 0;
  for (int member : in_reach_) {
    known = std::max(known, story_.leader_known.at(member).lower_bound(epoch)->second);
    published = std::max(published, story_.applied.at(member).lower_bound(epoch)->second);
  }
  // Roles that came and went within one turn of the event loop were not seen: then the next one counts.
  int64_t leads = std::min(known, acked_at), candidate = INT64_MAX, noticed = INT64_MAX;
  for (const Story::Role& step : story_.roles) {
    const bool of_winner = step.member == winner && step.epoch == epoch;
    if (of_winner && step.role == "leader") leads = std::min(leads, step.nanos);
    if (of_winner && step.role == "candidate") candidate = std::min(candidate, step.nanos);
    const bool stands = step.role == "prospective" || step.role == "candidate";
    if (stands && in_reach_.count(step.member) > 0) noticed = std::min(noticed, step.nanos);
  }
  candidate = std::min(candidate, leads);
  noticed = std::min(noticed, candidate);
  const auto add = [&](Samples& samples, int64_t nanos) {
    samples.milliseconds.push_back(static_cast<double>(nanos - story_.began) / 1e6);
  };
  add(result_.noticed, noticed);
  add(result_.pre_vote_won, candidate);
  add(result_.vote_won, leads);
  add(result_.known_to_all, known);
  add(result_.first_write, acked_at);
  add(result_.published, published);
  if (story_.call_ended != 0) add(result_.call_returned, story_.call_ended);
  if (silence_ == absl::InfiniteDuration()) return;
  const double silence_ms = absl::ToDoubleMilliseconds(silence_);
  result_.silence.milliseconds.push_back(silence_ms);
  result_.silences_until_write.push_back(result_.first_write.milliseconds.back() / silence_ms);
}

absl::Status Failovers::Trial(int leader) {
  if (absl::Status injected = Inject(leader); !injected.ok()) return injected;
  const Instant deadline = SystemClock()->Now() + kTrialLimit;
  int32_t epoch = 0;
  while ((epoch = Finished()) == 0) {
    absl::StatusOr<std::optional<Line>> line = cluster_->Next(deadline);
    if (!line.ok()) return line.status();
    if (!line->has_value()) {
      return absl::DeadlineExceededError(absl::StrCat("no new leader served everybody within 30 seconds after the ",
                                                      NameOf(options_.fault), " of node ", leader,
                                                      "; --log shows what the members did"));
    }
    Listen(**line);
  }
  Record(epoch);
  epoch_ = epoch;
  return Recover(leader);
}

// Until the old leader has its place again, with everything that it missed.
absl::Status Failovers::Recover(int leader) {
  switch (options_.fault) {
    case Fault::kKill:
    case Fault::kStop:
      if (members_ == 1) break;  // it runs again already
      if (absl::Status gone = cluster_->Reap(leader); !gone.ok()) return gone;
      if (absl::Status started = cluster_->Start(leader); !started.ok()) return started;
      return AwaitReady({leader});  // a member that starts says so by itself
    case Fault::kHang:
      cluster_->Signal(leader, SIGCONT);
      break;
    case Fault::kCut:
      cluster_->Tell(leader, "heal");
      break;
    case Fault::kDiskStall:
      cluster_->Tell(leader, "unstall");
      break;
    case Fault::kTransfer:
      break;
  }
  cluster_->Tell(leader, "ready");
  return AwaitReady({leader});
}

absl::StatusOr<FailoverResult> Failovers::Run() {
  absl::StatusOr<std::unique_ptr<Cluster>> cluster = Cluster::Create(options_.cluster);
  if (!cluster.ok()) return cluster.status();
  cluster_ = *std::move(cluster);
  std::set<int> all;
  for (int id = 1; id <= members_; ++id) all.insert(id);
  if (absl::Status ready = AwaitReady(all); !ready.ok()) return ready;
  for (int trial = 1; trial <= options_.trials; ++trial) {
    int leader = 0;
    while (leader == 0) {
      if (absl::Status settled = Settle(); !settled.ok()) return settled;
      absl::StatusOr<int> asked = AskStatus();
      if (!asked.ok()) return asked.status();
      leader = *asked;
    }
    if (absl::Status done = Trial(leader); !done.ok()) return done;
    absl::FPrintF(stderr, "\r  %s, %d voters: trial %d of %d, first write after %.2f ms     ", NameOf(options_.fault),
                  members_, trial, options_.trials, result_.first_write.milliseconds.back());
  }
  absl::FPrintF(stderr, "\n");
  return std::move(result_);
}

}  // namespace

const char* NameOf(Fault fault) {
  switch (fault) {
    case Fault::kKill:
      return "kill";
    case Fault::kHang:
      return "hang";
    case Fault::kCut:
      return "cut";
    case Fault::kDiskStall:
      return "disk_stall";
    case Fault::kStop:
      return "stop";
    case Fault::kTransfer:
      return "transfer";
  }
  return "?";
}

absl::StatusOr<FailoverResult> RunFailovers(const FailoverOptions& options) { return Failovers(options).Run(); }

}  // namespace quorate::bench
