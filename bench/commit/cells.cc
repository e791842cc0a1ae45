#include "cells.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client_load.h"
#include "grpc_load.h"
#include "member.h"

namespace quorate::bench {
namespace {

constexpr std::pair<Path, const char*> kPaths[] = {{Path::kInProcess, "in_process"},
                                                   {Path::kInProcessAsync, "in_process_async"},
                                                   {Path::kEngine, "engine"},
                                                   {Path::kGrpcUnary, "grpc_unary"},
                                                   {Path::kGrpcStream, "grpc_stream"},
                                                   {Path::kForward, "forward"},
                                                   {Path::kGrpcEcho, "grpc_echo"},
                                                   {Path::kReadLeader, "read_leader"},
                                                   {Path::kReadFollower, "read_follower"}};
constexpr int kTries = 3;

bool Reads(const Cell& cell) { return cell.path == Path::kReadLeader || cell.path == Path::kReadFollower; }

// What is read must be there, and writing it isn't what is measured.
absl::Status FillRegisters(const Cell& cell, const RunningCluster& running) {
  LoadSpec fill = cell.load;
  fill.callers = 64;
  fill.rate = 0;
  fill.warm_up = 0;
  fill.seconds = 0.3;
  return RunClientLoad(fill, running.cluster->client_port(running.leader)).status();
}

absl::StatusOr<LoadResult> RunLoad(const Cell& cell, const RunningCluster& running) {
  LoadSpec load = cell.load;
  const int leader_port = running.cluster->client_port(running.leader);
  switch (cell.path) {
    case Path::kInProcess:
    case Path::kInProcessAsync:
      load.threads = cell.path == Path::kInProcess;
      return RunLoadInMember(load, leader_port);
    case Path::kEngine:
      return RunClientLoad(load, leader_port);
    case Path::kGrpcUnary:
      return RunGrpcLoad(load, running.cluster->endpoint(running.leader), ProposalMode::kUnary, false);
    case Path::kGrpcStream:
      return RunGrpcLoad(load, running.cluster->endpoint(running.leader), ProposalMode::kStream, false);
    case Path::kGrpcEcho:
      return RunEchoLoad(load, running.cluster->endpoint(running.leader));
    case Path::kForward:
      return RunGrpcLoad(load, running.cluster->endpoint(running.follower()), ProposalMode::kStream, true);
    case Path::kReadLeader:
    case Path::kReadFollower:
      break;
  }
  load.read = true;
  const int reader = cell.path == Path::kReadLeader ? running.leader : running.follower();
  return RunClientLoad(load, running.cluster->client_port(reader));
}

absl::StatusOr<Measured> RunOnce(const Settings& settings, const Cell& cell) {
  absl::StatusOr<RunningCluster> running = StartCluster(settings);
  if (!running.ok()) return running.status();
  if (Reads(cell)) {
    if (absl::Status filled = FillRegisters(cell, *running); !filled.ok()) return filled;
  }
  const absl::StatusOr<Usage> before = running->cluster->TotalUsage();
  if (!before.ok()) return before.status();
  absl::StatusOr<LoadResult> load = RunLoad(cell, *running);
  if (!load.ok()) return load.status();
  const absl::StatusOr<Usage> after = running->cluster->TotalUsage();
  if (!after.ok()) return after.status();
  if (load->failed > 0) {
    return absl::UnavailableError(absl::StrCat(load->failed, " of ", load->failed + load->succeeded,
                                               " calls failed; the first one: ", load->failure));
  }
  if (load->measured == 0) return absl::DeadlineExceededError("no call was answered within the time");
  Measured measured;
  const auto calls = static_cast<double>(load->succeeded);
  measured.cpu_ms_per_1000 = (after->cpu_ms - before->cpu_ms) * 1000 / calls;
  measured.disk_bytes_per_commit = static_cast<double>(after->disk_bytes - before->disk_bytes) / calls;
  measured.rss_mib = static_cast<double>(after->rss_bytes) / (1 << 20);
  measured.load = *std::move(load);
  return measured;
}

}  // namespace

absl::StatusOr<Path> ParsePath(absl::string_view name) {
  std::string known;
  for (const auto& [path, text] : kPaths) {
    if (name == text) return path;
    absl::StrAppend(&known, known.empty() ? "" : ", ", text);
  }
  return absl::InvalidArgumentError(absl::StrCat("'", name, "' is no path; there are ", known));
}

absl::string_view ToString(Path path) {
  for (const auto& [known, text] : kPaths) {
    if (path == known) return text;
  }
  return "unknown";
}

absl::StatusOr<RunningCluster> StartCluster(const Settings& settings, const std::vector<std::string>& wrapper) {
  ClusterOptions options;
  options.command = {settings.program, "member"};
  options.command.insert(options.command.end(), settings.node_flags.begin(), settings.node_flags.end());
  options.base = settings.directory;
  absl::StatusOr<std::unique_ptr<Cluster>> cluster = Cluster::Create(std::move(options));
  if (!cluster.ok()) return cluster.status();
  RunningCluster running;
  running.cluster = *std::move(cluster);
  for (int id = 1; id <= running.cluster->nodes(); ++id) {
    if (absl::Status started = running.cluster->Start(id, wrapper); !started.ok()) return started;
  }
  const absl::StatusOr<int> leader = running.cluster->WaitForLeader();
  if (!leader.ok()) return leader.status();
  running.leader = *leader;
  return running;
}

absl::StatusOr<Measured> RunCell(const Settings& settings, const Cell& cell) {
  absl::StatusOr<Measured> measured = absl::UnknownError("");
  for (int i = 0; i < kTries; ++i) {
    measured = RunOnce(settings, cell);
    if (measured.ok() || !absl::IsUnavailable(measured.status())) return measured;
  }
  return measured;
}

}  // namespace quorate::bench
