#include "service/proposal_codec.h"

#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "service/wire_format.h"

namespace quorate::service {
namespace {

constexpr uint32_t V(uint32_t field) { return WireKey(field, WireType::kVarint); }
constexpr uint32_t B(uint32_t field) { return WireKey(field, WireType::kBytes); }

absl::Status Malformed(absl::string_view what) {
  return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, absl::StrCat("not a valid ", what));
}

// An answer that can't be read is no reason to believe that nothing happened.
absl::Status MalformedAnswer(absl::string_view what) {
  return MakeError(Reason::kCorruption, Outcome::kUnknown, absl::StrCat("the other side sent no valid ", what));
}

absl::Status TooMany(absl::string_view what) {
  return MakeError(Reason::kTooLarge, Outcome::kNotApplied,
                   absl::StrCat("a message holds at most ", limits::kProposalsPerMessageMax, " ", what));
}

// The fields that StreamProposal and ProposeRequest share, at their numbers.
struct ProposalFields {
  uint32_t id, records, timeout, epoch, no_forwarding;
};
constexpr uint32_t kAbsent = UINT32_MAX;
constexpr ProposalFields kStreamFields{V(1), B(2), V(3), V(4), kAbsent};
constexpr ProposalFields kUnaryFields{kAbsent, B(1), V(2), V(3), V(4)};

bool ParseProposal(absl::string_view bytes, const ProposalFields& fields, StreamRequest* out) {
  WireProposal proposal;
  proposal.first_record = out->records.size();
  WireReader in(bytes);
  while (const uint32_t key = in.NextKey()) {
    if (key == fields.records) {
      out->records.push_back(in.TakeBytes());
      proposal.bytes += out->records.back().size();
      if (out->records.size() > limits::kBatchRecordsMax) return false;
    } else if (key == fields.id) {
      proposal.id = in.TakeVarint();
    } else if (key == fields.timeout) {
      proposal.timeout_ms = static_cast<uint32_t>(in.TakeVarint(UINT32_MAX));
    } else if (key == fields.epoch) {
      proposal.expected_epoch = Epoch(static_cast<int32_t>(in.TakeVarint(INT32_MAX)));
    } else if (key == fields.no_forwarding) {
      out->no_forwarding = in.TakeVarint(1) == 1;
    } else {
      in.Fail();
    }
  }
  proposal.record_count = out->records.size() - proposal.first_record;
  out->proposals.push_back(proposal);
  return in.ok();
}

bool ParseRead(absl::string_view bytes, uint32_t id, uint32_t query, uint32_t timeout, WireRead* out) {
  WireReader in(bytes);
  while (const uint32_t key = in.NextKey()) {
    if (key == id) {
      out->id = in.TakeVarint();
    } else if (key == query) {
      out->query = in.TakeBytes();
    } else if (key == timeout) {
      out->timeout_ms = static_cast<uint32_t>(in.TakeVarint(UINT32_MAX));
    } else {
      in.Fail();
    }
  }
  return in.ok();
}

// An error must not become a success by being unreadable, or by saying OK.
absl::Status ParseStatus(absl::string_view encoded) {
  absl::Status status = DecodeStatus(encoded);
  if (!status.ok()) return status;
  return MakeError(Reason::kCorruption, Outcome::kUnknown, "the other side sent an error that says OK");
}

bool ParseProposed(absl::string_view bytes, StreamResponse* out) {
  WireProposed proposed;
  proposed.first_result = out->results.size();
  WireReader in(bytes);
  while (const uint32_t key = in.NextKey()) {
    switch (key) {
      case V(1):
        proposed.id = in.TakeVarint();
        break;
      case V(2):
        proposed.base_offset = Offset(static_cast<int64_t>(in.TakeVarint(INT64_MAX)));
        break;
      case V(3):
        proposed.epoch = Epoch(static_cast<int32_t>(in.TakeVarint(INT32_MAX)));
        break;
      case B(4):
        out->results.push_back(in.TakeBytes());
        if (out->results.size() > limits::kBatchRecordsMax) return false;
        break;
      case B(5):
        proposed.status = ParseStatus(in.TakeBytes());
        break;
      default:
        in.Fail();
    }
  }
  proposed.result_count = out->results.size() - proposed.first_result;
  out->proposed.push_back(std::move(proposed));
  return in.ok();
}

bool ParseAnswer(absl::string_view bytes, StreamResponse* out) {
  WireAnswer answer;
  WireReader in(bytes);
  while (const uint32_t key = in.NextKey()) {
    switch (key) {
      case V(1):
        answer.id = in.TakeVarint();
        break;
      case V(2):
        answer.offset = Offset(static_cast<int64_t>(in.TakeVarint(INT64_MAX)));
        break;
      case B(3):
        answer.answer = in.TakeBytes();
        break;
      case B(4):
        answer.status = ParseStatus(in.TakeBytes());
        break;
      default:
        in.Fail();
    }
  }
  out->answers.push_back(std::move(answer));
  return in.ok();
}

// Present even when it is zero, as proto3's `optional` is.
size_t EpochFieldSize(const std::optional<Epoch>& epoch) {
  return epoch.has_value() ? 1 + VarintSize(static_cast<uint32_t>(epoch->value())) : 0;
}
void AppendEpochField(uint32_t field, const std::optional<Epoch>& epoch, std::string* out) {
  if (!epoch.has_value()) return;
  out->push_back(static_cast<char>(V(field)));
  AppendVarint(static_cast<uint32_t>(epoch->value()), out);
}

template <typename Text>
size_t RepeatedSize(absl::Span<const Text> texts) {
  size_t size = 0;
  for (const Text& text : texts) size += BytesFieldSize(text.size());
  return size;
}

}  // namespace

