// election: how long until somebody leads again, and answers?
//
//   election                        50 kills of the leader, three processes, files, fsync, gRPC; and
//                                   10,000 elections under virtual time
//   election --kills 200 --json out.json
//
// Figures are milliseconds on CLOCK_MONOTONIC. bench/README.md says what they mean and what bounds them.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "member.h"
#include "processes.h"
#include "statistics.h"
#include "virtual_time.h"

namespace quorate::bench {
namespace {

struct MemberFlags {
  std::string cluster_id;
  int id = 0;
  std::string directory;
  std::vector<std::string> voters;  // id@port:directory-id
  bool log = false;
};

absl::StatusOr<MemberOptions> ReadMemberFlags(const MemberFlags& flags) {
  MemberOptions options;
  absl::StatusOr<ClusterId> cluster = ClusterId::Parse(flags.cluster_id);
  if (!cluster.ok()) return cluster.status();
  options.cluster_id = *cluster;
  options.directory = flags.directory;
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

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "election: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace

int Main(int argc, char** argv) {
  CLI::App app("Measures elections: from the leader's death to the next leader's first acknowledged write");
  ProcessRunOptions processes;
  VirtualRunOptions virtual_run;
  std::string json_path;
  app.add_option("--kills", processes.kills, "how often the leader is killed; 0 leaves the real processes out")
      ->check(CLI::Range(0, 1'000'000));
  app.add_option("--voters", processes.voters, "how many voters")->check(CLI::Range(3, 7));
  app.add_option("--directory", processes.directory, "where data goes (default: a new folder in the temporary one)");
  app.add_option("--virtual", virtual_run.elections, "elections under virtual time; 0 leaves them out")
      ->check(CLI::Range(0, 10'000'000));
  app.add_option("--seed", virtual_run.seed, "of the virtual run");
  app.add_flag("--log", processes.log, "members write their events to standard error, with times");
  app.add_option("--json", json_path, "also write figures and samples there");
  MemberFlags member;
  CLI::App* as_member = app.add_subcommand("member", "one voter; started by the benchmark itself")->group("");
  as_member->add_option("--cluster-id", member.cluster_id)->required();
  as_member->add_option("--id", member.id)->required();
  as_member->add_option("--directory", member.directory)->required();
  as_member->add_option("--voter", member.voters)->required();
  as_member->add_flag("--log", member.log);
  CLI11_PARSE(app, argc, argv);

  if (as_member->parsed()) {
    absl::StatusOr<MemberOptions> options = ReadMemberFlags(member);
    return options.ok() ? RunMember(*options) : Fail(options.status());
  }

  std::vector<Series> all;
  if (processes.kills > 0) {
    std::error_code error;
    processes.program = std::filesystem::read_symlink("/proc/self/exe", error).string();
    if (processes.directory.empty()) {
      processes.directory =
          absl::StrCat(std::filesystem::temp_directory_path(error).string(), "/quorate-election-", getpid());
    }
    std::fprintf(stderr, "%d processes, gRPC on loopback, files in %s, fsync on\n", processes.voters,
                 processes.directory.c_str());
    absl::StatusOr<std::vector<Series>> series = RunProcesses(processes);
    if (!series.ok()) return Fail(series.status());
    all.insert(all.end(), series->begin(), series->end());
  }
  if (virtual_run.elections > 0) {
    virtual_run.voters = processes.voters;
    std::fprintf(stderr, "%d elections under virtual time, seed %llu\n", virtual_run.elections,
                 static_cast<unsigned long long>(virtual_run.seed));
    absl::StatusOr<std::vector<Series>> series = RunVirtual(virtual_run);
    if (!series.ok()) return Fail(series.status());
    all.insert(all.end(), series->begin(), series->end());
  }
  std::printf("%s", Table(all).c_str());
  if (!json_path.empty()) {
    std::ofstream out(json_path);
    out << nlohmann::json{{"benchmark", "election"},  {"voters", processes.voters},
                          {"kills", processes.kills}, {"virtual_elections", virtual_run.elections},
                          {"seed", virtual_run.seed}, {"series", ToJson(all)}}
               .dump(2)
        << "\n";
    if (!out.good()) return Fail(absl::InternalError(absl::StrCat("can't write ", json_path)));
  }
  return 0;
}

}  // namespace quorate::bench

int main(int argc, char** argv) { return quorate::bench::Main(argc, argv); }
