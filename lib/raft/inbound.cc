// What all messages have in common: who may speak to us, in which epoch, and who leads it.
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/overloaded.h"
#include "base/simulation.h"
#include "raft/core_impl.h"

namespace quorate::raft {
namespace {

// Epochs move one by one, with an election each. Whoever speaks of one that is further away than sixteen million
// elections has lost a bit, and to follow it would be to use up the epochs there are (F-N17).
constexpr int64_t kEpochJumpMax = 1 << 24;

}  // namespace

void CoreImpl::SendRequest(const ReplicaKey& to, uint64_t request_id, MessageBody body) {
  outbox_.Send(Message{.cluster_id = config_.cluster_id,
                       .from = config_.self,
                       .from_incarnation = config_.incarnation,
                       .to = to,
                       .request_incarnation = config_.incarnation,
                       .request_id = request_id,
                       .body = std::move(body)});
}

// By its id alone: our voter set may be so old that it names a disk which that node no longer has (F-D16), and to
// refuse to be served by its successor would keep the set old for ever. Only a vote, and what a leader says of itself,
// is meant for one disk (F-N10).
void CoreImpl::AskLeader(uint64_t request_id, MessageBody body) {
  SendRequest(ReplicaKey{leader_.id, DirectoryId()}, request_id, std::move(body));
}

void CoreImpl::Reply(const Message& request, MessageBody body) {
  outbox_.Send(Message{.cluster_id = config_.cluster_id,
                       .from = config_.self,
                       .from_incarnation = config_.incarnation,
                       .to = request.from,
                       .request_incarnation = request.from_incarnation,
                       .request_id = request.request_id,
                       .body = std::move(body)});
}

LeaderInfo CoreImpl::LeaderForPeers() const {
  // A Prospective node remembers a leader that it can't hear, a Resigned one remembers itself: neither is news.
  const bool knows = role_ == ReplicaRole::kLeader || (role_ == ReplicaRole::kFollower && !leader_deposed_);
  return knows ? leader_ : LeaderInfo();
}

std::vector<Endpoint> CoreImpl::EndpointsOf(NodeId id) const {
  // Where we are we know better than a record does that was written when we were elsewhere.
  if (id == config_.self.id && !config_.advertised_endpoints.empty()) return config_.advertised_endpoints;
  const Voter* voter = voters_in_force().FindById(id);
  return voter == nullptr ? std::vector<Endpoint>() : voter->endpoints;
}

bool CoreImpl::IsForUs(const Message& message) const {
  // The transport has checked this too; a host may bring its own transport.
  if (message.cluster_id != config_.cluster_id && !QUORATE_MUTANT("M-38")) return false;  // F-N09
  if (message.from.id == config_.self.id || message.from.id < NodeId(0)) return false;    // F-N11
  // A directory that isn't recorded matches any, so its sender would be counted as whichever voter has that id (F-D16).
  if (message.from.directory.is_zero()) return false;
  const int64_t epoch = std::visit([](const auto& body) { return int64_t{body.epoch.value()}; }, message.body);
  return epoch - epoch_.value() <= kEpochJumpMax;
}

void CoreImpl::Receive(Instant now, const Message& message) {
  if (!Begin(now) || !IsForUs(message)) return;
  if (message.from.id == silent_leader_) silent_leader_ = kNoNode;
  if (message.IsResponse()) {
    // F-N08: an answer to a previous life of ours, or to somebody else.
    if (message.request_incarnation != config_.incarnation || !message.to.Matches(config_.self)) return;
    OnResponse(message);
  } else {
    OnRequest(message);
  }
}

void CoreImpl::OnRequest(const Message& message) {
  std::visit(Overloaded{[&](const VoteRequest& request) { On(message, request); },
                        [&](const BeginEpochRequest& request) { On(message, request); },
                        [&](const EndEpochRequest& request) { On(message, request); },
                        [&](const FetchRequest& request) { On(message, request); },
                        [&](const ReadRequest& request) { On(message, request); },
                        [&](const SnapshotRequest& request) { On(message, request); },
                        [&](const ProbeRequest& request) { On(message, request); },
                        [&](const VoterChangeRequest& request) { On(message, request); }, [](const auto&) {}},
             message.body);
}

void CoreImpl::OnResponse(const Message& message) {
  std::visit(Overloaded{[&](const VoteResponse& response) { On(message, response); },
                        [&](const BeginEpochResponse& response) { On(message, response); },
                        [&](const EndEpochResponse& response) { On(message, response); },
                        [&](const FetchResponse& response) { On(message, response); },
                        [&](const ReadResponse& response) { On(message, response); },
                        [&](const SnapshotResponse& response) { On(message, response); },
                        [&](const ProbeResponse& response) { On(message, response); },
                        [&](const VoterChangeResponse& response) { On(message, response); }, [](const auto&) {}},
             message.body);
}

bool CoreImpl::AcceptAnswer(const Message& message, Epoch epoch, const LeaderInfo& leader) {
  if (epoch < epoch_) return false;
  // The answering node may remember a life of ours that led; that life is over (M-02).
  const bool names_leader = leader.id >= NodeId(0) && leader.id != config_.self.id;
  if (epoch > epoch_) {
    // M-05: a higher epoch moves us on; it is never a vote or an acknowledgement for the epoch that we asked in.
    if (names_leader) {
      BecomeFollower(epoch, leader);
      if (message.from.id == leader.id) HeardLeader();
    } else {
      BecomeUnattached(epoch);
    }
    return false;
  }
  if (!names_leader || leader_deposed_) return true;
  const bool known = leader_.id != kNoNode;
  const bool from_leader = message.from.id == leader.id;
  // Prospective: that others name the leader which we lost is no news; that it speaks to us itself is.
  if (!known || leader_.id != leader.id || from_leader) BecomeFollower(epoch, leader);
  if (role_ == ReplicaRole::kFollower && from_leader) HeardLeader();
  return role_ != ReplicaRole::kHalted;
}

PeerError CoreImpl::LeaderCheck(Epoch epoch) const {
  if (epoch < epoch_) return PeerError::kFencedEpoch;
  // A fetcher's epoch isn't adopted: it proves nothing that an election would not tell us (KIP-595).
  if (epoch > epoch_) return PeerError::kUnknownEpoch;
  if (shutting_down_ && role_ == ReplicaRole::kResigned) return PeerError::kShuttingDown;
  return role_ == ReplicaRole::kLeader ? PeerError::kNone : PeerError::kNotLeader;
}

}  // namespace quorate::raft
