// The members as processes, seen from their parent: started, told, listened to, and stopped by their id.
//
// None outlives this object, and none the parent, however that ends (PR_SET_PDEATHSIG). A signal that asks the parent
// to stop ends the next wait with Cancelled, so that everything is undone in order.
//
// Single-threaded.
#ifndef QUORATE_BENCH_ELECTION_CLUSTER_H_
#define QUORATE_BENCH_ELECTION_CLUSTER_H_

#include <sys/types.h>

#include <atomic>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "quorate/environment.h"
#include "quorate/types.h"

namespace quorate::bench {

struct ClusterOptions {
  std::string program;    // our own path: it is started again as each member
  std::string directory;  // data directories go here; created, and removed at the end if it was not there
  int voters = 3;
  std::string timeouts = "default";
  int load = 0;
  bool log = false;
  const std::atomic<bool>* cancelled = nullptr;
};

// What a member said (member_trace.h).
struct Line {
  int member = 0;
  std::vector<std::string> words;  // at least one; without the time
  int64_t nanos = 0;
  [[nodiscard]] const std::string& kind() const { return words[0]; }
  [[nodiscard]] int32_t number(size_t word) const;  // 0 if it is none
};

class Cluster {
 public:
  // Formats the directories and starts all members.
  static absl::StatusOr<std::unique_ptr<Cluster>> Create(const ClusterOptions& options);
  ~Cluster();

  [[nodiscard]] int size() const { return static_cast<int>(members_.size()); }
  absl::Status Start(int member);
  void Signal(int member, int signal);
  // After it was killed, or told to stop: waits until it is gone.
  absl::Status Reap(int member);
  void Tell(int member, const std::string& command);
  void TellAll(const std::string& command);
  // The next thing that any member says; nullopt at `deadline`. An error when a member ended that nobody reaped, or
  // when the parent was told to stop.
  absl::StatusOr<std::optional<Line>> Next(Instant deadline);

 private:
  struct Member {
    Voter voter;
    std::string directory;
    pid_t pid = -1;
    int to_child = -1;
    int from_child = -1;
    std::string partial;  // of its last line
    bool dying = false;   // it is meant to end
  };

  explicit Cluster(const ClusterOptions& options) : options_(options) {}
  absl::Status Format();
  std::vector<std::string> ArgumentsOf(const Member& member) const;
  Member& At(int member) { return members_[static_cast<size_t>(member) - 1]; }
  // Moves what it has written into the queue. False when it has closed its end.
  bool TakeLines(Member& member);
  static void Forget(Member& member);

  const ClusterOptions options_;
  bool directory_existed_ = false;
  ClusterId cluster_id_;
  std::vector<Member> members_;
  std::deque<Line> queue_;
};

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_ELECTION_CLUSTER_H_
