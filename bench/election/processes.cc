#include "processes.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "quorate/storage_adapters.h"
#include "quorate/system.h"
#include "quorate/types.h"

namespace quorate::bench {
namespace {

constexpr absl::Duration kTrialTimeout = absl::Seconds(30);

// A port that was free a moment ago: the kernel doesn't hand it out again soon.
uint16_t FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  uint16_t port = 0;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0) {
    port = ntohs(address.sin_port);
  }
  close(fd);
  return port;
}

struct Event {
  NodeId member;
  std::string kind;
  int32_t epoch = 0;
  NodeId leader = kNoNode;
  int64_t nanos = 0;
};

// A child process: its pid, our ends of its pipes, and what it has said so far of its last line.
struct Member {
  ReplicaKey key;
  std::string directory;
  pid_t pid = -1;
  int to_child = -1;
  int from_child = -1;
  std::string partial;
};

class Cluster {
 public:
  explicit Cluster(const ProcessRunOptions& options) : options_(options) {}
  ~Cluster() {
    for (Member& member : members_) Kill(member);
  }

  absl::Status Create();
  absl::Status StartMember(Member& member);
  static void Kill(Member& member);
  Member& Find(NodeId id) { return members_[static_cast<size_t>(id.value()) - 1]; }
  std::vector<Member>& members() { return members_; }
  // The next thing that any member says; error after kTrialTimeout of silence.
  absl::StatusOr<Event> Next();

 private:
  static std::optional<Event> Parse(NodeId member, absl::string_view line);
  bool TakeLine(Member& member);

  const ProcessRunOptions& options_;
  ClusterId cluster_id_;
  std::vector<Voter> voters_;
  std::vector<Member> members_;
  std::vector<Event> queue_;
};

absl::Status Cluster::Create() {
  Random* random = SystemRandom();
  cluster_id_ = ClusterId(Uuid(random->Next(), random->Next()));
  for (int id = 1; id <= options_.voters; ++id) {
    Voter voter;
    voter.key = {NodeId(id), DirectoryId(Uuid(random->Next(), random->Next()))};
    voter.endpoints = {{"CONTROLLER", "127.0.0.1", FreePort()}};
    voters_.push_back(voter);
    Member member;
    member.key = voter.key;
    member.directory = absl::StrCat(options_.directory, "/node-", id);
    members_.push_back(std::move(member));
  }
  for (const Member& member : members_) {
    DirectoryIdentity identity;
    identity.cluster_id = cluster_id_;
    identity.node_id = member.key.id;
    identity.directory_id = member.key.directory;
    identity.initial_voters = voters_;
    absl::Status formatted = FormatDirectory(PosixFileSystem(), member.directory, identity);
    if (!formatted.ok()) return formatted;
  }
  return absl::OkStatus();
}

