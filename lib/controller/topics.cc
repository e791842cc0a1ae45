#include "controller/topics.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/strings/str_cat.h"
#include "controller/bounds.h"
#include "controller/errors.h"
#include "controller/placement.h"
#include "controller/topic_name.h"
#include "metadata/image_state.h"
#include "metadata/partition_state.h"
#include "quorate/limits.h"
#include "quorate/status.h"

namespace quorate::controller {
namespace {

using Asked = CreateTopicsRequest::Topic;

constexpr absl::string_view kReservedTopic = "__cluster_metadata";  // Kafka's name for the metadata log itself

// Names that earlier topics of the same request took, by CollisionKey. A name that is given twice never
// gets here.
using Taken = absl::btree_map<std::string, std::string>;

absl::Status CheckName(const std::string& name, const MetadataImage& image, const Taken& taken) {
  if (name == kReservedTopic) {
    return MakeKafkaError(kInvalidRequest, absl::StrCat("Creation of internal topic ", name, " is prohibited."));
  }
  if (absl::Status status = CheckTopicName(name); !status.ok()) return status;
  if (image.FindTopic(name)) {
    return MakeKafkaError(kTopicAlreadyExists, absl::StrCat("Topic '", name, "' already exists."));
  }
  std::string other;
  if (std::optional<TopicInfo> existing = image.FindCollidingTopic(name)) other = std::string(existing->name);
  if (auto it = taken.find(metadata::CollisionKey(name)); it != taken.end()) other = it->second;
  if (!other.empty()) {
    return MakeKafkaError(kInvalidTopicException,
                          absl::StrCat("Topic '", name, "' collides with existing topic '", other,
                                       "': '.' and '_' aren't told apart in metric names."));
  }
  return absl::OkStatus();
}

// A random (version 4) id that Kafka would give: not reserved, and no '-' in front, which tools would
// take for a flag.
TopicId NewTopicId(const MetadataImage& image, Random& random) {
  while (true) {
    const uint64_t high = (random.Next() & ~uint64_t{0xf000}) | 0x4000;
    const uint64_t low = (random.Next() & ~(uint64_t{3} << 62)) | (uint64_t{2} << 62);
    const TopicId id(Uuid(high, low));
    if (!id.value().is_reserved() && id.ToString().front() != '-' && !image.FindTopic(id)) return id;
  }
}

absl::Status BadAssignment(int32_t partition, absl::string_view what) {
  return MakeKafkaError(kInvalidReplicaAssignment,
                        absl::StrCat("The manual assignment of partition ", partition, " ", what, "."));
}

absl::Status CheckAssignment(const CreateTopicsRequest::Assignment& assignment, size_t replication_factor,
                             const MetadataImage& image) {
  const int32_t partition = assignment.partition;
  if (assignment.brokers.empty()) return BadAssignment(partition, "has no replica");
  if (assignment.brokers.size() > limits::kReplicasMax) {
    return BadAssignment(partition, absl::StrCat("has ", assignment.brokers.size(), " replicas; at most ",
                                                 limits::kReplicasMax, " are allowed"));
  }
  if (assignment.brokers.size() != replication_factor) {
    return BadAssignment(
        partition, absl::StrCat("has ", assignment.brokers.size(), " replicas where others have ", replication_factor));
  }
  bool any_active = false;
  absl::btree_set<NodeId> seen;
  for (NodeId id : assignment.brokers) {
    const BrokerInfo* broker = image.FindBroker(id);
    if (broker == nullptr) return BadAssignment(partition, absl::StrCat("names unknown broker ", id.value()));
    if (broker->fenced) return BadAssignment(partition, absl::StrCat("names fenced broker ", id.value()));
    if (!seen.insert(id).second) return BadAssignment(partition, absl::StrCat("names broker ", id.value(), " twice"));
    any_active = any_active || broker->active();
  }
  if (!any_active) return BadAssignment(partition, "has no replica on an active broker");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ReplicaList>> TakeAssignments(const Asked& asked, const MetadataImage& image) {
  if (asked.replication_factor != -1 || asked.partitions != -1) {
    return MakeKafkaError(kInvalidRequest, absl::StrCat("Topic '", asked.name,
                                                        "' is given assignments as well as a replication factor or "
                                                        "partition count; with assignments both must be -1."));
  }
  if (asked.assignments.size() >= limits::kRecordsPerOperationMax) return TooManyRecords();
  absl::btree_map<int32_t, const CreateTopicsRequest::Assignment*> by_index;
  for (const auto& assignment : asked.assignments) {
    if (!by_index.emplace(assignment.partition, &assignment).second) {
      return BadAssignment(assignment.partition, "is given twice");
    }
  }
  std::vector<ReplicaList> replicas;
  for (const auto& [index, assignment] : by_index) {
    if (index != static_cast<int32_t>(replicas.size())) {
      return BadAssignment(index, absl::StrCat("comes where partition ", replicas.size(),
                                               " should be: partitions must be 0 to ", by_index.size() - 1));
    }
    const size_t factor = by_index.begin()->second->brokers.size();
    if (absl::Status status = CheckAssignment(*assignment, factor, image); !status.ok()) return status;
    replicas.push_back(assignment->brokers);
  }
  return replicas;
}

absl::StatusOr<std::vector<ReplicaList>> Place(const Asked& asked, const ControllerConfig& config, Random& random,
                                               const MetadataImage& image) {
  if (asked.replication_factor == 0 || asked.replication_factor < -1) {
    return MakeKafkaError(kInvalidReplicationFactor,
                          absl::StrCat("The replication factor of topic '", asked.name, "' is ",
                                       asked.replication_factor, "; it must be 1 or more, or -1 for the default."));
  }
  if (asked.partitions == 0 || asked.partitions < -1 || asked.partitions > limits::kPartitionsPerTopicMax) {
    return MakeKafkaError(kInvalidPartitions, absl::StrCat("The partition count of topic '", asked.name, "' is ",
                                                           asked.partitions, "; it must be 1 to ",
                                                           limits::kPartitionsPerTopicMax, ", or -1 for the default."));
  }
  const int32_t factor = asked.replication_factor == -1 ? config.default_replication_factor : asked.replication_factor;
  const int32_t count = asked.partitions == -1 ? config.default_partitions : asked.partitions;
  if (factor > static_cast<int32_t>(limits::kReplicasMax)) {
    return MakeKafkaError(kInvalidReplicationFactor,
                          absl::StrCat("The replication factor of topic '", asked.name, "' is ", factor, "; at most ",
                                       limits::kReplicasMax, " replicas are allowed."));
  }
  if (count >= static_cast<int32_t>(limits::kRecordsPerOperationMax)) return TooManyRecords();
  return PlaceReplicas(UsableBrokers(image), count, factor, random);
}

absl::StatusOr<CreateTopicsResponse::Topic> CreateOne(const Asked& asked, const ControllerConfig& config,
                                                      Random& random, Taken& taken, Draft& draft) {
  const MetadataImage& image = draft.image();
  if (absl::Status status = CheckName(asked.name, image, taken); !status.ok()) return status;
  absl::StatusOr<std::vector<ReplicaList>> placed =
      asked.assignments.empty() ? Place(asked, config, random, image) : TakeAssignments(asked, image);
  if (!placed.ok()) return placed.status();

  const TopicId id = NewTopicId(image, random);
  std::vector<PartitionInfo> partitions;
  for (const ReplicaList& replicas : *placed) {
    PartitionInfo info;
    info.replicas = replicas;
    for (NodeId replica : replicas) {
      const BrokerInfo* broker = image.FindBroker(replica);
      if (broker != nullptr && broker->active()) info.isr.push_back(replica);
    }
    if (info.isr.empty()) {
      return MakeKafkaError(kInvalidReplicationFactor,
                            absl::StrCat("No replica of partition ", partitions.size(), " of topic '", asked.name,
                                         "' would be on an active broker."));
    }
    info.leader = info.isr.front();
    partitions.push_back(std::move(info));
  }
  if (draft.size() + partitions.size() + 1 > limits::kRecordsPerOperationMax) return TooManyRecords();
  draft.Add(metadata::TopicRecord{id, asked.name});
  for (size_t p = 0; p < partitions.size(); ++p) {
    draft.Add(metadata::PartitionRecord{{id, static_cast<int32_t>(p)}, std::move(partitions[p])});
  }
  if (std::string key = metadata::CollisionKey(asked.name); !key.empty()) taken.emplace(std::move(key), asked.name);
  return CreateTopicsResponse::Topic{asked.name, absl::OkStatus(), id, static_cast<int32_t>(placed->size()),
                                     static_cast<int32_t>(placed->front().size())};
}

}  // namespace

absl::StatusOr<CreateTopicsResponse> CreateTopics(const CreateTopicsRequest& request, const ControllerConfig& config,
                                                  Random& random, Draft& draft) {
  absl::btree_map<std::string, int> times;
  for (const Asked& asked : request.topics) ++times[asked.name];
  Taken taken;
  CreateTopicsResponse response;
  for (const Asked& asked : request.topics) {
    absl::StatusOr<CreateTopicsResponse::Topic> created = times[asked.name] > 1
                                                              ? MakeKafkaError(kInvalidRequest, "Duplicate topic name.")
                                                              : CreateOne(asked, config, random, taken, draft);
    if (created.ok()) {
      if (request.validate_only) created->id = TopicId();
      response.topics.push_back(*std::move(created));
    } else if (KafkaErrorOf(created.status()) == kPolicyViolation) {
      return created.status();
    } else {
      response.topics.push_back({asked.name, created.status(), {}, -1, -1});
    }
  }
  return response;
}

namespace {

absl::StatusOr<TopicInfo> FindAsked(const DeleteTopicsRequest::Topic& asked, const MetadataImage& image) {
  if (asked.name.has_value() == asked.id.has_value()) {
    return MakeKafkaError(kInvalidRequest, "A topic to delete must be given by either its name or its id.");
  }
  std::optional<TopicInfo> topic = asked.name ? image.FindTopic(*asked.name) : image.FindTopic(*asked.id);
  if (topic) return *topic;
  if (asked.name) {
    return MakeKafkaError(kUnknownTopicOrPartition, absl::StrCat("There is no topic named '", *asked.name, "'."));
  }
  return MakeKafkaError(kUnknownTopicId, absl::StrCat("There is no topic with the id ", asked.id->ToString(), "."));
}

}  // namespace

absl::StatusOr<DeleteTopicsResponse> DeleteTopics(const DeleteTopicsRequest& request, const ControllerConfig& config,
                                                  Draft& draft) {
  if (!config.delete_topic_enable) {
    return MakeKafkaError(kTopicDeletionDisabled, "Topics can't be deleted: delete.topic.enable is false.");
  }
  DeleteTopicsResponse response;
  absl::btree_set<TopicId> taken;
  for (const DeleteTopicsRequest::Topic& asked : request.topics) {
    DeleteTopicsResponse::Topic answer{asked.name.value_or(""), asked.id.value_or(TopicId()), absl::OkStatus()};
    absl::StatusOr<TopicInfo> topic = FindAsked(asked, draft.image());
    answer.status = topic.status();
    if (topic.ok()) {
      answer.name = std::string(topic->name);
      answer.id = topic->id;
      if (taken.insert(topic->id).second) {
        draft.Add(metadata::RemoveTopicRecord{topic->id});
      } else {
        answer.status = MakeKafkaError(kInvalidRequest, absl::StrCat("Topic '", answer.name, "' is given twice."));
      }
    }
    response.topics.push_back(std::move(answer));
  }
  if (draft.size() > limits::kRecordsPerOperationMax) return TooManyRecords();
  return response;
}

}  // namespace quorate::controller
