// election: how long until somebody leads again, and answers?
//
//   election                                   all of it: about half an hour
//   election --kill --trials 200               one fault, real processes, files, fsync, gRPC
//   election --hang --cut --timeouts both      several
//   election --kill --voters 1,3,5,7 --load 16
//   election --virtual 100000 --unequal-logs   virtual time
//   election --stability --stability-real 10   no needless election may happen; exit code 1 if one does
//   election --out results                     also JSON and pictures
//
// Figures are milliseconds on CLOCK_MONOTONIC. bench/README.md says what they mean and what bounds them.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "failover.h"
#include "member.h"
#include "report.h"
#include "stability.h"
#include "stability_real.h"
#include "support/machine.h"
#include "support/results.h"
#include "sweep.h"
#include "unequal_logs.h"

namespace quorate::bench {
namespace {

std::atomic<bool> cancelled{false};
void OnSignal(int) { cancelled = true; }

struct MemberFlags {
  std::string cluster_id;
  int id = 0;
  std::string directory;
  std::string timeouts = "default";
  int load = 0;
  std::vector<std::string> voters;  // id@port:directory-id
  bool log = false;
};

absl::StatusOr<MemberOptions> ReadMemberFlags(const MemberFlags& flags) {
  MemberOptions options;
  absl::StatusOr<ClusterId> cluster = ClusterId::Parse(flags.cluster_id);
  if (!cluster.ok()) return cluster.status();
  absl::StatusOr<QuorumTimeouts> timeouts = TimeoutsByName(flags.timeouts);
  if (!timeouts.ok()) return timeouts.status();
  options.cluster_id = *cluster;
  options.timeouts = *timeouts;
  options.directory = flags.directory;
  options.load = flags.load;
  options.log = flags.log;
  for (const std::string& text : flags.voters) {
    const std::vector<std::string> parts = absl::StrSplit(text, absl::ByAnyChar("@:"));
    int32_t id = 0;
    int32_t port = 0;
    if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &id) || !absl::SimpleAtoi(parts[1], &port)) {
      return absl::InvalidArgumentError(absl::StrCat("--voter ", text, " is not id@port:directory-id"));
    }
    absl::StatusOr<DirectoryId> directory = DirectoryId::Parse(parts[2]);
    if (!directory.ok()) return directory.status();
    Voter voter;
    voter.key = {NodeId(id), *directory};
    voter.endpoints = {{"CONTROLLER", "127.0.0.1", static_cast<uint16_t>(port)}};
    if (id == flags.id) options.self = voter.key;
    options.voters.push_back(std::move(voter));
  }
  return options;
}

void AddMemberFlags(CLI::App* member, MemberFlags* flags) {
  member->add_option("--cluster-id", flags->cluster_id)->required();
  member->add_option("--id", flags->id)->required();
  member->add_option("--directory", flags->directory)->required();
  member->add_option("--timeouts", flags->timeouts);
  member->add_option("--load", flags->load);
  member->add_option("--voter", flags->voters)->required();
  member->add_flag("--log", flags->log);
}

struct Flags {
  bool kill = false, hang = false, cut = false, disk_stall = false, stop = false, transfer = false;
  int trials = 50;
  std::vector<int> voters = {3};
  std::string timeouts = "default";
  int load = 0;
  int settle_ms = 1000;
  int virtual_elections = 0;
  bool unequal_logs = false;
  bool stability = false;
  double stability_real = 0;
  uint64_t seed = 1;
  bool quick = false;
  bool log = false;
  std::string directory;
  std::string out;
};

