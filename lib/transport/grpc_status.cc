#include "transport/grpc_status.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "quorate/status.h"

namespace quorate::transport {
namespace {

// Trailing metadata is bounded by our peers; a message that would break the bound is cut.
constexpr size_t kMessageBytesMax = 4096;

// gRPC wraps the system's word in several layers; people want the innermost.
absl::string_view InnermostCause(absl::string_view message) {
  const size_t at = message.rfind(": ");
  return at == absl::string_view::npos ? message : message.substr(at + 2);
}

// Whether the call certainly never left this process.
bool NeverSent(absl::string_view message) {
  return absl::StrContains(message, "failed to connect to all addresses") ||
         absl::StrContains(message, "DNS resolution failed") || absl::StrContains(message, "Name resolution failure") ||
         absl::StrContains(message, "empty address list");
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status, grpc::ServerContextBase* context) {
  if (status.ok()) return grpc::Status::OK;
  const absl::string_view message = status.message().substr(0, kMessageBytesMax);
  if (DetailOf(status).has_value()) {
    // The encoded form holds the message too.
    std::string encoded = status.message().size() <= kMessageBytesMax
                              ? EncodeStatus(status)
                              : EncodeStatus(MakeError(*DetailOf(status), message));
    context->AddTrailingMetadata(kStatusMetadataKey, encoded);
  }
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(message));
}

absl::Status FromGrpcStatus(const grpc::Status& status, const grpc::ClientContext& context, absl::string_view address,
                            absl::string_view what) {
  if (status.ok()) return absl::OkStatus();
  const auto& trailers = context.GetServerTrailingMetadata();
  if (auto it = trailers.find(kStatusMetadataKey); it != trailers.end()) {
    absl::Status decoded = DecodeStatus(absl::string_view(it->second.data(), it->second.size()));
    // Only errors travel this way; anything else is a malformed trailer, and gRPC's own words are used.
    if (!decoded.ok() && ReasonOf(decoded) != Reason::kCorruption) return decoded;
  }
  const std::string message = status.error_message();
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      if (NeverSent(message)) {
        return MakeError(Reason::kUnreachable, Outcome::kNotApplied,
                         absl::StrCat("can't connect to ", address, ": ", InnermostCause(message)));
      }
      return MakeError(Reason::kUnreachable, Outcome::kUnknown,
                       absl::StrCat("the connection to ", address, " broke during ", what, ": ", message));
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return MakeError(Reason::kDeadlineExceeded, Outcome::kUnknown,
                       absl::StrCat("no answer from ", address, " to ", what, " in time"));
    default:
      return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                          absl::StrCat(address, " refused ", what, ": ", message));
  }
}

}  // namespace quorate::transport
