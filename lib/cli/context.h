// What a subcommand works with: where it prints, what it reaches the world through, and how it says that it failed.
//
// Subcommands are functions of their parsed arguments and this context; none of them touches std::cout, a
// socket or the disk by itself. That is what lets a test run a whole command line in process, with a cluster
// that it made up, and look at both streams and at the exit code.
//
// Single-threaded: one context per command line.
#ifndef QUORATE_CLI_CONTEXT_H_
#define QUORATE_CLI_CONTEXT_H_

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "quorate/admin_client.h"
#include "quorate/environment.h"
#include "quorate/file_system.h"

namespace quorate::cli {

// Kafka's tools know two exit codes, and scripts that were written for them compare with 0 and 1. docs/cli.md
// lists them, with what `server` adds.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;

using AdminFactory = std::function<absl::StatusOr<std::unique_ptr<AdminClient>>(AdminClientOptions)>;

struct Context {
  std::ostream* out = nullptr;  // results
  std::ostream* err = nullptr;  // errors, warnings, progress
  FileSystem* files = nullptr;
  Random* random = nullptr;
  Clock* clock = nullptr;
  AdminFactory make_admin;
  int exit_code = kExitOk;  // set by the subcommand that ran
};

// Prints "error: <message> <remedy>" to the error stream and returns kExitFailure. The message gets its full stop.
int Fail(const Context& context, absl::string_view message, absl::string_view remedy = {});
// The same for a status: its message, and what the user can do about that kind of failure.
int Fail(const Context& context, const absl::Status& status);
void Warn(const Context& context, absl::string_view message);

// What a user can do about a failure of this kind; empty when there is nothing general to say.
std::string RemedyFor(const absl::Status& status);

// The failure of a call that only asks: it changed nothing, however it was lost.
absl::Status OfRead(const absl::Status& status);

// `text` with a full stop (or what it ends with already).
std::string Sentence(absl::string_view text);

// The whole content of a file, at most `kFileBytesMax`. The error names the path.
inline constexpr size_t kFileBytesMax = 1u << 20;
absl::StatusOr<std::string> ReadFile(FileSystem* files, const std::string& path);

// A fresh random id: version 4, never a reserved one, and never with a leading '-', which a command line
// would take for an option (as Kafka's random-uuid does).
Uuid NewUuid(Random* random);

}  // namespace quorate::cli

#endif  // QUORATE_CLI_CONTEXT_H_