absl::Status Cluster::StartMember(Member& member) {
  std::vector<std::string> arguments = {options_.program,       "member",        "--cluster-id",
                                        cluster_id_.ToString(), "--id",          absl::StrCat(member.key.id.value()),
                                        "--directory",          member.directory};
  if (options_.log) arguments.push_back("--log");
  for (const Voter& voter : voters_) {
    arguments.push_back("--voter");
    arguments.push_back(
        absl::StrCat(voter.key.id.value(), "@", voter.endpoints.front().port, ":", voter.key.directory.ToString()));
  }
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  const pid_t pid = fork();
  if (pid < 0) return absl::ErrnoToStatus(errno, "fork");
  if (pid == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    execv(options_.program.c_str(), argv.data());
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  member.pid = pid;
  member.to_child = in[1];
  member.from_child = out[0];
  member.partial.clear();
  return absl::OkStatus();
}

void Cluster::Kill(Member& member) {
  if (member.pid < 0) return;
  kill(member.pid, SIGKILL);
  waitpid(member.pid, nullptr, 0);
  close(member.to_child);
  close(member.from_child);
  member.pid = -1;
}

std::optional<Event> Cluster::Parse(NodeId member, absl::string_view line) {
  const std::vector<std::string> words = absl::StrSplit(line, ' ');
  Event event;
  event.member = member;
  event.kind = words[0];
  int32_t leader = 0;
  bool good = false;
  if (words.size() == 2 && words[0] == "ready") {
    good = absl::SimpleAtoi(words[1], &event.nanos);
  } else if (words.size() == 4 && words[0] == "leader") {
    good = absl::SimpleAtoi(words[1], &event.epoch) && absl::SimpleAtoi(words[2], &leader) &&
           absl::SimpleAtoi(words[3], &event.nanos);
    event.leader = NodeId(leader);
  } else if (words.size() == 3 && words[0] == "acked") {
    good = absl::SimpleAtoi(words[1], &event.epoch) && absl::SimpleAtoi(words[2], &event.nanos);
  }
  if (!good) return std::nullopt;
  return event;
}

// Moves what the member has written into the queue. False when it has closed its end.
bool Cluster::TakeLine(Member& member) {
  char buffer[4096];
  const ssize_t got = read(member.from_child, buffer, sizeof(buffer));
  if (got <= 0) return false;
  member.partial.append(buffer, static_cast<size_t>(got));
  size_t end;
  while ((end = member.partial.find('\n')) != std::string::npos) {
    if (std::optional<Event> event = Parse(member.key.id, member.partial.substr(0, end))) queue_.push_back(*event);
    member.partial.erase(0, end + 1);
  }
  return true;
}

absl::StatusOr<Event> Cluster::Next() {
  const Instant deadline = SystemClock()->Now() + kTrialTimeout;
  while (queue_.empty()) {
    std::vector<pollfd> polled;
    std::vector<Member*> owners;
    for (Member& member : members_) {
      if (member.pid < 0) continue;
      polled.push_back({member.from_child, POLLIN, 0});
      owners.push_back(&member);
    }
    const absl::Duration left = deadline - SystemClock()->Now();
    if (left <= absl::ZeroDuration() || poll(polled.data(), polled.size(), absl::ToInt64Milliseconds(left) + 1) == 0) {
      return absl::DeadlineExceededError("no member said anything for 30 seconds");
    }
    for (size_t i = 0; i < polled.size(); ++i) {
      if (polled[i].revents == 0 || TakeLine(*owners[i])) continue;
      const NodeId id = owners[i]->key.id;
      Kill(*owners[i]);
      return absl::InternalError(absl::StrCat("member ", id.value(), " ended by itself; see its message above"));
    }
  }
  Event event = queue_.front();
  queue_.erase(queue_.begin());
  return event;
}

// Waits until `count` members said that they are ready and a leader of the newest epoch acknowledged a write.
absl::StatusOr<NodeId> AwaitSteady(Cluster& cluster, int ready_wanted, int32_t* epoch, bool need_ack) {
  int ready = 0;
  bool acked = !need_ack;
  NodeId leader = kNoNode;
  while (ready < ready_wanted || !acked || leader == kNoNode) {
    absl::StatusOr<Event> event = cluster.Next();
    if (!event.ok()) return event.status();
    if (event->kind == "ready") ++ready;
    if (event->kind == "leader" && event->epoch >= *epoch) {
      if (event->epoch > *epoch) acked = false;
      *epoch = event->epoch;
      leader = event->leader;
    }
    if (event->kind == "acked" && event->epoch == *epoch) acked = true;
  }
  return leader;
}

struct Trial {
  double known_to_all_ms = 0;
  double first_write_ms = 0;
  NodeId new_leader = kNoNode;
};

// Kills `leader` and follows what its survivors say.
absl::StatusOr<Trial> KillLeader(Cluster& cluster, NodeId leader, int32_t* epoch, bool log) {
  const int64_t killed_at = SystemClock()->Now().nanos();
  if (log) absl::FPrintF(stderr, "%d kill node %d\n", killed_at, leader.value());
  cluster.Kill(cluster.Find(leader));
  const size_t survivors = cluster.members().size() - 1;
  std::map<int32_t, std::map<NodeId, std::pair<NodeId, int64_t>>> known;  // epoch -> member -> (leader, when)
  std::map<int32_t, int64_t> acked;
  while (true) {
    absl::StatusOr<Event> event = cluster.Next();
    if (!event.ok()) return event.status();
    if (event->epoch <= *epoch) continue;
    if (event->kind == "leader") known[event->epoch].try_emplace(event->member, event->leader, event->nanos);
    if (event->kind == "acked") acked[event->epoch] = event->nanos;
    if (acked.empty()) continue;
    const auto& [new_epoch, acked_at] = *acked.rbegin();
    const auto& informed = known[new_epoch];
    if (informed.size() < survivors) continue;
    Trial trial;
    int64_t last_informed = 0;
    for (const auto& [member, what] : informed) {
      last_informed = std::max(last_informed, what.second);
      trial.new_leader = what.first;
    }
    trial.known_to_all_ms = static_cast<double>(last_informed - killed_at) / 1e6;
    trial.first_write_ms = static_cast<double>(acked_at - killed_at) / 1e6;
    *epoch = new_epoch;
    return trial;
  }
}

}  // namespace

absl::StatusOr<std::vector<Series>> RunProcesses(const ProcessRunOptions& options) {
  std::error_code ignored;
  const bool existed = std::filesystem::exists(options.directory, ignored);
  std::vector<Series> series = {{"SIGKILL -> new leader known to all survivors", {}},
                                {"SIGKILL -> first write acknowledged", {}}};
  absl::Status result = [&]() -> absl::Status {
    Cluster cluster(options);
    if (absl::Status created = cluster.Create(); !created.ok()) return created;
    for (Member& member : cluster.members()) {
      if (absl::Status started = cluster.StartMember(member); !started.ok()) return started;
    }
    int32_t epoch = 0;
    absl::StatusOr<NodeId> leader = AwaitSteady(cluster, options.voters, &epoch, /*need_ack=*/true);
    if (!leader.ok()) return leader.status();
    for (int kill = 1; kill <= options.kills; ++kill) {
      absl::StatusOr<Trial> trial = KillLeader(cluster, *leader, &epoch, options.log);
      if (!trial.ok()) return trial.status();
      series[0].milliseconds.push_back(trial->known_to_all_ms);
      series[1].milliseconds.push_back(trial->first_write_ms);
      absl::FPrintF(stderr, "\r  kill %d of %d: node %d leads after %.2f ms, first write after %.2f ms   ", kill,
                    options.kills, trial->new_leader.value(), trial->known_to_all_ms, trial->first_write_ms);
      if (absl::Status started = cluster.StartMember(cluster.Find(*leader)); !started.ok()) return started;
      leader = AwaitSteady(cluster, 1, &epoch, /*need_ack=*/false);
      if (!leader.ok()) return leader.status();
    }
    absl::FPrintF(stderr, "\n");
    return absl::OkStatus();
  }();
  if (!existed) std::filesystem::remove_all(options.directory, ignored);
  if (!result.ok()) return result;
  return series;
}

}  // namespace quorate::bench
