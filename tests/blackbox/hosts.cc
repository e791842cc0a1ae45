#include "blackbox/hosts.h"

#include <signal.h>
#include <stdlib.h>

#include <filesystem>
#include <iostream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "quorate/storage_adapters.h"
#include "quorate/system.h"
#include "support/catch.h"
#include "support/wait.h"

namespace quorate::blackbox {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

Uuid NewUuid() { return {SystemRandom()->Next(), SystemRandom()->Next()}; }

}  // namespace

bool LongForm() {
  const char* value = ::getenv("QUORATE_BLACKBOX_LONG");
  return value != nullptr && absl::string_view(value) == "1";
}

std::vector<int> OthersThan(int id) {
  std::vector<int> others;
  for (int other = 1; other <= Hosts::kCount; ++other) {
    if (other != id) others.push_back(other);
  }
  return others;
}

Hosts::Hosts(std::vector<std::string> flags, const std::string& base) : flags_(std::move(flags)) {
  const std::filesystem::path place =
      base.empty() ? std::filesystem::temp_directory_path() : std::filesystem::path(base);
  std::string root = (place / "quorate-blackbox-XXXXXX").string();
  REQUIRE(::mkdtemp(root.data()) != nullptr);
  root_ = root;
  ports_ = testing::FreePorts(2 * kCount);
  REQUIRE(ports_.size() == 2 * kCount);
  const ClusterId cluster(NewUuid());
  std::vector<Voter> voters;
  for (int id = 1; id <= kCount; ++id) {
    Voter voter;
    voter.key = {NodeId(id), DirectoryId(NewUuid())};
    voter.endpoints = {
        {"CONTROLLER", "127.0.0.1", static_cast<uint16_t>(ports_[static_cast<size_t>(kCount + id - 1)])}};
    voters.push_back(std::move(voter));
  }
  for (const Voter& voter : voters) {
    const absl::Status formatted = FormatDirectory(PosixFileSystem(), directory(voter.key.id.value()),
                                                   {.cluster_id = cluster,
                                                    .node_id = voter.key.id,
                                                    .directory_id = voter.key.directory,
                                                    .initial_voters = voters});
    INFO(formatted.ToString());
    REQUIRE(formatted.ok());
  }
}

Hosts::~Hosts() {
  processes_.clear();
  if (!passed_ || ::getenv("QUORATE_KEEP_FILES") != nullptr) {
    std::cerr << (passed_ ? "kept: " : "kept the files of a test that failed: ") << root_ << '\n';
    return;
  }
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

std::string Hosts::directory(int id) const { return path(absl::StrCat("node-", id)); }
std::string Hosts::log(int id) const { return path(absl::StrCat("node-", id, ".log")); }

void Hosts::Start(int id, const std::vector<std::string>& wrapper) {
  std::vector<std::string> args = wrapper;
  args.insert(args.end(),
              {QUORATE_REGISTER_HOST, "--directory", directory(id), "--client-port", absl::StrCat(client_port(id))});
  args.insert(args.end(), flags_.begin(), flags_.end());
  processes_[id] = testing::Process::Start(args, log(id));
  REQUIRE(processes_[id] != nullptr);
}

void Hosts::StartAll() {
  for (int id = 1; id <= kCount; ++id) Start(id);
  WaitUntilServing({1, 2, 3});
}

void Hosts::Kill(int id) {
  Signal(id, SIGKILL);
  REQUIRE(processes_.at(id)->WaitForEnd(kPatience));
}

void Hosts::Signal(int id, int signal) { processes_.at(id)->Signal(signal); }

void Hosts::Stop(int id) {
  Signal(id, SIGTERM);
  const std::optional<testing::ProcessEnd> end = WaitForEnd(id, kPatience);
  INFO("node " << id << ", see " << log(id));
  REQUIRE(end);
  REQUIRE(end->signal == 0);
  REQUIRE(end->exit_code == 0);
}

std::optional<testing::ProcessEnd> Hosts::WaitForEnd(int id, absl::Duration limit) {
  return processes_.at(id)->WaitForEnd(limit);
}

bool Hosts::running(int id) {
  const auto found = processes_.find(id);
  return found != processes_.end() && found->second->running();
}

std::optional<Status> Hosts::StatusOf(int id, absl::Duration limit) {
  const std::unique_ptr<Client> client = Client::Connect(client_port(id));
  if (client == nullptr) return std::nullopt;
  Command command;
  command.operation = Operation::kStatus;
  const std::optional<Answer> answer = client->Call(command, limit);
  if (!answer || answer->result != Result::kOk) return std::nullopt;
  return Status(absl::StrSplit(answer->payload, absl::ByAnyChar("=\n"), absl::SkipEmpty()));
}

int Hosts::WaitForLeader() {
  int leader = 0;
  testing::WaitUntil(
      [&] {
        for (int id = 1; id <= kCount; ++id) {
          if (!running(id)) continue;
          const std::optional<Status> status = StatusOf(id);
          if (status && status->at("role") == "leader") leader = id;
        }
        return leader != 0;
      },
      kPatience);
  REQUIRE(leader != 0);
  return leader;
}

void Hosts::WaitUntilServing(const std::vector<int>& ids) {
  for (const int id : ids) {
    std::string last;
    const bool serving = testing::WaitUntil(
        [&] {
          const std::unique_ptr<Client> client = Client::Connect(client_port(id));
          Command read;
          const std::optional<Answer> answer = client == nullptr ? std::nullopt : client->Call(read, absl::Seconds(5));
          if (answer) last = answer->message();
          return (answer && answer->result == Result::kOk) || !running(id);
        },
        kPatience);
    INFO("node " << id << " doesn't serve, see " << log(id) << "; its last answer: " << last);
    REQUIRE(serving);
    REQUIRE(running(id));
  }
}

std::map<std::string, std::string> Hosts::ReadAll(int id, const std::vector<std::string>& keys) {
  constexpr size_t kUnderWay = 64;
  const std::unique_ptr<Client> client = Client::Connect(client_port(id));
  REQUIRE(client != nullptr);
  std::map<uint64_t, std::string> asked;
  std::map<std::string, std::string> values;
  const Instant deadline = SystemClock()->Now() + kPatience;
  for (size_t next = 0; values.size() < keys.size();) {
    while (next < keys.size() && asked.size() < kUnderWay) {
      Command read;
      read.key = keys[next];
      const std::optional<uint64_t> request = client->Send(read);
      REQUIRE(request);
      asked[*request] = keys[next++];
    }
    const std::optional<Answer> answer = client->Receive(deadline);
    REQUIRE(answer);
    INFO("node " << id << ": " << answer->message());
    REQUIRE(answer->result == Result::kOk);
    values[asked.at(answer->id)] = answer->payload;
    asked.erase(answer->id);
  }
  return values;
}

}  // namespace quorate::blackbox
