#include "cluster.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "quorate/storage_adapters.h"
#include "quorate/system.h"
#include "support/process.h"

namespace quorate::bench {

int32_t Line::number(size_t word) const {
  int32_t value = 0;
  return word < words.size() && absl::SimpleAtoi(words[word], &value) ? value : 0;
}

absl::StatusOr<std::unique_ptr<Cluster>> Cluster::Create(const ClusterOptions& options) {
  auto cluster = std::unique_ptr<Cluster>(new Cluster(options));
  if (absl::Status formatted = cluster->Format(); !formatted.ok()) return formatted;
  for (int member = 1; member <= options.voters; ++member) {
    if (absl::Status started = cluster->Start(member); !started.ok()) return started;
  }
  return cluster;
}

Cluster::~Cluster() {
  for (Member& member : members_) {
    if (member.pid > 0) kill(member.pid, SIGKILL);
  }
  for (Member& member : members_) {
    if (member.pid > 0) waitpid(member.pid, nullptr, 0);
    Forget(member);
  }
  std::error_code ignored;
  for (const Member& member : members_) std::filesystem::remove_all(member.directory, ignored);
  if (!directory_existed_) std::filesystem::remove(options_.directory, ignored);
}

absl::Status Cluster::Format() {
  std::error_code ignored;
  directory_existed_ = std::filesystem::exists(options_.directory, ignored);
  Random* random = SystemRandom();
  cluster_id_ = ClusterId(Uuid(random->Next(), random->Next()));
  const std::vector<int> ports = testing::FreePorts(options_.voters);
  if (static_cast<int>(ports.size()) < options_.voters) {
    return absl::ResourceExhaustedError("there are no free ports between 12000 and 30000; stop what holds them");
  }
  std::vector<Voter> voters;
  for (int id = 1; id <= options_.voters; ++id) {
    Member member;
    member.voter.key = {NodeId(id), DirectoryId(Uuid(random->Next(), random->Next()))};
    member.voter.endpoints = {{"CONTROLLER", "127.0.0.1", static_cast<uint16_t>(ports[static_cast<size_t>(id) - 1])}};
    member.directory = absl::StrCat(options_.directory, "/node-", id);
    voters.push_back(member.voter);
    members_.push_back(std::move(member));
  }
  for (const Member& member : members_) {
    DirectoryIdentity identity;
    identity.cluster_id = cluster_id_;
    identity.node_id = member.voter.key.id;
    identity.directory_id = member.voter.key.directory;
    identity.initial_voters = voters;
    if (absl::Status done = FormatDirectory(PosixFileSystem(), member.directory, identity); !done.ok()) return done;
  }
  return absl::OkStatus();
}

std::vector<std::string> Cluster::ArgumentsOf(const Member& member) const {
  std::vector<std::string> arguments = {
      options_.program,       "member",         "--cluster-id",
      cluster_id_.ToString(), "--id",           absl::StrCat(member.voter.key.id.value()),
      "--directory",          member.directory, "--timeouts",
      options_.timeouts,      "--load",         absl::StrCat(options_.load)};
  if (options_.log) arguments.push_back("--log");
  for (const Member& other : members_) {
    const Voter& voter = other.voter;
    arguments.push_back("--voter");
    arguments.push_back(
        absl::StrCat(voter.key.id.value(), "@", voter.endpoints.front().port, ":", voter.key.directory.ToString()));
  }
  return arguments;
}

absl::Status Cluster::Start(int id) {
  Member& member = At(id);
  std::vector<std::string> arguments = ArgumentsOf(member);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "can't make a pipe to a member");
  if (pipe2(out, O_CLOEXEC) != 0) {
    close(in[0]);
    close(in[1]);
    return absl::ErrnoToStatus(errno, "can't make a pipe from a member");
  }
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(126);
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  member.to_child = in[1];
  member.from_child = out[0];
  member.pid = pid;
  member.dying = false;
  member.partial.clear();
  if (pid > 0) return absl::OkStatus();
  Forget(member);
  return absl::ErrnoToStatus(errno, "can't start a member");
}

void Cluster::Forget(Member& member) {
  if (member.to_child >= 0) close(member.to_child);
  if (member.from_child >= 0) close(member.from_child);
  member.to_child = member.from_child = member.pid = -1;
}

void Cluster::Signal(int member, int signal) {
  if (At(member).pid <= 0) return;
  kill(At(member).pid, signal);
  if (signal == SIGKILL) At(member).dying = true;
}

absl::Status Cluster::Reap(int id) {
  Member& member = At(id);
  if (member.pid <= 0) return absl::OkStatus();
  const Instant deadline = SystemClock()->Now() + absl::Seconds(15);
  while (waitpid(member.pid, nullptr, WNOHANG) != member.pid) {
    if (SystemClock()->Now() > deadline) {
      return absl::DeadlineExceededError(absl::StrCat("member ", id, " was told to stop and runs on after 15 seconds"));
    }
    poll(nullptr, 0, 2);
  }
  Forget(member);
  return absl::OkStatus();
}

void Cluster::Tell(int id, const std::string& command) {
  Member& member = At(id);
  if (member.pid <= 0) return;
  if (command == "stop") member.dying = true;
  const std::string line = command + "\n";
  // A short line fits into the pipe; a member that ended is noticed when it is listened to.
  (void)!write(member.to_child, line.data(), line.size());
}

void Cluster::TellAll(const std::string& command) {
  for (int id = 1; id <= size(); ++id) Tell(id, command);
}

bool Cluster::TakeLines(Member& member) {
  char buffer[16 * 1024];
  const ssize_t got = read(member.from_child, buffer, sizeof(buffer));
  if (got <= 0) return false;
  member.partial.append(buffer, static_cast<size_t>(got));
  size_t end;
  while ((end = member.partial.find('\n')) != std::string::npos) {
    Line line;
    line.member = member.voter.key.id.value();
    line.words = absl::StrSplit(member.partial.substr(0, end), ' ');
    if (line.words.size() > 1 && absl::SimpleAtoi(line.words.back(), &line.nanos)) {
      line.words.pop_back();
      queue_.push_back(std::move(line));
    }
    member.partial.erase(0, end + 1);
  }
  return true;
}

absl::StatusOr<std::optional<Line>> Cluster::Next(Instant deadline) {
  while (queue_.empty()) {
    if (options_.cancelled->load()) return absl::CancelledError("stopped by a signal");
    std::vector<pollfd> polled;
    std::vector<Member*> owners;
    for (Member& member : members_) {
      if (member.from_child < 0) continue;
      polled.push_back({member.from_child, POLLIN, 0});
      owners.push_back(&member);
    }
    const absl::Duration left = deadline - SystemClock()->Now();
    if (left <= absl::ZeroDuration()) return std::nullopt;
    if (poll(polled.data(), polled.size(), static_cast<int>(absl::ToInt64Milliseconds(left)) + 1) <= 0) continue;
    for (size_t i = 0; i < polled.size(); ++i) {
      if (polled[i].revents == 0 || TakeLines(*owners[i])) continue;
      Member& ended = *owners[i];
      close(ended.from_child);
      ended.from_child = -1;
      if (ended.dying) continue;
      return absl::InternalError(
          absl::StrCat("member ", ended.voter.key.id.value(), " ended by itself; what it said about it is above"));
    }
  }
  Line line = std::move(queue_.front());
  queue_.pop_front();
  return line;
}

}  // namespace quorate::bench
