#include "node/admin_codec.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "node/strict_parse.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorate/v1/admin.pb.h"

namespace quorate::node {
namespace {

// A partition of three replicas takes about 30 bytes, so such an answer stays far below kRpcMessageBytesMax.
constexpr size_t kPartitionsPerAnswer = 50'000;
constexpr int kTopicsPerRequestMax = static_cast<int>(limits::kRecordsPerOperationMax);

absl::Status Invalid(absl::string_view message) {
  return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, message);
}

void ToWire(const absl::Status& status, v1::ErrorInfo* out) {
  const int16_t kafka = KafkaErrorOf(status);
  out->set_kafka_code(kafka);
  const absl::string_view name = kafka != 0 ? KafkaErrorName(kafka) : ToString(ReasonOf(status));
  out->set_name(name.data(), name.size());
  out->set_message(std::string(status.message()));
  out->set_status(EncodeStatus(status));
}
absl::Status FromWire(const v1::ErrorInfo& error) {
  absl::Status status = DecodeStatus(error.status());
  // An error must not become a success by being unreadable.
  return status.ok() ? MakeError(Reason::kCorruption, Outcome::kUnknown, error.message()) : status;
}

// A topic name as long as it may be, and more than that for the answer that says so.
absl::Status CheckName(const std::string& name) {
  constexpr size_t kMax = limits::kTopicNameBytesMax * 4;
  if (name.size() <= kMax) return absl::OkStatus();
  return Invalid(
      absl::StrCat("a topic name has ", name.size(), " bytes: at most ", limits::kTopicNameBytesMax, " are allowed"));
}

absl::Status CheckTopicCount(int count) {
  if (count <= kTopicsPerRequestMax) return absl::OkStatus();
  return Invalid(absl::StrCat("one request names at most ", kTopicsPerRequestMax, " topics, not ", count));
}

}  // namespace

// ---- CreateTopics, DeleteTopics ----------------------------------------------------------------------

std::string EncodeCreateTopics(const std::vector<NewTopic>& topics, bool validate_only) {
  v1::CreateTopicsRequest out;
  out.set_validate_only(validate_only);
  for (const NewTopic& topic : topics) {
    v1::TopicToCreate* to = out.add_topics();
    to->set_name(topic.name);
    to->set_partitions(topic.partitions);
    to->set_replication_factor(topic.replication_factor);
    for (const std::vector<NodeId>& brokers : topic.assignments) {
      v1::ReplicaAssignment* assignment = to->add_assignments();
      for (const NodeId broker : brokers) assignment->add_broker_ids(broker.value());
    }
  }
  return out.SerializeAsString();
}

absl::StatusOr<controller::CreateTopicsRequest> DecodeCreateTopics(absl::string_view bytes, bool* forwarded) {
  v1::CreateTopicsRequest in;
  if (absl::Status parsed = ParseStrictly(bytes, &in); !parsed.ok()) return parsed;
  if (absl::Status bad = CheckTopicCount(in.topics_size()); !bad.ok()) return bad;
  *forwarded = in.forwarded();
  controller::CreateTopicsRequest request;
  request.validate_only = in.validate_only();
  for (const v1::TopicToCreate& topic : in.topics()) {
    if (absl::Status bad = CheckName(topic.name()); !bad.ok()) return bad;
    if (topic.assignments_size() > limits::kPartitionsPerTopicMax) {
      return Invalid(absl::StrCat("a topic has at most ", limits::kPartitionsPerTopicMax, " partitions, not ",
                                  topic.assignments_size()));
    }
    controller::CreateTopicsRequest::Topic to;
    to.name = topic.name();
    to.partitions = topic.has_partitions() ? topic.partitions() : -1;
    to.replication_factor = topic.has_replication_factor() ? topic.replication_factor() : -1;
    for (const v1::ReplicaAssignment& assignment : topic.assignments()) {
      controller::CreateTopicsRequest::Assignment brokers;
      brokers.partition = static_cast<int32_t>(to.assignments.size());
      for (const int32_t broker : assignment.broker_ids()) brokers.brokers.push_back(NodeId(broker));
      to.assignments.push_back(std::move(brokers));
    }
    request.topics.push_back(std::move(to));
  }
  return request;
}

std::string EncodeDeleteTopics(const std::vector<std::string>& names) {
  v1::DeleteTopicsRequest out;
  for (const std::string& name : names) out.add_names(name);
  return out.SerializeAsString();
}

