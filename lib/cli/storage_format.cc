#include "cli/storage_format.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/controller_endpoints.h"
#include "cli/initial_controllers.h"
#include "quorate/status.h"

namespace quorate::cli {

namespace {

// Kafka's name of the level that a new cluster gets.
constexpr char kMetadataVersionName[] = "4.0-IV3";
static_assert(kMetadataVersionMax == 25, "name the new metadata.version here");

absl::Status Bad(absl::string_view message) {
  return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, message);
}

// The rules of which flag goes with which configuration (KIP-853).
absl::Status CheckMode(const FormatArgs& args, const NodeOptions& options) {
  const int modes = args.standalone + !args.initial_controllers.empty() + args.no_initial_controllers;
  if (modes > 1) {
    return Bad("--standalone, --initial-controllers and --no-initial-controllers exclude each other; give one of them");
  }
  if (modes == 1 && !options.static_voters.empty()) {
    return Bad(
        "You cannot specify controller.quorum.voters and format the node with --initial-controllers, --standalone, or "
        "--no-initial-controllers. If you want to use dynamic quorum, remove controller.quorum.voters and specify "
        "controller.quorum.bootstrap.servers instead.");
  }
  if (!options.is_controller && args.standalone) return Bad("You can only use --standalone on a controller.");
  if (!options.is_controller && !args.initial_controllers.empty()) {
    return Bad("You can only use --initial-controllers on a controller.");
  }
  if (options.is_controller && modes == 0 && options.static_voters.empty()) {
    return Bad(
        "Because controller.quorum.voters is not set on this controller, you must specify one of the following: "
        "--standalone, --initial-controllers, or --no-initial-controllers.");
  }
  return absl::OkStatus();
}

// Fills in the voter set of the metadata directory, and its directory id where the voter set decides that.
absl::Status PlanVoters(const FormatArgs& args, const NodeOptions& options, DirectoryPlan* plan) {
  if (args.standalone) {
    absl::StatusOr<std::vector<Endpoint>> endpoints = ControllerEndpoints(options);
    if (!endpoints.ok()) return endpoints.status();
    Voter self;
    self.key = ReplicaKey{options.id, plan->identity.directory_id};
    self.endpoints = *std::move(endpoints);
    plan->identity.initial_voters = std::vector<Voter>{std::move(self)};
  } else if (!args.initial_controllers.empty()) {
    const std::string listener =
        options.controller_listener_names.empty() ? "CONTROLLER" : options.controller_listener_names.front();
    absl::StatusOr<std::vector<Voter>> voters = ParseInitialControllers(args.initial_controllers, listener);
    if (!voters.ok()) return voters.status();
    const auto self =
        std::find_if(voters->begin(), voters->end(), [&](const Voter& v) { return v.key.id == options.id; });
    if (self == voters->end()) {
      return Bad(
          absl::StrCat("--initial-controllers doesn't list node ", options.id.value(), ", which ", args.config,
                       " describes (node.id); all controllers are formatted with the same list, and a controller "
                       "that joins later with --no-initial-controllers"));
    }
    plan->identity.directory_id = self->key.directory;
    plan->identity.initial_voters = *std::move(voters);
  }
  return absl::OkStatus();
}

std::string MetadataKind(const FormatArgs& args, const DirectoryPlan& plan) {
  if (plan.identity.initial_voters) return "dynamic metadata voter directory";
  return args.no_initial_controllers ? "dynamic metadata directory" : "metadata directory";
}

// Splits off the directories that are formatted already. With --ignore-formatted they are left alone, but only when
// they are this node's: skipping somebody else's would only move the error to the next start.
absl::Status SkipFormatted(const FormatArgs& args, const Context& context, std::vector<DirectoryPlan>* plans) {
  std::vector<DirectoryPlan> fresh;
  for (DirectoryPlan& plan : *plans) {
    auto identity = ReadDirectoryIdentity(context.files, plan.path);
    if (!identity.ok()) return identity.status();
    if (!identity->has_value()) {
      fresh.push_back(std::move(plan));
      continue;
    }
    if (!args.ignore_formatted) {
      return Bad(absl::StrCat("Log directory ", plan.path,
                              " is already formatted. Use --ignore-formatted to ignore this directory and format the "
                              "others."));
    }
    const DirectoryIdentity& there = **identity;
    if (there.cluster_id != plan.identity.cluster_id) {
      return Bad(absl::StrCat("Log directory ", plan.path, " belongs to cluster ", there.cluster_id.ToString(),
                              ", and --cluster-id is ", plan.identity.cluster_id.ToString(),
                              "; use that id, or another directory"));
    }
    if (there.node_id != plan.identity.node_id) {
      return Bad(absl::StrCat("Log directory ", plan.path, " belongs to node ", there.node_id.value(),
                              ", and node.id in ", args.config, " is ", plan.identity.node_id.value(),
                              "; correct node.id, or use another directory"));
    }
  }
  *plans = std::move(fresh);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<NodeOptions> ReadNodeOptions(const Context& context, const std::string& path,
                                            const std::vector<std::pair<std::string, std::string>>& overrides) {
  absl::StatusOr<std::string> text = ReadFile(context.files, path);
  if (!text.ok()) return text.status();
  std::vector<std::string> warnings;
  absl::StatusOr<NodeOptions> options = ParseServerProperties(*text, path, overrides, &warnings);
  for (const std::string& warning : warnings) Warn(context, warning);
  return options;
}

std::vector<std::string> DirectoriesOf(const NodeOptions& options) {
  std::vector<std::string> paths = {options.metadata_dir()};
  for (const std::string& path : options.log_dirs) {
    if (std::find(paths.begin(), paths.end(), path) == paths.end()) paths.push_back(path);
  }
  return paths;
}

absl::StatusOr<std::vector<DirectoryPlan>> PlanFormat(const FormatArgs& args, const NodeOptions& options,
                                                      Random* random) {
  absl::StatusOr<ClusterId> cluster = ClusterId::Parse(args.cluster_id);
  if (!cluster.ok() || cluster->value().is_reserved()) {
    return Bad(
        absl::StrCat("--cluster-id: '", args.cluster_id,
                     "' isn't a cluster id (22 characters of base64); quorate storage random-uuid makes one, and "
                     "all nodes of a cluster share it"));
  }
  if (absl::Status mode = CheckMode(args, options); !mode.ok()) return mode;
  std::vector<DirectoryPlan> plans;
  for (const std::string& path : DirectoriesOf(options)) {
    DirectoryPlan plan;
    plan.path = path;
    plan.kind = "data directory";
    plan.identity.cluster_id = *cluster;
    plan.identity.node_id = options.id;
    plan.identity.directory_id = DirectoryId(NewUuid(random));
    plans.push_back(std::move(plan));
  }
  if (absl::Status voters = PlanVoters(args, options, &plans.front()); !voters.ok()) return voters;
  plans.front().kind = MetadataKind(args, plans.front());
  return plans;
}

int RunStorageFormat(const FormatArgs& args, const Context& context) {
  absl::StatusOr<NodeOptions> options = ReadNodeOptions(context, args.config, {});
  if (!options.ok()) return Fail(context, options.status());
  absl::StatusOr<std::vector<DirectoryPlan>> plans = PlanFormat(args, *options, context.random);
  if (!plans.ok()) return Fail(context, plans.status());
  if (absl::Status skipped = SkipFormatted(args, context, &*plans); !skipped.ok()) return Fail(context, skipped);
  if (plans->empty()) {
    *context.out << "All of the log directories are already formatted.\n";
    return kExitOk;
  }
  // The metadata directory is the last: as long as it isn't formatted the node doesn't start, so a format that failed
  // half-way is simply run again with --ignore-formatted.
  std::rotate(plans->begin(), plans->begin() + 1, plans->end());
  for (const DirectoryPlan& plan : *plans) {
    *context.out << "Formatting " << plan.kind << " " << plan.path << " with metadata.version " << kMetadataVersionName
                 << ".\n";
    if (absl::Status done = FormatDirectory(context.files, plan.path, plan.identity); !done.ok()) {
      return Fail(context, done);
    }
  }
  return kExitOk;
}

}  // namespace quorate::cli
