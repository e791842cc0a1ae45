#include "cli/context.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "quorate/status.h"

namespace quorate::cli {

namespace {
// Kafka's numbers, for the refusals whose remedy is a flag of ours.
constexpr int16_t kInvalidReplicationFactor = 38;
}  // namespace

std::string Sentence(absl::string_view text) {
  absl::string_view trimmed = absl::StripAsciiWhitespace(text);
  if (trimmed.empty()) return "Unknown failure.";
  const char last = trimmed.back();
  const bool ended = last == '.' || last == '!' || last == '?' || last == ':';
  return absl::StrCat(trimmed, ended ? "" : ".");
}

int Fail(const Context& context, absl::string_view message, absl::string_view remedy) {
  *context.err << "error: " << Sentence(message);
  if (!remedy.empty()) *context.err << ' ' << Sentence(remedy);
  *context.err << '\n';
  return kExitFailure;
}

int Fail(const Context& context, const absl::Status& status) {
  return Fail(context, status.message(), RemedyFor(status));
}

void Warn(const Context& context, absl::string_view message) {
  *context.err << "warning: " << Sentence(message) << '\n';
}

std::string RemedyFor(const absl::Status& status) {
  if (KafkaErrorOf(status) == kInvalidReplicationFactor) {
    return "Start more brokers, or ask for fewer copies with --replication-factor";
  }
  switch (ReasonOf(status)) {
    case Reason::kUnreachable:
      return "Check that a node runs there (quorate server FILE) and that the address is one of its listeners";
    case Reason::kNoLeader:
      return "A majority of the controllers must be alive and able to reach each other: start those that aren't, and "
             "see in their logs whom they miss";
    case Reason::kDeadlineExceeded:
      return OutcomeOf(status) == Outcome::kUnknown
                 ? "It may still take effect, so look before you repeat it. Check that a majority of the controllers "
                   "is alive, or allow more time with --timeout-ms"
                 : "Check that a majority of the controllers is alive, or allow more time with --timeout-ms";
    case Reason::kLeadershipLost:
    case Reason::kShuttingDown:
    case Reason::kHalted:
      return OutcomeOf(status) == Outcome::kUnknown ? "Look whether it took effect before you repeat it"
                                                    : "Repeat it, or ask another node";
    case Reason::kOverloaded:
    case Reason::kLeaderNotReady:
      return "Try again in a moment";
    case Reason::kChangePending:
      return "Wait until it has ended (metadata-quorum describe --status shows it), then repeat this";
    case Reason::kVoterExists:
      return "If its disk was replaced, remove the voter with the old directory id first (metadata-quorum "
             "remove-controller)";
    case Reason::kVoterNotFound:
      return "metadata-quorum describe --status shows the voters and their directory ids";
    case Reason::kVoterRemoved:
      return "Add it by hand (metadata-quorum add-controller) if it shall come back";
    case Reason::kNotCaughtUp:
      return "Check that the node runs and fetches (metadata-quorum describe --replication lists it as Observer), then "
             "repeat this, with a longer --timeout-ms if it has much to fetch";
    case Reason::kUnsupportedVersion:
      return "Run the same version of quorate on all controllers, with a quorum that was not formatted for "
             "controller.quorum.voters";
    case Reason::kUnsafeChange:
      return "Start the controllers that are down, and wait until they have caught up (metadata-quorum describe "
             "--replication)";
    case Reason::kNoEndpoint:
      return "Set advertised.listeners for its controller listener on the node that the message names, start it again, "
             "and repeat this";
    case Reason::kWrongReplica:
      return "Check that the address is that of this very node, and that its data directory is the one that is meant";
    default:
      return "";
  }
}

absl::Status OfRead(const absl::Status& status) {
  std::optional<StatusDetail> detail = DetailOf(status);
  if (status.ok() || !detail) return status;
  detail->outcome = Outcome::kNotApplied;
  return MakeError(*detail, status.message());
}

absl::StatusOr<std::string> ReadFile(FileSystem* files, const std::string& path) {
  absl::StatusOr<bool> exists = files->Exists(path);
  if (!exists.ok()) return exists.status();
  if (!*exists) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, absl::StrCat("the file ", path, " doesn't exist"));
  }
  absl::StatusOr<bool> directory = files->IsDirectory(path);
  if (directory.ok() && *directory) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                     absl::StrCat(path, " is a directory, and a properties file is wanted"));
  }
  absl::StatusOr<std::unique_ptr<File>> file = files->Open(path, OpenMode::kRead);
  if (!file.ok()) return file.status();
  absl::StatusOr<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  if (*size > kFileBytesMax) {
    return MakeError(Reason::kTooLarge, Outcome::kNotApplied,
                     absl::StrCat(path, " has ", *size, " bytes; a properties file may have ", kFileBytesMax));
  }
  std::string text;
  if (absl::Status read = (*file)->ReadAt(0, *size, &text); !read.ok()) return read;
  return text;
}

Uuid NewUuid(Random* random) {
  constexpr uint64_t kVersionMask = 0xf000, kVersion4 = 0x4000;
  constexpr uint64_t kVariantMask = 0xc000000000000000u, kVariant = 0x8000000000000000u;
  while (true) {
    const Uuid id((random->Next() & ~kVersionMask) | kVersion4, (random->Next() & ~kVariantMask) | kVariant);
    if (!id.is_reserved() && id.ToString().front() != '-') return id;
  }
}

}  // namespace quorate::cli
