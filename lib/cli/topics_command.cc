// quorate topics: kafka-topics.sh. Creates, lists, describes and deletes topics.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/connection.h"
#include "cli/output.h"
#include "cli/topics_text.h"
#include "quorate/limits.h"
#include "quorate/status.h"

namespace quorate::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr int16_t kUnknownTopic = 3;
constexpr int16_t kTopicAlreadyExists = 36;

struct TopicsArgs {
  ConnectionArgs connection;
  OutputFormat format = OutputFormat::kHuman;
  bool create = false, list = false, describe = false, remove = false;
  std::string topic;
  std::optional<int32_t> partitions;
  std::optional<int32_t> replication_factor;
  std::string replica_assignment;
  bool if_not_exists = false, if_exists = false;
  bool exclude_internal = false;
  PartitionFilter filter;
};

int FailTopic(const Context& context, const absl::Status& status) {
  // Kafka's words, so that scripts which look for them find them.
  std::string remedy = RemedyFor(status);
  if (KafkaErrorOf(status) == kTopicAlreadyExists) remedy = "Use --if-not-exists to be content with that";
  *context.err << "Error while executing topic command : " << Sentence(status.message());
  if (!remedy.empty()) *context.err << ' ' << Sentence(remedy);
  *context.err << '\n';
  return kExitFailure;
}

int FailMissing(const Context& context, const std::string& topic) {
  *context.err << "Error while executing topic command : Topic '" << topic << "' does not exist as expected. "
               << "quorate topics --list shows those that do.\n";
  return kExitFailure;
}

// What can be wrong with the arguments among themselves; empty when all is well.
std::string Misuse(const TopicsArgs& args) {
  if (args.create + args.list + args.describe + args.remove != 1) {
    return "Command must include exactly one action: --list, --describe, --create or --delete";
  }
  if ((args.create || args.remove) && args.topic.empty()) return "--topic NAME is missing";
  if (!args.topic.empty() && SplitTopicList(args.topic).empty()) {
    return absl::StrCat("--topic '", args.topic, "' names no topic");
  }
  if (!args.create) {
    if (args.partitions || args.replication_factor || !args.replica_assignment.empty() || args.if_not_exists) {
      return "--partitions, --replication-factor, --replica-assignment and --if-not-exists go with --create only";
    }
  } else if (args.if_exists) {
    return "--if-exists goes with --describe and --delete; with --create it is --if-not-exists";
  }
  if (args.filter.any() && !args.describe) {
    return "--under-replicated-partitions and --unavailable-partitions go with --describe only";
  }
  if (!args.replica_assignment.empty() && (args.partitions || args.replication_factor)) {
    return "--replica-assignment says how many partitions and replicas there are; leave --partitions and "
           "--replication-factor out";
  }
  return "";
}

int Create(const TopicsArgs& args, AdminClient& admin, const Context& context) {
  NewTopic topic;
  topic.name = args.topic;
  topic.partitions = args.partitions.value_or(-1);
  topic.replication_factor = static_cast<int16_t>(args.replication_factor.value_or(-1));
  if (!args.replica_assignment.empty()) {
    auto assignments = ParseReplicaAssignment(args.replica_assignment);
    if (!assignments.ok()) return FailTopic(context, assignments.status());
    topic.assignments = *std::move(assignments);
  }
  if (HasCollisionCharacter(args.topic)) {
    // Kafka's tool says it on the standard output; a program that reads JSON there shouldn't find it.
    (args.format == OutputFormat::kJson ? *context.err : *context.out)
        << "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could "
           "collide. To avoid issues it is best to use either, but not both.\n";
  }
  auto results = admin.CreateTopics({std::move(topic)}, false);
  if (!results.ok()) return FailTopic(context, results.status());
  if (results->size() != 1) return Fail(context, "The cluster's answer doesn't match the question");
  const TopicResult& result = results->front();
  const bool exists = KafkaErrorOf(result.status) == kTopicAlreadyExists;
  if (!result.status.ok() && !(exists && args.if_not_exists)) return FailTopic(context, result.status);
  if (args.format == OutputFormat::kJson) {
    Json created = Json::array();
    if (result.status.ok()) {
      created.push_back(Json{{"name", result.name},
                             {"topicId", result.topic_id.ToString()},
                             {"partitionCount", result.partitions},
                             {"replicationFactor", result.replication_factor}});
    }
    *context.out << Json{{"created", std::move(created)}}.dump(2) << '\n';
  } else if (result.status.ok()) {
    *context.out << "Created topic " << args.topic << ".\n";
  }
  return kExitOk;
}

