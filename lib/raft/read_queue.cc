#include "raft/read_queue.h"

#include <utility>

#include "base/simulation.h"
#include "quorate/limits.h"

namespace quorate::raft {

bool ReadQueue::Add(PendingRead read) {
  if (waiting_.size() + running_.size() >= limits::kPendingReadsMax) return false;
  (round_runs_ && QUORATE_MUTANT("M-28") ? running_ : waiting_).push_back(std::move(read));
  return true;
}

void ReadQueue::Cancel(uint64_t id) {
  const auto is_it = [id](const PendingRead& read) { return !read.asker.has_value() && read.id == id; };
  std::erase_if(waiting_, is_it);
  std::erase_if(running_, is_it);
}

void ReadQueue::BeginRound() {
  round_runs_ = true;
  running_.swap(waiting_);
}

std::vector<PendingRead> ReadQueue::EndRound() {
  round_runs_ = false;
  return std::exchange(running_, {});
}

void ReadQueue::AbandonRound() {
  running_.insert(running_.end(), waiting_.begin(), waiting_.end());
  waiting_ = EndRound();
}

std::vector<PendingRead> ReadQueue::TakeAll() {
  AbandonRound();
  return std::exchange(waiting_, {});
}

}  // namespace quorate::raft