absl::StatusOr<controller::DeleteTopicsRequest> DecodeDeleteTopics(absl::string_view bytes, bool* forwarded) {
  v1::DeleteTopicsRequest in;
  if (absl::Status parsed = ParseStrictly(bytes, &in); !parsed.ok()) return parsed;
  if (absl::Status bad = CheckTopicCount(in.names_size()); !bad.ok()) return bad;
  *forwarded = in.forwarded();
  controller::DeleteTopicsRequest request;
  for (const std::string& name : in.names()) {
    if (absl::Status bad = CheckName(name); !bad.ok()) return bad;
    controller::DeleteTopicsRequest::Topic topic;
    topic.name = name;
    request.topics.push_back(std::move(topic));
  }
  return request;
}

std::string EncodeCreated(const controller::CreateTopicsResponse& response) {
  v1::CreateTopicsResponse out;
  for (const controller::CreateTopicsResponse::Topic& topic : response.topics) {
    v1::TopicOutcome* to = out.add_topics();
    to->set_name(topic.name);
    if (!topic.status.ok()) {
      ToWire(topic.status, to->mutable_error());
      continue;
    }
    if (!topic.id.is_zero()) to->set_topic_id(topic.id.ToString());
    to->set_partitions(topic.partitions);
    to->set_replication_factor(topic.replication_factor);
  }
  return out.SerializeAsString();
}

std::string EncodeDeleted(const controller::DeleteTopicsResponse& response, const std::vector<std::string>& asked) {
  v1::DeleteTopicsResponse out;
  for (size_t i = 0; i < response.topics.size(); ++i) {
    const controller::DeleteTopicsResponse::Topic& topic = response.topics[i];
    v1::TopicOutcome* to = out.add_topics();
    to->set_name(topic.name.empty() && i < asked.size() ? asked[i] : topic.name);
    if (!topic.status.ok()) ToWire(topic.status, to->mutable_error());
    if (!topic.id.is_zero()) to->set_topic_id(topic.id.ToString());
  }
  return out.SerializeAsString();
}

absl::StatusOr<std::vector<TopicResult>> DecodeTopicResults(absl::string_view bytes) {
  // Both answers have the same shape.
  v1::CreateTopicsResponse in;
  if (absl::Status parsed = ParseStrictly(bytes, &in); !parsed.ok()) return parsed;
  std::vector<TopicResult> results;
  for (const v1::TopicOutcome& topic : in.topics()) {
    TopicResult result;
    result.name = topic.name();
    if (topic.has_error()) result.status = FromWire(topic.error());
    if (!topic.topic_id().empty()) {
      absl::StatusOr<Uuid> id = Uuid::Parse(topic.topic_id());
      if (!id.ok()) return id.status();
      result.topic_id = *id;
    }
    result.partitions = topic.partitions();
    result.replication_factor = static_cast<int16_t>(topic.replication_factor());
    results.push_back(std::move(result));
  }
  return results;
}

// ---- ListTopics, DescribeTopics ------------------------------------------------------------------------

absl::Status CheckListTopics(absl::string_view bytes) {
  v1::ListTopicsRequest in;
  return ParseStrictly(bytes, &in);
}

std::string EncodeTopicNames(const MetadataImage& image, bool stale) {
  v1::ListTopicsResponse out;
  out.set_stale(stale);
  image.ForEachTopic([&](const TopicInfo& topic) {
    out.add_names(topic.name.data(), topic.name.size());
    return true;
  });
  return out.SerializeAsString();
}

absl::StatusOr<TopicList> DecodeTopicNames(absl::string_view bytes) {
  v1::ListTopicsResponse in;
  if (absl::Status parsed = ParseStrictly(bytes, &in); !parsed.ok()) return parsed;
  return TopicList{{in.names().begin(), in.names().end()}, in.stale()};
}

std::string EncodeDescribeTopics(const DescribeTopicsCall& call) {
  v1::DescribeTopicsRequest out;
  out.set_all(!call.names.has_value());
  if (call.names.has_value()) {
    for (const std::string& name : *call.names) out.add_names(name);
  }
  out.set_after(call.after);
  return out.SerializeAsString();
}

absl::StatusOr<DescribeTopicsCall> DecodeDescribeTopics(absl::string_view bytes) {
  v1::DescribeTopicsRequest in;
  if (absl::Status parsed = ParseStrictly(bytes, &in); !parsed.ok()) return parsed;
  if (absl::Status bad = CheckTopicCount(in.names_size()); !bad.ok()) return bad;
  if (in.all() && in.names_size() > 0) return Invalid("names must not be given together with all");
  DescribeTopicsCall call;
  call.after = in.after();
  if (!in.all()) {
    call.names.emplace();
    std::set<absl::string_view> seen;
    for (const std::string& name : in.names()) {
      if (absl::Status bad = CheckName(name); !bad.ok()) return bad;
      // Each once: pages are found again by the name that came last.
      if (seen.insert(name).second) call.names->push_back(name);
    }
  }
  return call;
}