void WarnIfStale(const Context& context, bool stale) {
  if (!stale) return;
  Warn(context,
       "the node that answered can't reach a majority of the controllers: this is what it knew when it last could");
}

// What --topic stands for; all topics when it isn't given.
absl::StatusOr<TopicSelection> Select(const TopicsArgs& args, AdminClient& admin, const Context& context) {
  const std::vector<std::string> pieces = SplitTopicList(args.topic);
  TopicSelection selection;
  if (!pieces.empty() && OnlyTopicNames(pieces) && !args.list) {
    selection.names = pieces;  // the answer to the question itself will say which are missing
    std::sort(selection.names.begin(), selection.names.end());
    selection.names.erase(std::unique(selection.names.begin(), selection.names.end()), selection.names.end());
  } else {
    absl::StatusOr<TopicList> existing = admin.ListTopics();
    if (!existing.ok()) return OfRead(existing.status());
    if (!args.describe) WarnIfStale(context, existing->stale);  // a description says so itself
    if (pieces.empty()) {
      selection.names = std::move(existing->names);
      std::sort(selection.names.begin(), selection.names.end());
    } else {
      absl::StatusOr<TopicSelection> matched = MatchTopics(pieces, existing->names);
      if (!matched.ok()) return matched.status();
      selection = *std::move(matched);
    }
  }
  if (args.exclude_internal) {
    selection.names.erase(std::remove_if(selection.names.begin(), selection.names.end(),
                                         [](const std::string& name) { return IsInternalTopic(name); }),
                          selection.names.end());
  }
  return selection;
}

// Says which topics are missing, unless that is fine. The exit code.
int CheckMissing(const TopicsArgs& args, const Context& context, const std::vector<std::string>& missing) {
  if (args.if_exists) return kExitOk;
  for (const std::string& topic : missing) FailMissing(context, topic);
  return missing.empty() ? kExitOk : kExitFailure;
}

int List(const TopicsArgs& args, AdminClient& admin, const Context& context) {
  // What is missing doesn't matter: a list that is empty is a list.
  absl::StatusOr<TopicSelection> selection = Select(args, admin, context);
  if (!selection.ok()) return FailTopic(context, selection.status());
  if (args.format == OutputFormat::kJson) {
    *context.out << Json{{"topics", selection->names}}.dump(2) << '\n';
  } else {
    for (const std::string& name : selection->names) *context.out << name << '\n';
  }
  return kExitOk;
}

