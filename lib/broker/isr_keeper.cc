#include "broker/isr_keeper.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "quorate/status.h"

namespace quorate::broker {
namespace {

constexpr int16_t kUnknownTopicOrPartition = 3;
constexpr int16_t kStaleBrokerEpoch = 77;
constexpr int16_t kUnknownTopicId = 100;
constexpr absl::Duration kBackoffMin = absl::Milliseconds(50);
constexpr absl::Duration kBackoffMax = absl::Seconds(1);

}  // namespace

std::shared_ptr<IsrKeeper> IsrKeeper::Make(NodeId self, Clock* clock, Executor* executor, ControllerChannel* channel,
                                           absl::Duration request_timeout, std::shared_ptr<LogSink> log_sink) {
  return std::shared_ptr<IsrKeeper>(
      new IsrKeeper(self, clock, executor, channel, request_timeout, std::move(log_sink)));
}

IsrKeeper::IsrKeeper(NodeId self, Clock* clock, Executor* executor, ControllerChannel* channel,
                     absl::Duration request_timeout, std::shared_ptr<LogSink> log_sink)
    : self_(self),
      clock_(clock),
      executor_(executor),
      channel_(channel),
      request_timeout_(request_timeout),
      log_sink_(log_sink == nullptr ? NullLogSink() : std::move(log_sink)) {}

void IsrKeeper::Post(absl::AnyInvocable<void(IsrKeeper&) &&> action) {
  executor_->Post([self = shared_from_this(), action = std::move(action)]() mutable { std::move(action)(*self); });
}

void IsrKeeper::OnMetadata(MetadataImagePtr image, const MetadataDelta& delta) {
  const bool look_at_all = delta.everything || !delta.brokers.empty();
  if (!look_at_all && delta.partitions.empty()) return;  // nothing that an ISR depends on
  Post([image = std::move(image), look_at_all, partitions = delta.partitions](IsrKeeper& self) mutable {
    if (self.stopped_) return;
    self.image_ = std::move(image);
    if (look_at_all) {
      self.LookAtAll();
    } else {
      for (const PartitionId& id : partitions) self.LookAt(id);
    }
    // What we waited for may be in this image.
    self.waiting_ = false;
    self.SendDue();
  });
}

void IsrKeeper::SetBrokerEpoch(BrokerEpoch epoch) {
  Post([epoch](IsrKeeper& self) {
    if (self.stopped_ || self.epoch_ == epoch) return;
    self.epoch_ = epoch;
    self.backoff_ = absl::ZeroDuration();
    self.waiting_ = false;
    self.LookAtAll();
    self.SendDue();
  });
}

void IsrKeeper::OnControllerChanged() {
  Post([](IsrKeeper& self) {
    self.backoff_ = absl::ZeroDuration();
    self.waiting_ = false;
    self.SendDue();
  });
}

void IsrKeeper::Stop() {
  Post([](IsrKeeper& self) {
    self.stopped_ = true;
    self.pending_.clear();
    self.image_ = nullptr;
  });
}

std::optional<ReplicaList> IsrKeeper::Wanted(const MetadataImage& image, const PartitionInfo& partition) {
  ReplicaList wanted;
  // A leader from outside the ISR says when it has recovered (KIP-704); without data that is at once.
  bool differs = partition.recovery != LeaderRecoveryState::kRecovered;
  for (const NodeId replica : partition.replicas) {
    if (partition.InIsr(replica)) {
      wanted.push_back(replica);
      continue;
    }
    const BrokerInfo* broker = image.FindBroker(replica);
    if (broker == nullptr || !broker->active()) continue;
    wanted.push_back(replica);
    differs = true;
  }
  if (!differs) return std::nullopt;
  // A member that is no longer eligible makes the controller refuse the whole list; it is about to be taken out, and
  // the image that says so makes us look again.
  for (const NodeId member : partition.isr) {
    const BrokerInfo* broker = image.FindBroker(member);
    if (broker == nullptr || !broker->active()) return std::nullopt;
  }
  return wanted;
}

void IsrKeeper::LookAt(const PartitionId& id) {
  const std::optional<PartitionInfo> partition = image_->FindPartition(id.topic, id.partition);
  if (partition.has_value() && partition->leader == self_ && Wanted(*image_, *partition).has_value()) {
    pending_.insert(id);
  } else {
    pending_.erase(id);
  }
}

void IsrKeeper::LookAtAll() {
  pending_.clear();
  if (image_ == nullptr) return;
  image_->ForEachLedBy(self_, [&](const PartitionId& id, const PartitionInfo& partition) {
    if (Wanted(*image_, partition).has_value()) pending_.insert(id);
    return true;
  });
}

void IsrKeeper::SendDue() {
  if (stopped_ || in_flight_ || waiting_ || epoch_ == kNoBrokerEpoch || image_ == nullptr) return;
  IsrChangeRequest request{.broker = self_, .epoch = epoch_, .changes = {}};
  std::vector<PartitionId> asked;
  while (!pending_.empty() && asked.size() < kChangesPerRequest) {
    const PartitionId id = *pending_.begin();
    pending_.erase(pending_.begin());
    const std::optional<PartitionInfo> partition = image_->FindPartition(id.topic, id.partition);
    if (!partition.has_value() || partition->leader != self_) continue;
    const std::optional<ReplicaList> wanted = Wanted(*image_, *partition);
    if (!wanted.has_value()) continue;
    IsrChange change;
    change.id = id;
    change.leader_epoch = partition->leader_epoch;
    change.partition_epoch = partition->partition_epoch;
    change.recovery = LeaderRecoveryState::kRecovered;
    for (const NodeId member : *wanted) change.isr.push_back({member, image_->FindBroker(member)->epoch});
    request.changes.push_back(std::move(change));
    asked.push_back(id);
  }
  if (asked.empty()) return;
  in_flight_ = true;
  channel_->AlterPartition(
      std::move(request), request_timeout_,
      [self = shared_from_this(), asked = std::move(asked),
       epoch = epoch_](absl::StatusOr<IsrChangeReply> reply) mutable {
        self->Post([asked = std::move(asked), epoch, reply = std::move(reply)](IsrKeeper& me) mutable {
          me.OnReply(std::move(asked), epoch, std::move(reply));
        });
      });
}

void IsrKeeper::OnReply(std::vector<PartitionId> asked, BrokerEpoch asked_as, absl::StatusOr<IsrChangeReply> reply) {
  in_flight_ = false;
  if (stopped_) return;
  if (reply.ok() && reply->outcomes.size() != asked.size()) {
    reply = MakeError(
        Reason::kCorruption, Outcome::kUnknown,
        absl::StrCat("the controller answered ", reply->outcomes.size(), " of ", asked.size(), " ISR changes"));
  }
  if (!reply.ok()) {
    log_sink_->Write(LogLevel::kWarning, "broker",
                     absl::StrCat("event=alter_partition_failed broker=", self_.value(), " partitions=", asked.size(),
                                  " cause=\"", ShownStatus(reply.status()), "\""));
    pending_.insert(asked.begin(), asked.end());
    // Until Lifecycle has registered again, every proposal would meet the same answer.
    if (KafkaErrorOf(reply.status()) == kStaleBrokerEpoch && epoch_ == asked_as) epoch_ = kNoBrokerEpoch;
    RetryLater();
    return;
  }
  bool retry = false;
  for (size_t i = 0; i < asked.size(); ++i) {
    const IsrChangeReply::Outcome& outcome = reply->outcomes[i];
    if (outcome.kafka_error == 0 || outcome.kafka_error == kUnknownTopicOrPartition ||
        outcome.kafka_error == kUnknownTopicId) {
      continue;
    }
    if (log_sink_->Enabled(LogLevel::kDebug)) {
      log_sink_->Write(LogLevel::kDebug, "broker",
                       absl::StrCat("event=isr_change_refused topic=", asked[i].topic.ToString(),
                                    " partition=", asked[i].partition, " error=", KafkaErrorName(outcome.kafka_error)));
    }
    pending_.insert(asked[i]);
    retry = true;
  }
  if (retry) {
    RetryLater();
  } else {
    backoff_ = absl::ZeroDuration();
    SendDue();
  }
}

void IsrKeeper::RetryLater() {
  backoff_ = backoff_ == absl::ZeroDuration() ? kBackoffMin : std::min(backoff_ * 2, kBackoffMax);
  waiting_ = true;
  const uint64_t round = ++timer_round_;
  executor_->PostAt(clock_->Now() + backoff_, [self = shared_from_this(), round] {
    if (self->timer_round_ != round || self->stopped_) return;
    self->waiting_ = false;
    self->SendDue();
  });
}

}  // namespace quorate::broker
