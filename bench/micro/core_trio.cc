#include "core_trio.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace quorate::bench {
namespace {

const ClusterId kCluster(Uuid(1, 0xC1A5));

}  // namespace

CoreTrio::CoreTrio() {
  std::vector<Voter> voters;
  for (int i = 0; i < kCores; ++i) {
    Member& member = members_[static_cast<size_t>(i)];
    member.key = {NodeId(i + 1), DirectoryId(Uuid(7, 1000 + static_cast<uint64_t>(i)))};
    member.incarnation = IncarnationId(Uuid(9, 100 + static_cast<uint64_t>(i)));
    voters.push_back({member.key, {{"CONTROLLER", "host", static_cast<uint16_t>(9001 + i)}}, 0, 1});
  }
  for (Member& member : members_) {
    raft::CoreConfig config;
    config.cluster_id = kCluster;
    config.self = member.key;
    config.incarnation = member.incarnation;
    config.initial_voters = voters;
    config.tail_cache_bytes = 1u << 20;
    member.core = raft::Core::Make(std::move(config), raft::RecoveredState(), &random_);
  }
}

absl::StatusOr<std::unique_ptr<CoreTrio>> CoreTrio::Elect() {
  std::unique_ptr<CoreTrio> trio(new CoreTrio);
  for (size_t i = 0; i < kCores; ++i) {
    trio->members_[i].core->Start(trio->now_);
    trio->Do(i);
  }
  for (size_t i = 0; i < kCores; ++i) {
    for (const Member& peer : trio->members_) {
      if (peer.key == trio->members_[i].key) continue;
      trio->members_[i].core->PeerConnected(trio->now_, peer.key.id);
      trio->Do(i);
    }
  }
  const Instant limit = trio->now_ + absl::Seconds(60);
  const auto settled = [&] {
    return std::all_of(trio->members_.begin(), trio->members_.end(), [&](const Member& member) {
      return member.core->high_watermark() > Offset(0) &&
             member.core->high_watermark() == trio->leader().high_watermark() &&
             trio->leader().role() == ReplicaRole::kLeader;
    });
  };
  while (trio->now_ < limit) {
    trio->DeliverAll();
    for (int i = 0; i < kCores; ++i) {
      if (trio->members_[static_cast<size_t>(i)].core->role() == ReplicaRole::kLeader) trio->leader_ = i;
    }
    if (!trio->failure_.ok()) return trio->failure_;
    if (settled()) return trio;
    Instant next = Instant::Infinite();
    for (const Member& member : trio->members_) next = std::min(next, member.core->NextDeadline());
    trio->now_ = std::max(trio->now_, next);
    for (size_t i = 0; i < kCores; ++i) {
      trio->members_[i].core->Tick(trio->now_);
      trio->Do(i);
    }
  }
  return absl::InternalError("three cores with a perfect network elected nobody within a minute of virtual time");
}

absl::Status CoreTrio::Commit(absl::Span<const absl::string_view> records) {
  const absl::StatusOr<Offset> base = leader().Propose(now_, records, 0);
  if (!base.ok()) return base.status();
  Do(static_cast<size_t>(leader_));
  DeliverAll();
  const Offset end = *base + static_cast<int64_t>(records.size());
  for (const Member& member : members_) {
    // Followers may hear of it with the next batch.
    const Offset known = member.core.get() == &leader() ? end : *base;
    if (member.core->high_watermark() < known || member.core->log_end().end < end) {
      return absl::InternalError(absl::StrCat(
          "core ", member.key.id.value(), " has the log up to ", member.core->log_end().end.value(), " instead of ",
          end.value(), ", committed up to ", member.core->high_watermark().value(), " instead of ", known.value()));
    }
  }
  return failure_;
}

Message CoreTrio::Between(int from, int to, MessageBody body) const {
  const Member& sender = members_[static_cast<size_t>(from)];
  Message message;
  message.cluster_id = kCluster;
  message.from = sender.key;
  message.from_incarnation = sender.incarnation;
  message.to = members_[static_cast<size_t>(to)].key;
  message.request_incarnation = sender.incarnation;
  message.request_id = 1;
  message.body = std::move(body);
  return message;
}

void CoreTrio::Do(size_t member) {
  raft::Core& core = *members_[member].core;
  while (true) {
    raft::Effects effects = core.TakeEffects();
    if (effects.halt.has_value()) failure_ = *effects.halt;
    for (Message& message : effects.send) on_the_way_.push_back(std::move(message));
    if (!effects.read_log.empty()) failure_ = absl::InternalError("a core reads its log: its tail is too short");
    // The disk takes no time; what it says may bring about more.
    if (effects.store.has_value()) core.ElectionStateStored(now_, effects.store->sequence);
    if (!effects.log.empty()) core.LogDurable(now_, core.log_end().end, effects.log_generation);
    if (!effects.store.has_value() && effects.log.empty()) return;
  }
}

void CoreTrio::DeliverAll() {
  while (!on_the_way_.empty() && failure_.ok()) {
    const Message message = std::move(on_the_way_.front());
    on_the_way_.pop_front();
    for (size_t i = 0; i < kCores; ++i) {
      if (members_[i].key.id != message.to.id) continue;
      members_[i].core->Receive(now_, message);
      Do(i);
    }
  }
}

}  // namespace quorate::bench