int Describe(const TopicsArgs& args, AdminClient& admin, const Context& context) {
  absl::StatusOr<TopicSelection> selection = Select(args, admin, context);
  if (!selection.ok()) return FailTopic(context, selection.status());
  std::vector<std::string> missing = selection->missing;
  std::vector<TopicDescription> shown;
  if (!selection->names.empty()) {
    auto topics = admin.DescribeTopics(selection->names);
    if (!topics.ok()) return FailTopic(context, OfRead(topics.status()));
    WarnIfStale(context, std::any_of(topics->begin(), topics->end(), [](const auto& topic) { return topic.stale; }));
    const bool named = OnlyTopicNames(SplitTopicList(args.topic));
    for (TopicDescription& topic : *topics) {
      if (topic.status.ok()) {
        shown.push_back(std::move(topic));
      } else if (KafkaErrorOf(topic.status) != kUnknownTopic) {
        return FailTopic(context, topic.status);
      } else if (named && !args.topic.empty()) {
        missing.push_back(topic.name);
      }  // else: deleted between being listed and being described
    }
  }
  std::sort(shown.begin(), shown.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  if (!shown.empty() || missing.empty() || args.if_exists) {
    PrintTopics(*context.out, args.format, shown, args.filter);
  }
  return CheckMissing(args, context, missing);
}

int Delete(const TopicsArgs& args, AdminClient& admin, const Context& context) {
  absl::StatusOr<TopicSelection> selection = Select(args, admin, context);
  if (!selection.ok()) return FailTopic(context, selection.status());
  std::vector<std::string> missing = selection->missing;
  Json deleted = Json::array();
  int exit_code = kExitOk;
  if (!selection->names.empty()) {
    auto results = admin.DeleteTopics(selection->names);
    if (!results.ok()) return FailTopic(context, results.status());
    for (const TopicResult& result : *results) {
      if (result.status.ok()) {
        deleted.push_back(Json{{"name", result.name}, {"topicId", result.topic_id.ToString()}});
      } else if (KafkaErrorOf(result.status) == kUnknownTopic) {
        missing.push_back(result.name);
      } else {
        exit_code = FailTopic(context, result.status);
      }
    }
  }
  // Kafka's tool says nothing when a topic was deleted.
  if (args.format == OutputFormat::kJson) *context.out << Json{{"deleted", std::move(deleted)}}.dump(2) << '\n';
  if (CheckMissing(args, context, missing) != kExitOk) exit_code = kExitFailure;
  return exit_code;
}

int RunTopics(const TopicsArgs& args, const Context& context) {
  if (std::string misuse = Misuse(args); !misuse.empty()) return Fail(context, misuse, "See quorate topics --help");
  auto admin = Connect(context, args.connection);
  if (!admin.ok()) return Fail(context, admin.status());
  if (args.create) return Create(args, **admin, context);
  if (args.list) return List(args, **admin, context);
  if (args.describe) return Describe(args, **admin, context);
  return Delete(args, **admin, context);
}

}  // namespace

void AddTopicsCommand(CLI::App* app, Context* context) {
  CLI::App* command = app->add_subcommand("topics", "Create, list, describe and delete topics (kafka-topics.sh)");
  auto args = std::make_shared<TopicsArgs>();
  AddConnectionOptions(command, &args->connection);
  AddOutputOption(command, &args->format);
  command->add_flag("--create", args->create, "Create a topic");
  command->add_flag("--list", args->list, "List the names of all topics");
  command->add_flag("--describe", args->describe, "Show leader, replicas and in-sync replicas of each partition");
  command->add_flag("--delete", args->remove, "Delete topics");
  command->add_option("--topic", args->topic, "The topic; except for --create also regular expressions, by commas")
      ->type_name("NAME");
  command->add_option("--partitions", args->partitions, "How many partitions; else the cluster's num.partitions")
      ->type_name("N")
      ->check(WholeNumber(1, limits::kPartitionsPerTopicMax));
  command
      ->add_option("--replication-factor", args->replication_factor,
                   "How many copies of each; else the cluster's default.replication.factor")
      ->type_name("N")
      ->check(WholeNumber(1, INT16_MAX));
  command
      ->add_option("--replica-assignment", args->replica_assignment,
                   "Instead of both: the brokers of each partition, the preferred leader first")
      ->type_name("B:B:...,B:B:...");
  command->add_flag("--if-not-exists", args->if_not_exists, "With --create: a topic that exists is no error");
  command->add_flag("--if-exists", args->if_exists, "With --describe, --delete: a missing topic is no error");
  command->add_flag("--exclude-internal", args->exclude_internal, "Leave out topics that brokers made for themselves");
  command->add_flag("--under-replicated-partitions", args->filter.under_replicated,
                    "With --describe: only partitions with replicas that are not in sync");
  command->add_flag("--unavailable-partitions", args->filter.unavailable,
                    "With --describe: only partitions without a leader");
  command->callback([args, context] { context->exit_code = RunTopics(*args, *context); });
}

}  // namespace quorate::cli
