#include "raft/snapshot_reads.h"

#include <algorithm>
#include <utility>

namespace quorate::raft {
namespace {

bool SameQuestion(const Message& a, const Message& b) {
  const auto& x = std::get<SnapshotRequest>(a.body);
  const auto& y = std::get<SnapshotRequest>(b.body);
  return a.from_incarnation == b.from_incarnation && a.request_id == b.request_id && x.snapshot == y.snapshot &&
         x.position == y.position;
}

}  // namespace

void SnapshotReads::Ask(const Message& message) {
  const auto [at, is_new] = questions_.try_emplace(message.from);
  Question& question = at->second;
  if (is_new) {
    turns_.push_back(message.from);
  } else if (SameQuestion(question.message, message)) {
    return;
  } else if (question.read_id != 0) {
    question.changed = true;
  }
  question.message = message;
}

const Message* SnapshotReads::Next() const {
  if (turns_.empty() || running_ >= kRunningMax) return nullptr;
  return &questions_.at(turns_.front()).message;
}

void SnapshotReads::Begin(uint64_t id) {
  questions_.at(turns_.front()).read_id = id;
  turns_.pop_front();
  ++running_;
}

Message SnapshotReads::Drop() {
  Message message = std::move(questions_.at(turns_.front()).message);
  questions_.erase(turns_.front());
  turns_.pop_front();
  return message;
}

std::optional<Message> SnapshotReads::Finish(uint64_t id) {
  const auto at = std::find_if(questions_.begin(), questions_.end(),
                               [id](const auto& entry) { return entry.second.read_id == id; });
  if (id == 0 || at == questions_.end()) return std::nullopt;
  --running_;
  Question& question = at->second;
  question.read_id = 0;
  if (std::exchange(question.changed, false)) {
    turns_.push_back(at->first);
    return std::nullopt;
  }
  Message message = std::move(question.message);
  questions_.erase(at);
  return message;
}

void SnapshotReads::Clear() {
  questions_.clear();
  turns_.clear();
  running_ = 0;
}

}  // namespace quorate::raft
