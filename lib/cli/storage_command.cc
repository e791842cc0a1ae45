// quorate storage: kafka-storage.sh. Makes ids, formats data directories, shows what they hold.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/storage_format.h"
#include "cli/storage_info.h"

namespace quorate::cli {

namespace {

void AddFormat(CLI::App* storage, Context* context) {
  CLI::App* command = storage->add_subcommand("format", "Prepare a node's data directories for their first start");
  auto args = std::make_shared<FormatArgs>();
  command->add_option("-c,--config", args->config, "The node's properties file")->type_name("FILE")->required();
  command->add_option("-t,--cluster-id", args->cluster_id, "The cluster's id, from quorate storage random-uuid")
      ->type_name("ID")
      ->required();
  command->add_flag("-g,--ignore-formatted", args->ignore_formatted, "Leave formatted directories as they are");
  command->add_flag("-s,--standalone", args->standalone, "Start a dynamic quorum with this controller alone");
  command
      ->add_option("-I,--initial-controllers", args->initial_controllers,
                   "Start a dynamic quorum with these controllers: the same list on each of them")
      ->type_name("ID@HOST:PORT:DIRECTORY_ID,...");
  command->add_flag("-N,--no-initial-controllers", args->no_initial_controllers,
                    "A controller that will be added to a quorum which exists");
  command->callback([args, context] { context->exit_code = RunStorageFormat(*args, *context); });
}

void AddInfo(CLI::App* storage, Context* context) {
  CLI::App* command = storage->add_subcommand("info", "Show what a node's data directories hold");
  auto args = std::make_shared<InfoArgs>();
  command->add_option("-c,--config", args->config, "The node's properties file")->type_name("FILE")->required();
  AddOutputOption(command, &args->format);
  command->callback([args, context] { context->exit_code = RunStorageInfo(*args, *context); });
}

}  // namespace

void AddStorageCommand(CLI::App* app, Context* context) {
  CLI::App* storage =
      app->add_subcommand("storage", "Make ids, format and look at data directories (kafka-storage.sh)");
  storage->require_subcommand(1);
  storage->add_subcommand("random-uuid", "Print a fresh id, for a cluster or a directory")->callback([context] {
    *context->out << NewUuid(context->random).ToString() << '\n';
    context->exit_code = kExitOk;
  });
  AddFormat(storage, context);
  AddInfo(storage, context);
}

}  // namespace quorate::cli
