// quorate metadata-quorum: kafka-metadata-quorum.sh. Shows the quorum (who leads, how far each replica is), and changes
// it.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/connection.h"
#include "cli/output.h"
#include "cli/quorum_change.h"
#include "cli/quorum_text.h"

namespace quorate::cli {

namespace {

struct QuorumArgs {
  ConnectionArgs connection;
  OutputFormat format = OutputFormat::kHuman;
  bool status = false, replication = false, human_readable = false;
};

int RunDescribe(const QuorumArgs& args, const Context& context) {
  if (args.status && args.replication)
    return Fail(context, "Only one of --status or --replication should be specified");
  if (!args.status && !args.replication) return Fail(context, "One of --status or --replication must be specified");
  if (args.human_readable && !args.replication) return Fail(context, "--human-readable goes with --replication only");
  auto admin = Connect(context, args.connection);
  if (!admin.ok()) return Fail(context, admin.status());
  auto quorum = (*admin)->DescribeQuorum();
  if (!quorum.ok()) return Fail(context, OfRead(quorum.status()));
  const absl::Time now = context.clock->WallNow();
  if (args.status) {
    PrintQuorumStatus(*context.out, args.format, *quorum);
  } else {
    PrintReplication(*context.out, args.format, *quorum, args.human_readable ? std::optional(now) : std::nullopt);
  }
  return kExitOk;
}

using RunChange = int (*)(const ConnectionArgs&, const QuorumChangeArgs&, const Context&);

// A subcommand that changes the quorum, with what all of them have.
CLI::App* AddChange(CLI::App* command, const std::string& name, const std::string& description, RunChange run,
                    const std::shared_ptr<QuorumArgs>& connection, const std::shared_ptr<QuorumChangeArgs>& args,
                    Context* context) {
  CLI::App* change = command->add_subcommand(name, description);
  change->fallthrough();
  AddOutputOption(change, &args->format);
  change->callback([=] { context->exit_code = run(connection->connection, *args, *context); });
  return change;
}

void AddChanges(CLI::App* command, const std::shared_ptr<QuorumArgs>& connection, Context* context) {
  auto add = std::make_shared<QuorumChangeArgs>();
  AddChange(command, "add-controller", "Make the controller of --command-config a voter, once it has caught up",
            &RunAddController, connection, add, context)
      ->add_flag("--dry-run", add->dry_run, "Only say whether it could be done now");

  auto remove = std::make_shared<QuorumChangeArgs>();
  CLI::App* removal = AddChange(command, "remove-controller", "Take a controller out of the voters",
                                &RunRemoveController, connection, remove, context);
  removal->add_option("-i,--controller-id", remove->controller_id, "Its node.id")
      ->required()
      ->type_name("N")
      ->check(WholeNumber(0, INT32_MAX));
  removal->add_option("-d,--controller-directory-id", remove->directory_id, "The directory.id of its meta.properties")
      ->required()
      ->type_name("ID");
  removal->add_flag("--dry-run", remove->dry_run,
                    "Only say whether it could be done now, and whether to stop it is safe");

  auto transfer = std::make_shared<QuorumChangeArgs>();
  AddChange(command, "transfer-leadership", "Hand leadership of the quorum over", &RunTransferLeadership, connection,
            transfer, context)
      ->add_option("--to", transfer->to, "The node.id of the voter that shall lead; else whoever is best prepared")
      ->type_name("N")
      ->check(WholeNumber(0, INT32_MAX));
}

}  // namespace

void AddMetadataQuorumCommand(CLI::App* app, Context* context) {
  CLI::App* command =
      app->add_subcommand("metadata-quorum", "Show and change the controllers' quorum (kafka-metadata-quorum.sh)");
  command->require_subcommand(1);
  auto args = std::make_shared<QuorumArgs>();
  AddConnectionOptions(command, &args->connection);
  CLI::App* describe = command->add_subcommand("describe", "Describe the state of the quorum");
  // As in Kafka's tool, the address comes before the word describe; here it may also come after it.
  describe->fallthrough();
  AddOutputOption(describe, &args->format);
  describe->add_flag("--status", args->status, "Who leads, which epoch, how far the followers are behind");
  describe->add_flag("--replication", args->replication, "Each replica's position and when it last fetched");
  describe->add_flag("--human-readable", args->human_readable, "With --replication: ages instead of timestamps");
  describe->callback([args, context] { context->exit_code = RunDescribe(*args, *context); });
  AddChanges(command, args, context);
}

}  // namespace quorate::cli
