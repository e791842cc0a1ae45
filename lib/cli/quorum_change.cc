#include "cli/quorum_change.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/controller_endpoints.h"
#include "cli/quorum_text.h"
#include "quorate/status.h"

namespace quorate::cli {

namespace {

using Json = nlohmann::ordered_json;

// An addition takes as long as its newcomer has to fetch.
constexpr int64_t kAddTimeoutMs = 60'000;

struct Connected {
  std::unique_ptr<AdminClient> admin;
  QuorumChangeOptions options;
};

absl::StatusOr<Connected> ConnectForChange(const ConnectionArgs& connection, const QuorumChangeArgs& args,
                                           const Context& context) {
  absl::StatusOr<AdminClientOptions> resolved = ResolveConnection(context, connection);
  if (!resolved.ok()) return resolved.status();
  Connected connected;
  connected.options.timeout = resolved->timeout;
  connected.options.dry_run = args.dry_run;
  connected.options.on_progress = [&context, last = std::string()](const PendingVoterChange& pending) mutable {
    std::string text = PendingChangeText(pending);
    if (text == last) return;
    *context.err << text << std::endl;  // now, not when the buffer is full
    last = std::move(text);
  };
  absl::StatusOr<std::unique_ptr<AdminClient>> admin = context.make_admin(*std::move(resolved));
  if (!admin.ok()) return admin.status();
  connected.admin = *std::move(admin);
  return connected;
}

std::string EndpointList(const Voter& voter) {
  return absl::StrJoin(voter.endpoints, ", ",
                       [](std::string* out, const Endpoint& endpoint) { out->append(endpoint.ToString()); });
}

}  // namespace

int RunAddController(const ConnectionArgs& connection, const QuorumChangeArgs& args, const Context& context) {
  if (connection.command_config.empty()) {
    return Fail(context, "say which controller to add: --command-config FILE, with its properties");
  }
  absl::StatusOr<Voter> voter = ReadController(context, connection.command_config);
  if (!voter.ok()) return Fail(context, voter.status());
  ConnectionArgs patient = connection;
  if (!patient.timeout_given) patient.timeout_ms = kAddTimeoutMs;
  absl::StatusOr<Connected> connected = ConnectForChange(patient, args, context);
  if (!connected.ok()) return Fail(context, connected.status());
  if (absl::Status added = connected->admin->AddController(*voter, connected->options); !added.ok()) {
    return Fail(context, args.dry_run ? OfRead(added) : added);
  }
  if (args.format == OutputFormat::kJson) {
    Json endpoints = Json::array();
    for (const Endpoint& endpoint : voter->endpoints) endpoints.push_back(endpoint.ToString());
    *context.out << Json{{"operation", "add-controller"},
                         {"controllerId", voter->key.id.value()},
                         {"directoryId", voter->key.directory.ToString()},
                         {"endpoints", std::move(endpoints)},
                         {"dryRun", args.dry_run}}
                        .dump(2)
                 << '\n';
  } else {
    *context.out << (args.dry_run ? "DRY RUN of adding" : "Added") << " controller " << voter->key.id.value()
                 << " with directory id " << voter->key.directory.ToString()
                 << " and endpoints: " << EndpointList(*voter) << "\n";
  }
  return kExitOk;
}

int RunRemoveController(const ConnectionArgs& connection, const QuorumChangeArgs& args, const Context& context) {
  absl::StatusOr<DirectoryId> directory = DirectoryId::Parse(args.directory_id);
  if (!directory.ok() || directory->value().is_reserved()) {
    return Fail(context,
                absl::StrCat("--controller-directory-id: '", args.directory_id,
                             "' isn't a directory id (22 characters of base64)"),
                "metadata-quorum describe --status shows the voters and their directory ids");
  }
  const ReplicaKey key{NodeId(*args.controller_id), *directory};
  absl::StatusOr<Connected> connected = ConnectForChange(connection, args, context);
  if (!connected.ok()) return Fail(context, connected.status());
  if (absl::Status removed = connected->admin->RemoveController(key, connected->options); !removed.ok()) {
    return Fail(context, args.dry_run ? OfRead(removed) : removed);
  }
  if (args.format == OutputFormat::kJson) {
    Json done{{"operation", "remove-controller"},
              {"controllerId", key.id.value()},
              {"directoryId", key.directory.ToString()},
              {"dryRun", args.dry_run}};
    // Who asks before he removes is about to stop the node as well; the leader's answer is about both.
    if (args.dry_run) done["safeToStop"] = true;
    *context.out << done.dump(2) << '\n';
  } else {
    *context.out << (args.dry_run ? "DRY RUN of removing" : "Removed") << " KRaft controller " << key.id.value()
                 << " with directory id " << key.directory.ToString() << "\n";
    if (args.dry_run) *context.out << "It is safe to remove it, and to stop it: a majority is alive without it.\n";
  }
  return kExitOk;
}

int RunTransferLeadership(const ConnectionArgs& connection, const QuorumChangeArgs& args, const Context& context) {
  absl::StatusOr<Connected> connected = ConnectForChange(connection, args, context);
  if (!connected.ok()) return Fail(context, connected.status());
  std::optional<NodeId> to;
  if (args.to.has_value()) to = NodeId(*args.to);
  if (absl::Status moved = connected->admin->TransferLeadership(to, connected->options); !moved.ok()) {
    return Fail(context, moved);
  }
  absl::StatusOr<QuorumDescription> quorum = connected->admin->DescribeQuorum();
  if (!quorum.ok()) return Fail(context, OfRead(quorum.status()));
  if (args.format == OutputFormat::kJson) {
    *context.out << Json{{"operation", "transfer-leadership"},
                         {"leaderId", quorum->leader.value()},
                         {"leaderEpoch", quorum->epoch.value()}}
                        .dump(2)
                 << '\n';
  } else {
    *context.out << "Controller " << quorum->leader.value() << " leads epoch " << quorum->epoch.value() << "\n";
  }
  return kExitOk;
}

}  // namespace quorate::cli
