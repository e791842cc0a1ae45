#include "cli/topics_text.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "quorate/limits.h"
#include "quorate/status.h"

namespace quorate::cli {

namespace {

using Json = nlohmann::ordered_json;

absl::Status Bad(absl::string_view message) {
  return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, message);
}

Json IdsAsJson(const std::vector<NodeId>& ids) {
  Json list = Json::array();
  for (NodeId id : ids) list.push_back(id.value());
  return list;
}

Json TopicAsJson(const TopicDescription& topic, const PartitionFilter& filter) {
  Json partitions = Json::array();
  for (const PartitionDescription& partition : topic.partitions) {
    if (!filter.Shows(partition)) continue;
    Json leader = partition.leader == kNoNode ? Json(nullptr) : Json(partition.leader.value());
    partitions.push_back(Json{{"partition", partition.partition},
                              {"leader", std::move(leader)},
                              {"leaderEpoch", partition.leader_epoch},
                              {"partitionEpoch", partition.partition_epoch},
                              {"replicas", IdsAsJson(partition.replicas)},
                              {"isr", IdsAsJson(partition.isr)}});
  }
  return Json{{"name", topic.name},
              {"topicId", topic.topic_id.ToString()},
              {"partitionCount", topic.partitions.size()},
              {"replicationFactor", topic.replication_factor},
              {"configs", Json::object()},
              {"partitions", std::move(partitions)}};
}

void PrintTopic(std::ostream& out, const TopicDescription& topic, const PartitionFilter& filter) {
  if (!filter.any()) {
    out << "Topic: " << topic.name << "\tTopicId: " << topic.topic_id.ToString()
        << "\tPartitionCount: " << topic.partitions.size() << "\tReplicationFactor: " << topic.replication_factor
        << "\tConfigs: \n";
  }
  for (const PartitionDescription& partition : topic.partitions) {
    if (!filter.Shows(partition)) continue;
    out << "\tTopic: " << topic.name << "\tPartition: " << partition.partition
        << "\tLeader: " << (partition.leader == kNoNode ? std::string("none") : absl::StrCat(partition.leader.value()))
        << "\tReplicas: " << JoinIds(partition.replicas) << "\tIsr: " << JoinIds(partition.isr)
        << "\tElr: N/A\tLastKnownElr: N/A\n";
  }
}

}  // namespace

bool PartitionFilter::Shows(const PartitionDescription& partition) const {
  if (!any()) return true;
  if (under_replicated && partition.isr.size() < partition.replicas.size()) return true;
  return unavailable && partition.leader == kNoNode;
}

void PrintTopics(std::ostream& out, OutputFormat format, const std::vector<TopicDescription>& topics,
                 const PartitionFilter& filter) {
  if (format == OutputFormat::kHuman) {
    for (const TopicDescription& topic : topics) PrintTopic(out, topic, filter);
    return;
  }
  Json list = Json::array();
  for (const TopicDescription& topic : topics) {
    Json entry = TopicAsJson(topic, filter);
    if (!filter.any() || !entry["partitions"].empty()) list.push_back(std::move(entry));
  }
  out << Json{{"topics", std::move(list)}}.dump(2) << '\n';
}

absl::StatusOr<std::vector<std::vector<NodeId>>> ParseReplicaAssignment(const std::string& text) {
  std::vector<std::vector<NodeId>> partitions;
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    std::vector<NodeId> replicas;
    for (absl::string_view piece : absl::StrSplit(part, ':')) {
      int32_t id = -1;
      if (!absl::SimpleAtoi(piece, &id) || id < 0) {
        return Bad(absl::StrCat("--replica-assignment: '", piece, "' in '", part,
                                "' isn't a broker id; write the brokers of each partition between colons and the "
                                "partitions between commas, such as 1:2:3,2:3:1"));
      }
      if (std::find(replicas.begin(), replicas.end(), NodeId(id)) != replicas.end()) {
        return Bad(absl::StrCat("--replica-assignment: partition ", partitions.size(), " names broker ", id, " twice"));
      }
      replicas.push_back(NodeId(id));
    }
    if (!partitions.empty() && partitions.front().size() != replicas.size()) {
      return Bad(absl::StrCat("--replica-assignment: partition ", partitions.size(), " has ", replicas.size(),
                              " replicas and partition 0 has ", partitions.front().size(),
                              "; all must have the same number"));
    }
    partitions.push_back(std::move(replicas));
  }
  return partitions;
}

bool IsTopicName(absl::string_view text) {
  if (text.empty() || text == "." || text == ".." || text.size() > limits::kTopicNameBytesMax) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-'; });
}

std::vector<std::string> SplitTopicList(const std::string& list) {
  std::vector<std::string> pieces;
  for (absl::string_view piece : absl::StrSplit(list, ',')) {
    piece = absl::StripAsciiWhitespace(piece);
    if (!piece.empty()) pieces.emplace_back(piece);
  }
  return pieces;
}

bool OnlyTopicNames(const std::vector<std::string>& pieces) {
  return std::all_of(pieces.begin(), pieces.end(), [](const std::string& piece) { return IsTopicName(piece); });
}

absl::StatusOr<TopicSelection> MatchTopics(const std::vector<std::string>& pieces,
                                           const std::vector<std::string>& existing) {
  TopicSelection selection;
  for (const std::string& piece : pieces) {
    std::optional<std::regex> expression;
    // std::regex has no other way to refuse than an exception; it ends here.
    try {
      if (!IsTopicName(piece)) expression.emplace(piece, std::regex::ECMAScript | std::regex::optimize);
    } catch (const std::regex_error& error) {
      return Bad(absl::StrCat("--topic: '", piece, "' is neither a topic name nor a regular expression (", error.what(),
                              "); names have letters, digits, '.', '_' and '-'"));
    }
    const size_t before = selection.names.size();
    for (const std::string& name : existing) {
      if (expression ? std::regex_match(name, *expression) : name == piece) selection.names.push_back(name);
    }
    if (selection.names.size() == before) selection.missing.push_back(piece);
  }
  std::sort(selection.names.begin(), selection.names.end());
  selection.names.erase(std::unique(selection.names.begin(), selection.names.end()), selection.names.end());
  return selection;
}

bool IsInternalTopic(absl::string_view name) {
  return name == "__consumer_offsets" || name == "__transaction_state" || name == "__share_group_state";
}

bool HasCollisionCharacter(absl::string_view name) { return name.find_first_of("._") != absl::string_view::npos; }

}  // namespace quorate::cli
