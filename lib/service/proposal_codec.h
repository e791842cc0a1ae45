// The messages of proto/quorate/v1/proposals.proto, to bytes and back.
//
// What is read are views: each record, query, result and status stays where it was received, and is copied once, to
// where it is to go. What is written is appended to the bytes of a message, so that a message with a thousand answers
// is one string. The containers of what was read keep their memory from one message to the next.
//
// Strict: an unknown field, a wrong type, a number out of range or a length that doesn't fit refuses the message as a
// whole (kInvalidArgument). Everything is bounded by the bytes that were received, and by
// limits::kProposalsPerMessageMax. tests/service holds it against protobuf's generated code.
//
// Pure functions and plain data; any thread.
#ifndef QUORATE_LIB_SERVICE_PROPOSAL_CODEC_H_
#define QUORATE_LIB_SERVICE_PROPOSAL_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "quorate/proposal_client.h"
#include "quorate/types.h"

namespace quorate::service {

// One proposal of a request; its records are a part of StreamRequest::records.
struct WireProposal {
  uint64_t id = 0;
  size_t first_record = 0;
  size_t record_count = 0;
  size_t bytes = 0;  // of the records
  uint32_t timeout_ms = 0;
  std::optional<Epoch> expected_epoch;
};

struct WireRead {
  uint64_t id = 0;
  absl::string_view query;
  uint32_t timeout_ms = 0;
};

struct StreamRequest {
  std::vector<WireProposal> proposals;
  std::vector<absl::string_view> records;
  std::vector<WireRead> reads;
  bool no_forwarding = false;

  [[nodiscard]] absl::Span<const absl::string_view> RecordsOf(const WireProposal& proposal) const {
    return absl::MakeConstSpan(records).subspan(proposal.first_record, proposal.record_count);
  }
  void Clear();
};

struct WireProposed {
  uint64_t id = 0;
  Offset base_offset;
  Epoch epoch;
  size_t first_result = 0;
  size_t result_count = 0;
  absl::Status status;
};

struct WireAnswer {
  uint64_t id = 0;
  Offset offset;
  absl::string_view answer;
  absl::Status status;
};

struct StreamResponse {
  std::vector<WireProposed> proposed;
  std::vector<absl::string_view> results;
  std::vector<WireAnswer> answers;

  [[nodiscard]] absl::Span<const absl::string_view> ResultsOf(const WireProposed& proposed) const {
    return absl::MakeConstSpan(results).subspan(proposed.first_result, proposed.result_count);
  }
  void Clear();
};

// ---- Requests: `out` is replaced. ------------------------------------------------------------------

absl::Status DecodeStreamRequest(absl::string_view bytes, StreamRequest* out);
// As a stream request with the one proposal, without an id.
absl::Status DecodePropose(absl::string_view bytes, StreamRequest* out);
absl::Status DecodeRead(absl::string_view bytes, WireRead* out);

void AppendStreamProposal(const WireProposal& proposal, absl::Span<const absl::string_view> records, std::string* out);
void AppendStreamRead(const WireRead& read, std::string* out);
// For a whole message, anywhere in it.
void AppendNoForwarding(std::string* out);
std::string EncodePropose(const WireProposal& proposal, absl::Span<const absl::string_view> records,
                          bool no_forwarding);
std::string EncodeRead(const WireRead& read);

// ---- Answers ---------------------------------------------------------------------------------------

absl::Status DecodeStreamResponse(absl::string_view bytes, StreamResponse* out);
absl::StatusOr<Proposed> DecodeProposed(absl::string_view bytes);
absl::StatusOr<ReadAnswer> DecodeAnswer(absl::string_view bytes);

void AppendStreamProposed(uint64_t id, Offset base_offset, Epoch epoch, absl::Span<const std::string> results,
                          std::string* out);
// `encoded`: EncodeStatus of an error. Encoded once, it may be the answer of many.
void AppendStreamFailed(uint64_t id, absl::string_view encoded, std::string* out);
void AppendStreamAnswer(uint64_t id, Offset offset, absl::string_view answer, std::string* out);
void AppendStreamReadFailed(uint64_t id, absl::string_view encoded, std::string* out);
std::string EncodeProposed(const Proposed& proposed);
std::string EncodeAnswer(Offset offset, absl::string_view answer);

}  // namespace quorate::service

#endif  // QUORATE_LIB_SERVICE_PROPOSAL_CODEC_H_
