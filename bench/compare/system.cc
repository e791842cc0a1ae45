#include "compare/system.h"

#include <errno.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "host/cleanup.h"
#include "support/wait.h"

namespace quorate::compare {

System::System(std::string folder, std::vector<int> ports, Tuning tuning)
    : folder_(std::move(folder)), ports_(std::move(ports)), tuning_(tuning), processes_(kNodes) {
  bench::CleanUpFolder(folder_);
}

System::~System() {
  KillAll();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
  bench::ForgetFolder(folder_);
}

std::string System::NodeFolder(int node) const { return absl::StrCat(folder_, "/node-", node + 1); }
std::string System::LogFile(int node) const { return absl::StrCat(folder_, "/node-", node + 1, ".log"); }

absl::Status System::Format() {
  KillAll();
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
  for (int node = 0; node < kNodes; ++node) {
    std::filesystem::create_directories(NodeFolder(node), error);
    if (error) {
      return absl::InternalError(absl::StrCat("can't make ", NodeFolder(node), ": ", error.message(),
                                              "; --directory or QUORATE_BENCH_FOLDER says where data goes"));
    }
    if (absl::Status status = FormatNode(node); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status System::Start(int node) {
  const std::vector<std::string> command = CommandLine(node);
  auto& process = processes_[static_cast<size_t>(node)];
  process = testing::Process::Start(command, LogFile(node));
  if (process == nullptr) return absl::ErrnoToStatus(errno, absl::StrCat("can't start ", command.front()));
  bench::CleanUpProcess(process->pid());
  return absl::OkStatus();
}

absl::Status System::StartAll() {
  for (int node = 0; node < kNodes; ++node) {
    if (absl::Status status = Start(node); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void System::Signal(int node, int signal) {
  if (auto& process = processes_[static_cast<size_t>(node)]) process->Signal(signal);
}

void System::Kill(int node) {
  auto& process = processes_[static_cast<size_t>(node)];
  if (process == nullptr) return;
  const pid_t pid = process->pid();
  process.reset();  // kills what still runs, and waits for it
  bench::ForgetProcess(pid);
}

void System::KillAll() {
  // All at once first: a node whose peers go one by one starts elections.
  for (int node = 0; node < kNodes; ++node) Signal(node, SIGKILL);
  for (int node = 0; node < kNodes; ++node) Kill(node);
}

absl::StatusOr<int> System::WaitUntilWhole(absl::Duration limit) {
  int leader = -1;
  const auto whole = [&] {
    std::vector<NodeState> states;
    for (int node = 0; node < kNodes; ++node) {
      const absl::StatusOr<NodeState> state = Ask(node);
      if (!state.ok()) return false;
      states.push_back(*state);
    }
    const auto leads = [](const NodeState& state) { return state.leads; };
    if (std::count_if(states.begin(), states.end(), leads) != 1) return false;
    const NodeState& first = *std::find_if(states.begin(), states.end(), leads);
    for (const NodeState& state : states) {
      if (!state.leads && (!state.follows || state.position < first.position)) return false;
      if (state.leads) leader = static_cast<int>(&state - states.data());
    }
    return true;
  };
  // Looked at once: a second look may meet a write between two of the answers.
  bool seen = false;
  testing::WaitUntil([&] { return seen = whole(); }, limit);
  if (seen) return leader;
  return absl::DeadlineExceededError(absl::StrCat("the three nodes didn't become one cluster within ",
                                                  absl::FormatDuration(limit), ". ", LastWords()));
}

absl::StatusOr<bench::Usage> System::TotalUsage() const {
  bench::Usage total;
  for (const auto& process : processes_) {
    if (process == nullptr) continue;
    const absl::StatusOr<bench::Usage> usage = bench::ReadUsage(process->pid());
    if (!usage.ok()) return usage.status();
    total += *usage;
  }
  return total;
}

std::string System::LastWords() {
  constexpr size_t kEnd = 600;
  std::string words;
  for (int node = 0; node < kNodes; ++node) {
    const auto& process = processes_[static_cast<size_t>(node)];
    if (process == nullptr || process->running()) continue;
    const std::string text = testing::ReadText(LogFile(node));
    absl::StrAppend(&words, "Node ", node + 1, " ended: …", text.substr(text.size() - std::min(text.size(), kEnd)));
  }
  return words;
}

std::unique_ptr<PutClient> System::Connect(const std::vector<int>& nodes, int connections) const {
  std::vector<int> lanes;
  for (int i = 0; i < connections; ++i) lanes.insert(lanes.end(), nodes.begin(), nodes.end());
  return MakeClient(lanes);
}

std::string FirstExisting(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored)) return path;
  }
  return "";
}

std::vector<Contender> AllContenders(const std::string& programs) {
  return {EtcdContender(),
          ZooKeeperContender(),
          CRaftContender(programs),
          QuorateContender(programs),
          QuorateGrpcContender(programs, ProposalMode::kUnary),
          QuorateGrpcContender(programs, ProposalMode::kStream)};
}

}  // namespace quorate::compare
