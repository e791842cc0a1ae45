#include "controller/isr.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/btree_set.h"
#include "absl/strings/str_cat.h"
#include "controller/errors.h"
#include "controller/partition_change.h"
#include "quorate/status.h"

namespace quorate::controller {
namespace {

bool IsActive(const MetadataImage& image, NodeId broker) {
  const BrokerInfo* info = image.FindBroker(broker);
  return info != nullptr && info->active();
}

ElectionMode ModeOf(const ControllerConfig& config) {
  return config.unclean_leader_election_enable ? ElectionMode::kUnclean : ElectionMode::kOnline;
}

std::string Show(const PartitionId& id, const MetadataImage& image) {
  const std::optional<TopicInfo> topic = image.FindTopic(id.topic);
  return absl::StrCat("partition ", topic ? topic->name : absl::string_view("?"), "-", id.partition);
}

}  // namespace

void LeaveIsrs(const ControllerConfig& config, NodeId broker, Draft& draft) {
  const MetadataImage& image = draft.image();
  auto acceptable = [&](NodeId replica) { return replica != broker && IsActive(image, replica); };
  image.ForEachIsrOf(broker, [&](const PartitionId& id, const PartitionInfo& current) {
    PartitionTarget target{current.isr, ModeOf(config), std::nullopt};
    std::erase(target.isr, broker);
    if (auto record = BuildPartitionChange(id, current, target, acceptable)) draft.Add(*std::move(record));
    return true;
  });
}

void ElectLeaderless(const ControllerConfig& config, NodeId broker, Draft& draft) {
  const MetadataImage& image = draft.image();
  auto acceptable = [&](NodeId replica) { return replica == broker || IsActive(image, replica); };
  auto elect = [&](const PartitionId& id, const PartitionInfo& current) {
    if (current.leader != kNoNode || !current.HasReplica(broker)) return true;
    const PartitionTarget target{current.isr, ModeOf(config), std::nullopt};
    if (auto record = BuildPartitionChange(id, current, target, acceptable)) draft.Add(*std::move(record));
    return true;
  };
  if (image.leaderless_count() < image.ReplicaCount(broker)) {
    image.ForEachLeaderless(elect);
  } else {
    image.ForEachReplicaOf(broker, elect);
  }
}

namespace {

// Whether the request speaks of the partition as it is (kraft: KIP-497; rows 3 to 6 of the error table in
// docs/controller.md).
absl::Status CheckVersion(const AlterPartitionRequest& request, const AlterPartitionRequest::Partition& asked,
                          const PartitionInfo& current, const std::string& name) {
  if (asked.leader_epoch > current.leader_epoch || asked.partition_epoch > current.partition_epoch) {
    return MakeKafkaError(
        kNotController,
        absl::StrCat("The change of ", name, " is for leader epoch ", asked.leader_epoch, " and partition epoch ",
                     asked.partition_epoch, ", which are newer than ", current.leader_epoch, " and ",
                     current.partition_epoch, " here: this controller may have been replaced."));
  }
  if (asked.leader_epoch < current.leader_epoch) {
    return MakeKafkaError(kFencedLeaderEpoch, absl::StrCat("The change of ", name, " is for leader epoch ",
                                                           asked.leader_epoch, "; it is ", current.leader_epoch, "."));
  }
  if (request.broker != current.leader) {
    return MakeKafkaError(kInvalidRequest, absl::StrCat("Broker ", request.broker.value(), " can't change ", name,
                                                        ": its leader is broker ", current.leader.value(), "."));
  }
  if (asked.partition_epoch < current.partition_epoch) {
    return MakeKafkaError(kInvalidUpdateVersion,
                          absl::StrCat("The change of ", name, " is for partition epoch ", asked.partition_epoch,
                                       "; it is ", current.partition_epoch, "."));
  }
  return absl::OkStatus();
}

absl::Status CheckMembers(const AlterPartitionRequest::Partition& asked, const PartitionInfo& current,
                          const MetadataImage& image, const std::string& name) {
  ReplicaList seen;
  for (const IsrMember& member : asked.new_isr) {
    const bool doubled = std::find(seen.begin(), seen.end(), member.broker) != seen.end();
    if (doubled || !current.HasReplica(member.broker)) {
      return MakeKafkaError(kInvalidRequest,
                            absl::StrCat("The new ISR of ", name, " names broker ", member.broker.value(),
                                         doubled ? " twice." : ", which isn't one of its replicas."));
    }
    seen.push_back(member.broker);
  }
  if (std::find(seen.begin(), seen.end(), current.leader) == seen.end()) {
    return MakeKafkaError(kInvalidRequest, absl::StrCat("The new ISR of ", name, " lacks its leader, broker ",
                                                        current.leader.value(), "."));
  }
  if (asked.recovery == LeaderRecoveryState::kRecovering) {
    if (asked.new_isr.size() > 1) {
      return MakeKafkaError(kInvalidRequest,
                            absl::StrCat("The leader of ", name, " is recovering, so its ISR can't have ",
                                         asked.new_isr.size(), " members."));
    }
    if (current.recovery == LeaderRecoveryState::kRecovered) {
      return MakeKafkaError(kInvalidRequest,
                            absl::StrCat("The leader of ", name, " has recovered and can't be recovering again."));
    }
  }
  for (const IsrMember& member : asked.new_isr) {
    const BrokerInfo* broker = image.FindBroker(member.broker);
    absl::string_view why;
    if (broker == nullptr) {
      why = "isn't registered";
    } else if (broker->in_controlled_shutdown) {
      why = "is shutting down";
    } else if (broker->fenced) {
      why = "is fenced";
    } else if (member.epoch != kNoBrokerEpoch && member.epoch != broker->epoch) {
      why = "was registered anew since";
    }
    if (!why.empty()) {
      return MakeKafkaError(kIneligibleReplica, absl::StrCat("Broker ", member.broker.value(),
                                                             " can't be in the ISR of ", name, ": it ", why, "."));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<PartitionInfo> AlterOne(const AlterPartitionRequest& request,
                                       const AlterPartitionRequest::Partition& asked, Draft& draft) {
  const MetadataImage& image = draft.image();
  if (!image.FindTopic(asked.id.topic)) {
    return MakeKafkaError(kUnknownTopicId,
                          absl::StrCat("There is no topic with the id ", asked.id.topic.ToString(), "."));
  }
  const std::string name = Show(asked.id, image);
  const std::optional<PartitionInfo> current = image.FindPartition(asked.id.topic, asked.id.partition);
  if (!current) return MakeKafkaError(kUnknownTopicOrPartition, absl::StrCat("There is no ", name, "."));
  if (absl::Status status = CheckVersion(request, asked, *current, name); !status.ok()) return status;
  if (absl::Status status = CheckMembers(asked, *current, image, name); !status.ok()) return status;

  PartitionTarget target{{}, ElectionMode::kOnline, asked.recovery};
  for (const IsrMember& member : asked.new_isr) target.isr.push_back(member.broker);
  auto acceptable = [&](NodeId replica) { return IsActive(image, replica); };
  auto record = BuildPartitionChange(asked.id, *current, target, acceptable);
  if (!record) return *current;
  PartitionInfo changed = metadata::Changed(*current, *record);
  draft.Add(*std::move(record));
  return changed;
}

}  // namespace

absl::StatusOr<AlterPartitionResponse> AlterPartition(const AlterPartitionRequest& request, Draft& draft) {
  const BrokerInfo* sender = draft.image().FindBroker(request.broker);
  if (sender == nullptr || sender->epoch != request.epoch) {
    return MakeKafkaError(
        kStaleBrokerEpoch,
        absl::StrCat("Broker ", request.broker.value(), " asks in its epoch ", request.epoch.value(),
                     sender == nullptr ? ", but isn't registered."
                                       : absl::StrCat(", but is registered in epoch ", sender->epoch.value(), ".")));
  }
  AlterPartitionResponse response;
  absl::btree_set<PartitionId> seen;
  for (const AlterPartitionRequest::Partition& asked : request.partitions) {
    if (!seen.insert(asked.id).second) {  // rests on what came of the first
      if (absl::Status status = draft.Settle(); !status.ok()) return status;
    }
    absl::StatusOr<PartitionInfo> result = AlterOne(request, asked, draft);
    AlterPartitionResponse::Partition answer{asked.id, result.status(), {}};
    if (result.ok()) answer.info = *std::move(result);
    response.partitions.push_back(std::move(answer));
  }
  return response;
}

}  // namespace quorate::controller
