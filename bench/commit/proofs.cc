#include "proofs.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client_load.h"
#include "grpc_load.h"
#include "quorate/testing/linearizability.h"
#include "support/wait.h"

namespace quorate::bench {
namespace {

constexpr char kStrace[] = "/usr/bin/strace";

// The leak sanitizer, in a build that has it, can't look under a tracer, and says so with an exit code of its own.
std::string WithoutLeakCheck() {
  const char* options = std::getenv("ASAN_OPTIONS");
  return absl::StrCat("ASAN_OPTIONS=", options == nullptr ? "" : absl::StrCat(options, ":"), "detect_leaks=0");
}

// The count of a system call in the table of `strace -c -U calls,name`.
uint64_t CountOf(const std::string& table, absl::string_view call) {
  for (const absl::string_view line : absl::StrSplit(table, '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    uint64_t count = 0;
    if (words.size() == 2 && words[1] == call && absl::SimpleAtoi(words[0], &count)) return count;
  }
  return 0;
}

// A part of what happens at once while the history is recorded.
struct RecordedLoad {
  std::string what;
  int callers = 0;
  std::function<absl::StatusOr<LoadResult>()> run;
};

// Writers on each way that leads to the log, readers at each node.
std::vector<RecordedLoad> RecordedLoads(LoadSpec load, const RunningCluster& running) {
  const Cluster& cluster = *running.cluster;
  load.record = true;
  std::vector<RecordedLoad> loads;
  loads.push_back({"writes, a socket to the leader", load.callers,
                   [load, port = cluster.client_port(running.leader)] { return RunClientLoad(load, port); }});
  load.callers = std::max(1, load.callers / 4);
  const auto add_grpc = [&](std::string what, int to, ProposalMode mode) {
    ++load.seed;
    const bool forwarding = to != running.leader;
    loads.push_back({std::move(what), load.callers, [load, server = cluster.endpoint(to), mode, forwarding] {
                       return RunGrpcLoad(load, server, mode, forwarding);
                     }});
  };
  add_grpc("writes, gRPC stream to the leader", running.leader, ProposalMode::kStream);
  add_grpc("writes, gRPC unary to the leader", running.leader, ProposalMode::kUnary);
  add_grpc("writes, gRPC stream to a follower", running.follower(), ProposalMode::kStream);
  load.read = true;
  for (int id = 1; id <= cluster.nodes(); ++id) {
    ++load.seed;
    loads.push_back({absl::StrCat("reads, a socket to node ", id), load.callers,
                     [load, port = cluster.client_port(id)] { return RunClientLoad(load, port); }});
  }
  return loads;
}

}  // namespace

absl::Status CheckHistory(const Settings& settings, const LoadSpec& load, Results* results) {
  absl::StatusOr<RunningCluster> running = StartCluster(settings);
  if (!running.ok()) return running.status();
  const std::vector<RecordedLoad> loads = RecordedLoads(load, *running);
  std::vector<absl::StatusOr<LoadResult>> seen(loads.size(), absl::UnknownError("never ran"));
  std::vector<std::thread> threads;
  for (size_t i = 0; i < loads.size(); ++i) {
    threads.emplace_back([&loads, &seen, i] { seen[i] = loads[i].run(); });
  }
  for (std::thread& thread : threads) thread.join();
  Table table{"check",
              "The history of all these at once is linearizable",
              {"calls", "callers", "in the history", "refused"},
              {}};
  std::vector<testing::Operation> history;
  for (size_t i = 0; i < loads.size(); ++i) {
    if (!seen[i].ok()) return seen[i].status();
    table.rows.push_back({loads[i].what, loads[i].callers, seen[i]->history.size(), seen[i]->failed});
    if (seen[i]->history.empty()) return absl::InternalError(absl::StrCat(loads[i].what, ": nothing was recorded"));
    std::move(seen[i]->history.begin(), seen[i]->history.end(), std::back_inserter(history));
  }
  const testing::LinearizabilityVerdict verdict = testing::CheckLinearizable(history, testing::RegisterModel());
  if (!verdict.decided) return absl::InternalError("the search for an order of the history was given up");
  if (!verdict.linearizable) return absl::InternalError(absl::StrCat("NOT LINEARIZABLE: ", verdict.explanation));
  results->tables.push_back(std::move(table));
  results->figures["commit.check.operations"] = static_cast<double>(history.size());
  return absl::OkStatus();
}

absl::Status CountSyncs(const Settings& settings, const LoadSpec& load, Results* results) {
  const testing::CommandOutput strace = testing::RunCommand({kStrace, "-f", "-o", "/dev/null", "/bin/true"});
  if (strace.exit_code != 0) {
    results->notes.push_back(
        absl::StrCat("the syncs were not counted: strace isn't installed (apt-get install strace), ",
                     "or may not trace here. ", strace.text));
    return absl::OkStatus();
  }
  absl::StatusOr<RunningCluster> running =
      StartCluster(settings, {"/usr/bin/env", WithoutLeakCheck(), kStrace, "-D", "-f", "-q", "-c", "-U", "calls,name",
                              "-e", "trace=fdatasync,fsync"});
  if (!running.ok()) return running.status();
  Cluster& cluster = *running->cluster;
  absl::StatusOr<LoadResult> result = RunClientLoad(load, cluster.client_port(running->leader));
  if (!result.ok()) return result.status();
  // The tracer writes its table when its node has ended, into the node's log.
  std::vector<uint64_t> counts;
  for (int id = 1; id <= cluster.nodes(); ++id) {
    const pid_t pid = cluster.pid(id);
    if (absl::Status stopped = cluster.Stop(id); !stopped.ok()) return stopped;
    std::string table;
    testing::WaitUntil(
        [&] {
          table = testing::ReadText(cluster.log(id));
          return CountOf(table, "total") > 0;
        },
        absl::Seconds(10));
    if (CountOf(table, "total") == 0) return absl::InternalError(absl::StrCat("strace said nothing of process ", pid));
    counts.push_back(CountOf(table, "fdatasync"));
  }
  Table table{"syncs", "fdatasync calls of each node, one caller at a time", {"", "calls", "for each commit"}, {}};
  const auto commits = static_cast<double>(result->succeeded);
  table.rows.push_back({"acknowledged", result->succeeded, 1.0});
  for (size_t i = 0; i < counts.size(); ++i) {
    const bool leads = static_cast<int>(i) + 1 == running->leader;
    table.rows.push_back({absl::StrCat("node ", i + 1, leads ? ", the leader" : ""), counts[i],
                          static_cast<double>(counts[i]) / commits});
  }
  results->tables.push_back(std::move(table));
  // Each commit needs a majority of nodes that synced after its proposal and before its acknowledgement, and the next
  // one is proposed after that: no two commits share a sync. But the majority may be another one each time (a slow
  // follower syncs two of them at once), so that only the sum over the nodes has a bound.
  const uint64_t syncs = std::accumulate(counts.begin(), counts.end(), uint64_t{0});
  const uint64_t majority = counts.size() / 2 + 1;
  results->figures["commit.syncs_per_commit"] = static_cast<double>(syncs) / commits;
  if (syncs >= majority * result->succeeded) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(result->succeeded, " commits were acknowledged one by one, which takes ",
                                          majority * result->succeeded, " syncs, but the nodes made only ", syncs));
}

}  // namespace quorate::bench