void AddFlags(CLI::App* app, Flags* flags) {
  app->add_flag("--kill", flags->kill, "the leader is killed with SIGKILL");
  app->add_flag("--hang", flags->hang, "it is stopped with SIGSTOP, and goes on afterwards");
  app->add_flag("--cut", flags->cut, "nothing it sends arrives any more, nor does it hear anything");
  app->add_flag("--disk-stall", flags->disk_stall, "its disk's writes stand still");
  app->add_flag("--stop", flags->stop, "it is shut down in order");
  app->add_flag("--transfer", flags->transfer, "it hands leadership over on request");
  app->add_option("--trials", flags->trials, "of each of these")->check(CLI::Range(1, 1'000'000));
  app->add_option("--voters", flags->voters, "how many voters: 1 to 7, several with commas")
      ->delimiter(',')
      ->check(CLI::Range(1, 7));
  app->add_option("--timeouts", flags->timeouts, "default, tuned or both")
      ->check(CLI::IsMember({"default", "tuned", "both"}));
  app->add_option("--load", flags->load, "callers that write beside it, 100 bytes each")->check(CLI::Range(0, 10'000));
  app->add_option("--settle", flags->settle_ms, "milliseconds between two trials, about")->check(CLI::Range(1, 60'000));
  app->add_option("--virtual", flags->virtual_elections, "so many elections under virtual time")
      ->check(CLI::Range(0, 10'000'000));
  app->add_flag("--unequal-logs", flags->unequal_logs, "Ongaro's experiment under virtual time, beside plain Raft");
  app->add_flag("--stability", flags->stability, "an hour of virtual time in each of six noisy worlds");
  app->add_option("--stability-real", flags->stability_real, "so many minutes with every core saturated")
      ->check(CLI::Range(0.0, 10'000.0));
  app->add_option("--seed", flags->seed, "of what runs under virtual time");
  app->add_flag("--quick", flags->quick, "every work for a second or so: does the program work?");
  app->add_flag("--log", flags->log, "members write their events to standard error, with times");
  app->add_option("--directory", flags->directory, "where data goes (default: a new folder in QUORATE_BENCH_FOLDER)");
  app->add_option("--out", flags->out, "a folder for JSON and pictures");
}

std::vector<Fault> FaultsOf(const Flags& flags) {
  std::vector<Fault> faults;
  if (flags.kill) faults.push_back(Fault::kKill);
  if (flags.hang) faults.push_back(Fault::kHang);
  if (flags.cut) faults.push_back(Fault::kCut);
  if (flags.disk_stall) faults.push_back(Fault::kDiskStall);
  if (flags.stop) faults.push_back(Fault::kStop);
  if (flags.transfer) faults.push_back(Fault::kTransfer);
  return faults;
}

// What runs when nothing was named: everything, but the ten minutes that want the machine for themselves.
void FillDefaults(Flags* flags) {
  const bool named = !FaultsOf(*flags).empty() || flags->virtual_elections > 0 || flags->unequal_logs ||
                     flags->stability || flags->stability_real > 0;
  if (!named) {
    flags->kill = flags->hang = flags->cut = flags->disk_stall = flags->stop = flags->transfer = true;
    flags->unequal_logs = flags->stability = true;
    flags->virtual_elections = 100'000;
    if (flags->quick) flags->stability_real = 1;
  }
  if (flags->quick) {
    flags->trials = std::min(flags->trials, 2);
    flags->settle_ms = std::min(flags->settle_ms, 100);
    flags->virtual_elections = std::min(flags->virtual_elections, 480);
    flags->stability_real = std::min(flags->stability_real, 2.0 / 60);
  }
}

class Program {
 public:
  Program(Flags flags, Results* results) : flags_(std::move(flags)), results_(results) {}
  absl::Status Run();
  [[nodiscard]] uint64_t needless() const { return needless_; }

 private:
  ClusterOptions ClusterFor(int voters, const std::string& timeouts) const;
  absl::Status RunFaults();
  absl::Status RunVirtual();
  absl::Status RunStabilities();

  const Flags flags_;
  Results* const results_;
  uint64_t needless_ = 0;
};

ClusterOptions Program::ClusterFor(int voters, const std::string& timeouts) const {
  ClusterOptions options;
  std::error_code ignored;
  options.program = std::filesystem::read_symlink("/proc/self/exe", ignored).string();
  options.directory =
      flags_.directory.empty() ? absl::StrCat(BenchFolder(), "/quorate-election-", getpid()) : flags_.directory;
  options.voters = voters;
  options.timeouts = timeouts;
  options.load = flags_.load;
  options.log = flags_.log;
  options.cancelled = &cancelled;
  return options;
}

absl::Status Program::RunFaults() {
  std::vector<Scenario> scenarios;
  std::vector<std::string> timeouts = {flags_.timeouts};
  if (flags_.timeouts == "both") timeouts = {"default", "tuned"};
  for (int voters : flags_.voters) {
    for (const std::string& name : timeouts) {
      for (Fault fault : FaultsOf(flags_)) {
        // One voter has nobody to take over: what can be measured is how long it takes to come back.
        if (voters == 1 && fault != Fault::kKill) {
          results_->notes.push_back(absl::StrCat("one voter: ", NameOf(fault), " left out, nobody could take over"));
          continue;
        }
        FailoverOptions options;
        options.cluster = ClusterFor(voters, name);
        options.fault = fault;
        options.trials = flags_.trials;
        options.settle = absl::Milliseconds(flags_.settle_ms);
        absl::StatusOr<FailoverResult> result = RunFailovers(options);
        if (!result.ok()) return result.status();
        scenarios.push_back({fault, name, voters, flags_.load, *std::move(result)});
      }
    }
  }
  AddScenarios(scenarios, results_);
  return absl::OkStatus();
}

absl::Status Program::RunVirtual() {
  if (flags_.virtual_elections > 0) {
    SweepOptions options;
    options.elections = flags_.virtual_elections;
    options.seed = flags_.seed;
    options.cancelled = &cancelled;
    if (absl::Status swept = RunSweep(options, results_); !swept.ok()) return swept;
  }
  if (!flags_.unequal_logs) return absl::OkStatus();
  UnequalLogsOptions options;
  options.seed = flags_.seed;
  options.cancelled = &cancelled;
  if (flags_.quick) options.trials = 10;
  return RunUnequalLogs(options, results_);
}

absl::Status Program::RunStabilities() {
  if (flags_.stability) {
    StabilityOptions options;
    options.seed = flags_.seed;
    options.cancelled = &cancelled;
    if (flags_.quick) options.span = absl::Minutes(1);
    absl::StatusOr<uint64_t> needless = RunStability(options, results_);
    if (!needless.ok()) return needless.status();
    needless_ += *needless;
  }
  if (flags_.stability_real > 0) {
    absl::StatusOr<uint64_t> needless =
        RunStabilityReal(ClusterFor(3, "default"), absl::Minutes(flags_.stability_real), results_);
    if (!needless.ok()) return needless.status();
    // In two seconds beside other tests a needless election is theirs as much as ours.
    if (!flags_.quick) needless_ += *needless;
  }
  return absl::OkStatus();
}

absl::Status Program::Run() {
  if (absl::Status done = RunFaults(); !done.ok()) return done;
  if (absl::Status done = RunVirtual(); !done.ok()) return done;
  return RunStabilities();
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "election: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace

int Main(int argc, char** argv) {
  CLI::App app("Measures elections: from the loss of a leader to the first acknowledged write of the next");
  Flags flags;
  AddFlags(&app, &flags);
  MemberFlags member;
  CLI::App* as_member = app.add_subcommand("member", "one voter; started by the benchmark itself")->group("");
  AddMemberFlags(as_member, &member);
  CLI11_PARSE(app, argc, argv);
  if (as_member->parsed()) {
    absl::StatusOr<MemberOptions> options = ReadMemberFlags(member);
    return options.ok() ? RunMember(*options) : Fail(options.status());
  }

  struct sigaction on_signal = {};
  on_signal.sa_handler = OnSignal;
  sigaction(SIGINT, &on_signal, nullptr);
  sigaction(SIGTERM, &on_signal, nullptr);
  signal(SIGPIPE, SIG_IGN);
  FillDefaults(&flags);
  Results results;
  results.benchmark = "election";
  results.title = "Elections and failovers";
  results.command = CommandLine(argc, argv);
  Program program(flags, &results);
  if (absl::Status done = program.Run(); !done.ok()) return Fail(done);
  if (absl::Status published = Publish(results, flags.out); !published.ok()) return Fail(published);
  if (program.needless() == 0) return 0;
  std::fprintf(stderr, "election: %llu needless elections in the stability run; there must be none\n",
               static_cast<unsigned long long>(program.needless()));
  return 1;
}

}  // namespace quorate::bench

int main(int argc, char** argv) { return quorate::bench::Main(argc, argv); }
