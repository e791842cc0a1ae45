// Topics as text: what `topics --describe` and `--list` print, and what they understand of what is typed.
// Separate from the command, so that the exact output is tested without a cluster.
#ifndef QUORATE_CLI_TOPICS_TEXT_H_
#define QUORATE_CLI_TOPICS_TEXT_H_

#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/output.h"
#include "quorate/admin_client.h"

namespace quorate::cli {

// Which partitions a description is limited to. With any of these set, Kafka leaves the topic lines out.
struct PartitionFilter {
  bool under_replicated = false;  // fewer in sync than replicas
  bool unavailable = false;       // nobody leads
  [[nodiscard]] bool any() const { return under_replicated || unavailable; }
  [[nodiscard]] bool Shows(const PartitionDescription& partition) const;
};

void PrintTopics(std::ostream& out, OutputFormat format, const std::vector<TopicDescription>& topics,
                 const PartitionFilter& filter);

// "1:2:3,2:3:1": a partition between commas, its brokers between colons, the preferred leader first.
absl::StatusOr<std::vector<std::vector<NodeId>>> ParseReplicaAssignment(const std::string& text);

bool IsTopicName(absl::string_view text);

// Kafka reads --topic as a list of regular expressions. Here a piece of that list that is a legal topic name means that
// topic alone: the dot of "email.send" doesn't match any character, because deleting more than was named can't be
// undone.
std::vector<std::string> SplitTopicList(const std::string& list);
// Whether only names are listed, so that one needn't know which topics there are.
bool OnlyTopicNames(const std::vector<std::string>& pieces);

struct TopicSelection {
  std::vector<std::string> names;    // sorted, each once
  std::vector<std::string> missing;  // pieces that nothing matches
};
// What `pieces` select of `existing`, each matched as a whole. The error says what is wrong with an expression.
absl::StatusOr<TopicSelection> MatchTopics(const std::vector<std::string>& pieces,
                                           const std::vector<std::string>& existing);

// __consumer_offsets and the like: made by brokers for themselves.
bool IsInternalTopic(absl::string_view name);

// Names with '.' or '_' can collide in metric names, where both are written '_'.
bool HasCollisionCharacter(absl::string_view name);

}  // namespace quorate::cli

#endif  // QUORATE_CLI_TOPICS_TEXT_H_
