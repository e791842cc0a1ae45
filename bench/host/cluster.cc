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

absl::StatusOr<std::vector<int>> Ports(int count) {
  std::vector<int> ports = testing::FreePorts(count);
  if (ports.size() == static_cast<size_t>(count)) return ports;
  return absl::UnavailableError("there are not enough free ports on loopback; does another benchmark run?");
}

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
  const absl::StatusOr<std::vector<int>> ports = Ports(2 * options_.nodes);
  if (!ports.ok()) return ports.status();
  cluster_id_ = ClusterId(NewUuid());
  for (int id = 1; id <= options_.nodes; ++id) {
    client_ports_[id] = (*ports)[static_cast<size_t>(id - 1)];
    Voter voter;
    voter.key = {NodeId(id), DirectoryId(NewUuid())};
    const int port = (*ports)[static_cast<size_t>(options_.nodes + id - 1)];
    voter.endpoints = {{"CONTROLLER", "127.0.0.1", static_cast<uint16_t>(port)}};
    voters_.push_back(std::move(voter));
  }
  for (const Voter& voter : voters_) {
    const absl::Status formatted = FormatDirectory(PosixFileSystem(), directory(voter.key.id.value()),
                                                   {.cluster_id = cluster_id_,
                                                    .node_id = voter.key.id,
                                                    .directory_id = voter.key.directory,
                                                    .initial_voters = voters_});
    if (!formatted.ok()) return formatted;
  }
  return absl::OkStatus();
}

std::string Cluster::directory(int id) const { return absl::StrCat(root_, "/node-", id); }
std::string Cluster::log(int id) const { return absl::StrCat(root_, "/node-", id, ".log"); }

absl::Status Cluster::Start(int id, const std::vector<std::string>& wrapper) { return Launch(id, wrapper); }

absl::Status Cluster::Launch(int id, std::vector<std::string> wrapper, const std::vector<std::string>& flags) {
  std::vector<std::string> args = std::move(wrapper);
  args.insert(args.end(), options_.command.begin(), options_.command.end());
  args.insert(args.end(), {"--directory", directory(id), "--client-port", absl::StrCat(client_port(id))});
  args.insert(args.end(), flags.begin(), flags.end());
  std::unique_ptr<testing::Process> process = testing::Process::Start(args, log(id));
  if (process == nullptr) return absl::ErrnoToStatus(errno, absl::StrCat("can't start ", args.front()));
  CleanUpProcess(process->pid());
  processes_[id] = std::move(process);
  return absl::OkStatus();
}

absl::StatusOr<int> Cluster::StartObserver() {
  const absl::StatusOr<std::vector<int>> ports = Ports(2);
  if (!ports.ok()) return ports.status();
  const int id = static_cast<int>(client_ports_.size()) + 1;
  client_ports_[id] = ports->front();
  const absl::Status formatted = FormatDirectory(
      PosixFileSystem(), directory(id),
      {.cluster_id = cluster_id_, .node_id = NodeId(id), .directory_id = DirectoryId(NewUuid()), .initial_voters = {}});
  if (!formatted.ok()) return formatted;
  std::vector<std::string> flags = {"--listen", absl::StrCat("127.0.0.1:", ports->back())};
  for (const Voter& voter : voters_) {
    flags.insert(flags.end(), {"--bootstrap-server", voter.endpoints.front().Address()});
  }
  if (absl::Status launched = Launch(id, {}, flags); !launched.ok()) return launched;
  return id;
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