namespace {

void ToWire(const MetadataImage& image, const TopicInfo& topic, v1::TopicState* out) {
  out->set_name(topic.name.data(), topic.name.size());
  out->set_topic_id(topic.id.ToString());
  image.ForEachPartition(topic.id, [&](const PartitionId& id, const PartitionInfo& partition) {
    if (id.partition == 0) out->set_replication_factor(static_cast<int32_t>(partition.replicas.size()));
    v1::PartitionState* to = out->add_partitions();
    to->set_partition(id.partition);
    to->set_leader(partition.leader.value());
    to->set_leader_epoch(partition.leader_epoch);
    to->set_partition_epoch(partition.partition_epoch);
    for (const NodeId replica : partition.replicas) to->add_replicas(replica.value());
    for (const NodeId member : partition.isr) to->add_isr(member.value());
    return true;
  });
}

}  // namespace

std::string EncodeTopics(const MetadataImage& image, const DescribeTopicsCall& call, bool stale) {
  v1::DescribeTopicsResponse out;
  out.set_stale(stale);
  size_t partitions = 0;
  // A topic is never cut in two. One is always taken, so that the asker gets on.
  const auto has_room = [&](const TopicInfo& topic) {
    return out.topics_size() == 0 || partitions + static_cast<size_t>(topic.partition_count) <= kPartitionsPerAnswer;
  };
  const auto add = [&](const TopicInfo& topic) {
    partitions += static_cast<size_t>(topic.partition_count) + 1;
    ToWire(image, topic, out.add_topics());
  };
  if (!call.names.has_value()) {
    image.ForEachTopicFrom(call.after, [&](const TopicInfo& topic) {
      if (!call.after.empty() && topic.name == call.after) return true;
      if (!has_room(topic)) {
        out.set_continue_after(out.topics(out.topics_size() - 1).name());
        return false;
      }
      add(topic);
      return true;
    });
    return out.SerializeAsString();
  }
  // Asked for by name: `after` is then the last of the names that was answered.
  auto begin = call.names->begin();
  if (!call.after.empty()) {
    const auto last = std::find(call.names->begin(), call.names->end(), call.after);
    if (last != call.names->end()) begin = last + 1;
  }
  for (auto name = begin; name != call.names->end(); ++name) {
    const std::optional<TopicInfo> topic = image.FindTopic(*name);
    if (topic.has_value() && !has_room(*topic)) {
      out.set_continue_after(*(name - 1));
      break;
    }
    if (topic.has_value()) {
      add(*topic);
    } else {
      v1::TopicState* unknown = out.add_topics();
      unknown->set_name(*name);
      ToWire(MakeKafkaError(3, absl::StrCat("there is no topic '", *name, "'")), unknown->mutable_error());
    }
  }
  return out.SerializeAsString();
}

absl::StatusOr<TopicsPage> DecodeTopics(absl::string_view bytes) {
  v1::DescribeTopicsResponse in;
  if (absl::Status parsed = ParseStrictly(bytes, &in); !parsed.ok()) return parsed;
  TopicsPage page;
  page.continue_after = in.continue_after();
  for (const v1::TopicState& topic : in.topics()) {
    TopicDescription to;
    to.name = topic.name();
    to.stale = in.stale();
    if (topic.has_error()) to.status = FromWire(topic.error());
    if (!topic.topic_id().empty()) {
      absl::StatusOr<Uuid> id = Uuid::Parse(topic.topic_id());
      if (!id.ok()) return id.status();
      to.topic_id = *id;
    }
    to.replication_factor = static_cast<int16_t>(topic.replication_factor());
    for (const v1::PartitionState& partition : topic.partitions()) {
      PartitionDescription description;
      description.partition = partition.partition();
      description.leader = NodeId(partition.leader());
      description.leader_epoch = partition.leader_epoch();
      description.partition_epoch = partition.partition_epoch();
      for (const int32_t replica : partition.replicas()) description.replicas.push_back(NodeId(replica));
      for (const int32_t member : partition.isr()) description.isr.push_back(NodeId(member));
      to.partitions.push_back(std::move(description));
    }
    page.topics.push_back(std::move(to));
  }
  return page;
}

}  // namespace quorate::node
