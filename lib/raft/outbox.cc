#include "raft/outbox.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/simulation.h"

namespace quorate::raft {

void Outbox::Stored(uint64_t sequence) {
  // A number that was never given out would open the gate for the future.
  if (sequence <= requested_) stored_ = std::max(stored_, sequence);
}

void Outbox::Send(Message message) {
  if (queue_.size() >= kHeldMax) return;
  queue_.push_back({requested_, std::move(message)});
}

void Outbox::WithdrawFetches() {
  std::erase_if(queue_, [](const Held& held) { return std::holds_alternative<FetchRequest>(held.message.body); });
}

std::vector<Message> Outbox::Take() {
  std::vector<Message> out;
  while (!queue_.empty() && (IsStored(queue_.front().needs) || QUORATE_MUTANT("M-01"))) {
    out.push_back(std::move(queue_.front().message));
    queue_.pop_front();
  }
  return out;
}

}  // namespace quorate::raft
