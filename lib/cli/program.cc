#include "cli/program.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/commands.h"
#include "cli/program_name.h"

namespace quorate::cli {

namespace {

constexpr char kFooter[] =
    "\nquorate COMMAND --help says more about each. Exit codes: 0 done, 1 failed, with the reason on stderr.\n"
    "A link to this program that is called kafka-topics.sh, kafka-storage.sh, kafka-metadata-quorum.sh or\n"
    "kafka-server-start.sh is that tool.";

std::string Named(const std::vector<const CLI::App*>& commands) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands) names.push_back(command->get_name());
  if (names.size() < 2) return names.empty() ? "" : names.front();
  const std::string last = names.back();
  names.pop_back();
  return absl::StrCat(absl::StrJoin(names, ", "), " and ", last);
}

// What is wrong with the command line, in a sentence, and whose help says more.
int FailUsage(const Context& context, const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* command = &app;
  std::string path = app.get_name();
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().back();
    absl::StrAppend(&path, " ", command->get_name());
  }
  const std::vector<const CLI::App*> below = command->get_subcommands([](const CLI::App*) { return true; });
  const std::vector<std::string> unknown = app.remaining(true);
  const bool flag = !unknown.empty() && unknown.front().rfind('-', 0) == 0;
  std::string message = error.what();
  if (flag) {
    message = absl::StrCat("'", unknown.front(), "' isn't an option of ", path);
  } else if (!below.empty() && (error.get_name() == "RequiredError" || error.get_name() == "ExtrasError")) {
    message = unknown.empty() ? absl::StrCat("say which command of ", path, " you mean: ", Named(below))
                              : absl::StrCat("'", unknown.front(), "' isn't a command of ", path, "; the commands are ",
                                             Named(below));
  } else if (!unknown.empty()) {
    message = absl::StrCat("'", unknown.front(), "' is one word too many for ", path);
  }
  return Fail(context, message, absl::StrCat("See ", path, " --help"));
}

}  // namespace

int RunProgram(const std::vector<std::string>& args, Context* context) {
  CLI::App app("Embedded consensus in the style of Kafka's KRaft: runs nodes, and asks and changes a cluster.",
               "quorate");
  app.set_version_flag("--version", absl::StrCat("quorate ", QUORATE_VERSION));
  app.set_help_flag("-h,--help", "Show this help and exit");
  app.require_subcommand(1);
  app.footer(kFooter);
  AddServerCommand(&app, context);
  AddStorageCommand(&app, context);
  AddTopicsCommand(&app, context);
  AddMetadataQuorumCommand(&app, context);

  std::vector<std::string> rest(args.begin() + (args.empty() ? 0 : 1), args.end());
  if (!args.empty()) {
    // kafka-topics.sh --version is the program's version, not an option of the subcommand.
    const bool version = rest.size() == 1 && rest.front() == "--version";
    std::optional<std::string> subcommand = SubcommandForProgramName(args.front());
    if (subcommand && !version) rest.insert(rest.begin(), *subcommand);
  }
  std::reverse(rest.begin(), rest.end());  // CLI11 takes them as a stack
  try {
    app.parse(rest);
  } catch (const CLI::Success& done) {  // --help, --version
    return app.exit(done, *context->out, *context->err);
  } catch (const CLI::ParseError& error) {
    return FailUsage(*context, app, error);
  }
  context->out->flush();
  if (!context->out->good() && context->exit_code == kExitOk) {
    // A report that didn't arrive (disk full, reader gone) is no success.
    return Fail(*context, "the standard output can't be written");
  }
  return context->exit_code;
}

}  // namespace quorate::cli
