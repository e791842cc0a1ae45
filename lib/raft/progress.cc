#include "raft/progress.h"

#include <algorithm>
#include <utility>

#include "base/simulation.h"
#include "quorate/limits.h"

namespace quorate::raft {

Progress::Arrival Progress::Classify(const Message& message, const FetchRequest& request) const {
  if (session_ == 0) return Arrival::kNewSession;
  if (message.from_incarnation != incarnation_) {
    return request.read_round > adopted_round_ ? Arrival::kNewSession : Arrival::kUnproven;
  }
  if (request.session == session_) return Arrival::kSameSession;
  return request.session > session_ ? Arrival::kNewSession : Arrival::kStale;
}

void Progress::Enter(const Message& message, const FetchRequest& request, uint64_t round) {
  if (session_ == 0 || incarnation_ != message.from_incarnation) adopted_round_ = round;
  incarnation_ = message.from_incarnation;
  session_ = request.session;
  in_flight_.clear();
  in_flight_bytes_ = 0;
  pending_read = 0;
}

bool Progress::Open(const Message& message, const FetchRequest& request, uint64_t round) {
  // A request of the same session may have been overtaken by a later one: only a new one proves a regression.
  const bool repeated = session_ == request.session && incarnation_ == message.from_incarnation;
  Enter(message, request, round);
  if (request.durable_end < durable_end_ && !repeated && !QUORATE_MUTANT("M-20")) {
    QUORATE_MARK("C-32");
    fenced_ = true;
  }
  open_ = !fenced_;
  if (fenced_) return false;
  credit_bytes_ = std::min(request.credit_bytes, limits::kFetchCreditBytesMax);
  send_position_ = request.fetch_offset;
  fetch_offset_ = request.fetch_offset;
  durable_end_ = std::max(durable_end_, request.durable_end);
  read_round_ = std::max(read_round_, request.read_round);
  told_high_watermark = request.high_watermark;
  told_read_round = request.read_round;
  return true;
}

void Progress::Refuse(const Message& message, const FetchRequest& request, uint64_t round) {
  Enter(message, request, round);
  open_ = false;
}

bool Progress::Acknowledge(const FetchRequest& request) {
  // What was never sent can't have arrived.
  if (request.fetch_offset > send_position_) return false;
  const bool news =
      request.fetch_offset > fetch_offset_ || request.durable_end > durable_end_ || request.read_round > read_round_;
  fetch_offset_ = std::max(fetch_offset_, request.fetch_offset);
  durable_end_ = std::max(durable_end_, request.durable_end);
  read_round_ = std::max(read_round_, request.read_round);
  while (!in_flight_.empty() && in_flight_.front().end <= fetch_offset_) {
    in_flight_bytes_ -= in_flight_.front().bytes;
    in_flight_.pop_front();
  }
  return news;
}

void Progress::Sent(Offset end, size_t bytes) {
  send_position_ = end;
  in_flight_.push_back({end, bytes});
  in_flight_bytes_ += bytes;
}

size_t Progress::SendRoom() const {
  if (!open_ || credit_bytes_ == 0) return 0;
  if (in_flight_bytes_ == 0) return credit_bytes_;
  return credit_bytes_ > in_flight_bytes_ ? credit_bytes_ - in_flight_bytes_ : 0;
}

Progress* ReplicaTable::FindOrAdd(const ReplicaKey& key, const VoterSet& voters, Instant now) {
  if (const Voter* voter = voters.Find(key)) return &replicas_[voter->key];
  const auto it = replicas_.find(key);
  if (it != replicas_.end()) return &it->second;
  if (replicas_.size() >= limits::kObserversMax) ExpireObservers(voters, now);
  if (replicas_.size() >= limits::kObserversMax) return nullptr;
  return &replicas_[key];
}

void ReplicaTable::AdoptKeys(const VoterSet& voters) {
  for (const Voter& voter : voters.voters()) {
    const auto old = replicas_.find(ReplicaKey{voter.key.id, DirectoryId()});
    if (old == replicas_.end() || old->first == voter.key) continue;
    replicas_.insert_or_assign(voter.key, std::move(old->second));
    replicas_.erase(old);
  }
}

const Progress* ReplicaTable::Find(const ReplicaKey& key) const {
  const auto it = replicas_.find(key);
  return it == replicas_.end() ? nullptr : &it->second;
}

void ReplicaTable::ExpireObservers(const VoterSet& voters, Instant now) {
  std::erase_if(replicas_, [&](const auto& entry) {
    const std::optional<Instant>& seen = entry.second.last_fetch;
    return !voters.Contains(entry.first) && (!seen.has_value() || now - *seen >= kObserverExpiry);
  });
}

}  // namespace quorate::raft