void StreamRequest::Clear() {
  proposals.clear();
  records.clear();
  reads.clear();
  no_forwarding = false;
}

void StreamResponse::Clear() {
  proposed.clear();
  results.clear();
  answers.clear();
}

// ---- Requests --------------------------------------------------------------------------------------

absl::Status DecodeStreamRequest(absl::string_view bytes, StreamRequest* out) {
  out->Clear();
  WireReader in(bytes);
  while (const uint32_t key = in.NextKey()) {
    switch (key) {
      case B(1):
        if (!ParseProposal(in.TakeBytes(), kStreamFields, out)) in.Fail();
        break;
      case B(2): {
        WireRead& read = out->reads.emplace_back();
        if (!ParseRead(in.TakeBytes(), V(1), B(2), V(3), &read)) in.Fail();
        break;
      }
      case V(3):
        out->no_forwarding = in.TakeVarint(1) == 1;
        break;
      default:
        in.Fail();
    }
    if (out->proposals.size() + out->reads.size() > limits::kProposalsPerMessageMax) {
      return TooMany("proposals and reads");
    }
  }
  return in.ok() ? absl::OkStatus() : Malformed("StreamRequest");
}

absl::Status DecodePropose(absl::string_view bytes, StreamRequest* out) {
  out->Clear();
  return ParseProposal(bytes, kUnaryFields, out) ? absl::OkStatus() : Malformed("ProposeRequest");
}

absl::Status DecodeRead(absl::string_view bytes, WireRead* out) {
  *out = WireRead();
  return ParseRead(bytes, kAbsent, B(1), V(2), out) ? absl::OkStatus() : Malformed("QueryRequest");
}

void AppendStreamProposal(const WireProposal& proposal, absl::Span<const absl::string_view> records, std::string* out) {
  const size_t size = VarintFieldSize(proposal.id) + RepeatedSize(records) + VarintFieldSize(proposal.timeout_ms) +
                      EpochFieldSize(proposal.expected_epoch);
  AppendBytesPrefix(1, size, out);
  AppendVarintField(1, proposal.id, out);
  for (const absl::string_view record : records) AppendBytesField(2, record, out);
  AppendVarintField(3, proposal.timeout_ms, out);
  AppendEpochField(4, proposal.expected_epoch, out);
}

void AppendStreamRead(const WireRead& read, std::string* out) {
  const size_t query = read.query.empty() ? 0 : BytesFieldSize(read.query.size());
  AppendBytesPrefix(2, VarintFieldSize(read.id) + query + VarintFieldSize(read.timeout_ms), out);
  AppendVarintField(1, read.id, out);
  if (query > 0) AppendBytesField(2, read.query, out);
  AppendVarintField(3, read.timeout_ms, out);
}

void AppendNoForwarding(std::string* out) { AppendVarintField(3, 1, out); }

std::string EncodePropose(const WireProposal& proposal, absl::Span<const absl::string_view> records,
                          bool no_forwarding) {
  std::string out;
  out.reserve(RepeatedSize(records) + VarintFieldSize(proposal.timeout_ms) + EpochFieldSize(proposal.expected_epoch) +
              2);
  for (const absl::string_view record : records) AppendBytesField(1, record, &out);
  AppendVarintField(2, proposal.timeout_ms, &out);
  AppendEpochField(3, proposal.expected_epoch, &out);
  AppendVarintField(4, no_forwarding ? 1 : 0, &out);
  return out;
}

