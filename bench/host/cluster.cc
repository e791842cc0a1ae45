#include "host/cluster.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "host/cleanup.h"
#include "quorate/storage_adapters.h"
#include "quorate/system.h"
#include "support/wait.h"

namespace quorate::bench {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

Uuid NewUuid() { return {SystemRandom()->Next(), SystemRandom()->Next()}; }

}  // namespace

absl::StatusOr<std::unique_ptr<Cluster>> Cluster::Create(ClusterOptions options) {
  std::unique_ptr<Cluster> cluster(new Cluster(std::move(options)));
  std::error_code error;
  std::filesystem::create_directories(cluster->options_.base, error);
  std::string root = absl::StrCat(cluster->options_.base, "/quorate-bench-XXXXXX");
  if (::mkdtemp(root.data()) == nullptr) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("no folder for data can be made in ", cluster->options_.base, "; --directory says where"));
  }
  cluster->root_ = root;
  CleanUpFolder(root);
  if (absl::Status formatted = cluster->Format(); !formatted.ok()) return formatted;
  return cluster;
}

Cluster::~Cluster() {
  for (auto& [id, process] : processes_) {
    ForgetProcess(process->pid());
    process.reset();
  }
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
  ForgetFolder(root_);
}

absl::Status Cluster::Format() {
  ports_ = testing::FreePorts(2 * options_.nodes);
  if (ports_.size() != static_cast<size_t>(2 * options_.nodes)) {
    return absl::UnavailableError("there are not enough free ports on loopback; does another benchmark run?");
  }
  cluster_id_ = ClusterId(NewUuid());
  for (int id = 1; id <= options_.nodes; ++id) {
    Voter voter;
    voter.key = {NodeId(id), DirectoryId(NewUuid())};
    const int port = ports_[static_cast<size_t>(options_.nodes + id - 1)];
    voter.endpoints = {{"CONTROLLER", "127.0.0.1", static_cast<uint16_t>(port)}};
    voters_.push_back(std::move(voter));
  }
  for (const Voter& voter : voters_) {
    if (absl::Status formatted = FormatOne(voter); !formatted.ok()) return formatted;
  }
  return absl::OkStatus();
}

absl::Status Cluster::FormatOne(const Voter& voter) const {
  return FormatDirectory(PosixFileSystem(), directory(voter.key.id.value()),
                         {.cluster_id = cluster_id_,
                          .node_id = voter.key.id,
                          .directory_id = voter.key.directory,
                          .initial_voters = voters_});
}

std::string Cluster::directory(int id) const { return absl::StrCat(root_, "/node-", id); }
std::string Cluster::log(int id) const { return absl::StrCat(root_, "/node-", id, ".log"); }

absl::Status Cluster::Start(int id, const std::vector<std::string>& wrapper) {
  std::vector<std::string> args = wrapper;
  args.insert(args.end(), options_.command.begin(), options_.command.end());
  args.insert(args.end(), {"--directory", directory(id), "--client-port", absl::StrCat(client_port(id))});
  std::unique_ptr<testing::Process> process = testing::Process::Start(args, log(id));
  if (process == nullptr) return absl::ErrnoToStatus(errno, absl::StrCat("can't start ", args.front()));
  CleanUpProcess(process->pid());
  processes_[id] = std::move(process);
  return absl::OkStatus();
}

absl::Status Cluster::StartAll() {
  for (int id = 1; id <= nodes(); ++id) {
    if (absl::Status started = Start(id); !started.ok()) return started;
  }
  return absl::OkStatus();
}

void Cluster::Kill(int id) {
  const auto found = processes_.find(id);
  if (found == processes_.end()) return;
  ForgetProcess(found->second->pid());
  processes_.erase(found);
}

absl::Status Cluster::Stop(int id) {
  testing::Process& process = *processes_.at(id);
  process.Signal(SIGTERM);
  const auto end = process.WaitForEnd(kPatience);
  Kill(id);
  if (end && end->signal == 0 && end->exit_code == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("node ", id, " did not stop in order: ", testing::ReadText(log(id))));
}

absl::Status Cluster::Reformat(int id) {
  std::error_code error;
  std::filesystem::remove_all(directory(id), error);
  if (error) return absl::InternalError(absl::StrCat("can't remove ", directory(id), ": ", error.message()));
  return FormatOne(voters_[static_cast<size_t>(id - 1)]);
}

absl::StatusOr<std::map<std::string, std::string>> Cluster::StatusOf(int id) {
  const std::unique_ptr<host::Client> client = host::Client::Connect(client_port(id));
  if (client == nullptr) return absl::UnavailableError(absl::StrCat("node ", id, " doesn't accept connections"));
  host::Command command;
  command.operation = host::Operation::kStatus;
  const std::optional<host::Answer> answer = client->Call(command, absl::Seconds(5));
  if (!answer || answer->result != host::Result::kOk) {
    return absl::UnavailableError(absl::StrCat("node ", id, " doesn't tell its status"));
  }
  return std::map<std::string, std::string>(absl::StrSplit(answer->payload, absl::ByAnyChar("=\n"), absl::SkipEmpty()));
}

bool Cluster::Writes(int id) const {
  const std::unique_ptr<host::Client> client = host::Client::Connect(client_port(id));
  if (client == nullptr) return false;
  host::Command write;
  write.operation = host::Operation::kWrite;
  write.key = "first";
  const std::optional<host::Answer> answer = client->Call(write, absl::Seconds(5));
  return answer && answer->result == host::Result::kOk;
}

absl::StatusOr<int> Cluster::WaitForLeader(absl::Duration limit) {
  int leader = 0;
  testing::WaitUntil(
      [&] {
        for (auto& [id, process] : processes_) {
          if (leader == 0 && process->running() && Writes(id)) leader = id;
        }
        return leader != 0;
      },
      limit);
  if (leader != 0) return leader;
  return absl::DeadlineExceededError(
      absl::StrCat("no node acknowledged a write within ", absl::FormatDuration(limit), ". ", LastWords()));
}

std::string Cluster::LastWords() const {
  constexpr size_t kEnd = 500;
  std::string words;
  for (const auto& [id, process] : processes_) {
    if (process->running()) continue;
    const std::string text = testing::ReadText(log(id));
    absl::StrAppend(&words, "Node ", id, " ended: …", text.substr(text.size() - std::min(text.size(), kEnd)));
  }
  return words.empty() ? "All of them run; is the machine very busy?" : words;
}

absl::StatusOr<Usage> Cluster::TotalUsage() const {
  Usage total;
  for (const auto& [id, process] : processes_) {
    const absl::StatusOr<Usage> usage = ReadUsage(process->pid());
    if (!usage.ok()) return usage.status();
    total += *usage;
  }
  return total;
}

}  // namespace quorate::bench
