#include "controller/sessions.h"

namespace quorate::controller {

void Sessions::Clear() {
  sessions_.clear();
  deadlines_.clear();
}

void Sessions::Touch(NodeId broker, Instant now) {
  Session& session = sessions_[broker];
  if (session.tracked) deadlines_.erase({session.valid_until, broker});
  session.valid_until = now + timeout_;
  if (session.tracked) deadlines_.insert({session.valid_until, broker});
}

void Sessions::SetMetadataOffset(NodeId broker, Offset offset) { sessions_[broker].metadata_offset = offset; }

void Sessions::SetShutdownOffset(NodeId broker, Offset offset) { sessions_[broker].shutdown_offset = offset; }

void Sessions::Track(NodeId broker) {
  Session& session = sessions_[broker];
  session.tracked = true;
  deadlines_.insert({session.valid_until, broker});
}

void Sessions::Untrack(NodeId broker) {
  auto it = sessions_.find(broker);
  if (it == sessions_.end() || !it->second.tracked) return;
  it->second.tracked = false;
  deadlines_.erase({it->second.valid_until, broker});
}

void Sessions::Forget(NodeId broker) {
  Untrack(broker);
  sessions_.erase(broker);
}

bool Sessions::Valid(NodeId broker, Instant now) const {
  auto it = sessions_.find(broker);
  return it != sessions_.end() && it->second.tracked && now <= it->second.valid_until;
}

Offset Sessions::MetadataOffset(NodeId broker) const {
  auto it = sessions_.find(broker);
  return it == sessions_.end() ? kNoOffset : it->second.metadata_offset;
}

std::optional<Offset> Sessions::ShutdownOffset(NodeId broker) const {
  auto it = sessions_.find(broker);
  return it == sessions_.end() ? std::nullopt : it->second.shutdown_offset;
}

std::vector<NodeId> Sessions::Stale(Instant now) const {
  std::vector<NodeId> stale;
  for (const auto& [valid_until, broker] : deadlines_) {
    if (now <= valid_until) break;
    stale.push_back(broker);
  }
  return stale;
}

Instant Sessions::NextDeadline() const {
  return deadlines_.empty() ? Instant::Infinite() : deadlines_.begin()->first + absl::Nanoseconds(1);
}

}  // namespace quorate::controller
