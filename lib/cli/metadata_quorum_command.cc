// quorate metadata-quorum: kafka-metadata-quorum.sh. Shows the quorum: who leads, how far each replica is.
#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

#include "cli/commands.h"
#include "cli/connection.h"
#include "cli/output.h"
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

}  // namespace

void AddMetadataQuorumCommand(CLI::App* app, Context* context) {
  CLI::App* command = app->add_subcommand("metadata-quorum", "Show the controllers' quorum (kafka-metadata-quorum.sh)");
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
}

}  // namespace quorate::cli