std::string EncodeRead(const WireRead& read) {
  std::string out;
  if (!read.query.empty()) AppendBytesField(1, read.query, &out);
  AppendVarintField(2, read.timeout_ms, &out);
  return out;
}

// ---- Answers ---------------------------------------------------------------------------------------

absl::Status DecodeStreamResponse(absl::string_view bytes, StreamResponse* out) {
  out->Clear();
  WireReader in(bytes);
  while (const uint32_t key = in.NextKey()) {
    switch (key) {
      case B(1):
        if (!ParseProposed(in.TakeBytes(), out)) in.Fail();
        break;
      case B(2):
        if (!ParseAnswer(in.TakeBytes(), out)) in.Fail();
        break;
      default:
        in.Fail();
    }
  }
  return in.ok() ? absl::OkStatus() : MalformedAnswer("StreamResponse");
}

absl::StatusOr<Proposed> DecodeProposed(absl::string_view bytes) {
  Proposed out;
  WireReader in(bytes);
  while (const uint32_t key = in.NextKey()) {
    switch (key) {
      case V(1):
        out.base_offset = Offset(static_cast<int64_t>(in.TakeVarint(INT64_MAX)));
        break;
      case V(2):
        out.epoch = Epoch(static_cast<int32_t>(in.TakeVarint(INT32_MAX)));
        break;
      case B(3):
        out.results.emplace_back(in.TakeBytes());
        break;
      default:
        in.Fail();
    }
  }
  if (!in.ok()) return MalformedAnswer("ProposeResponse");
  return out;
}

absl::StatusOr<ReadAnswer> DecodeAnswer(absl::string_view bytes) {
  ReadAnswer out;
  WireReader in(bytes);
  while (const uint32_t key = in.NextKey()) {
    switch (key) {
      case V(1):
        out.offset = Offset(static_cast<int64_t>(in.TakeVarint(INT64_MAX)));
        break;
      case B(2):
        out.answer = std::string(in.TakeBytes());
        break;
      default:
        in.Fail();
    }
  }
  if (!in.ok()) return MalformedAnswer("QueryResponse");
  return out;
}

void AppendStreamProposed(uint64_t id, Offset base_offset, Epoch epoch, absl::Span<const std::string> results,
                          std::string* out) {
  const auto offset = static_cast<uint64_t>(base_offset.value());
  const auto number = static_cast<uint32_t>(epoch.value());
  AppendBytesPrefix(1, VarintFieldSize(id) + VarintFieldSize(offset) + VarintFieldSize(number) + RepeatedSize(results),
                    out);
  AppendVarintField(1, id, out);
  AppendVarintField(2, offset, out);
  AppendVarintField(3, number, out);
  for (const std::string& result : results) AppendBytesField(4, result, out);
}

void AppendStreamFailed(uint64_t id, absl::string_view encoded, std::string* out) {
  AppendBytesPrefix(1, VarintFieldSize(id) + BytesFieldSize(encoded.size()), out);
  AppendVarintField(1, id, out);
  AppendBytesField(5, encoded, out);
}

void AppendStreamAnswer(uint64_t id, Offset offset, absl::string_view answer, std::string* out) {
  const size_t text = answer.empty() ? 0 : BytesFieldSize(answer.size());
  const auto number = static_cast<uint64_t>(offset.value());
  AppendBytesPrefix(2, VarintFieldSize(id) + VarintFieldSize(number) + text, out);
  AppendVarintField(1, id, out);
  AppendVarintField(2, number, out);
  if (text > 0) AppendBytesField(3, answer, out);
}

void AppendStreamReadFailed(uint64_t id, absl::string_view encoded, std::string* out) {
  AppendBytesPrefix(2, VarintFieldSize(id) + BytesFieldSize(encoded.size()), out);
  AppendVarintField(1, id, out);
  AppendBytesField(4, encoded, out);
}

std::string EncodeProposed(const Proposed& proposed) {
  std::string out;
  out.reserve(24 + RepeatedSize(absl::MakeConstSpan(proposed.results)));
  AppendVarintField(1, static_cast<uint64_t>(proposed.base_offset.value()), &out);
  AppendVarintField(2, static_cast<uint32_t>(proposed.epoch.value()), &out);
  for (const std::string& result : proposed.results) AppendBytesField(3, result, &out);
  return out;
}

std::string EncodeAnswer(Offset offset, absl::string_view answer) {
  std::string out;
  out.reserve(16 + answer.size());
  AppendVarintField(1, static_cast<uint64_t>(offset.value()), &out);
  if (!answer.empty()) AppendBytesField(2, answer, &out);
  return out;
}

}  // namespace quorate::service
