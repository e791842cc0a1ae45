#include "quorate/status.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "base/little_endian.h"
#include "quorate/limits.h"

namespace quorate {
namespace {

constexpr absl::string_view kDetailUrl = "quorate.dev/status-detail";
constexpr uint8_t kDetailVersion = 1;
constexpr size_t kMessageBytesMax = 1u << 14;

struct ReasonRow {
  absl::string_view name;
  absl::StatusCode code;
  bool retriable;
};

// One row per Reason, in its order. docs/status.md explains each.
constexpr std::array<ReasonRow, 28> kReasons = {{
    {"unspecified", absl::StatusCode::kUnknown, false},
    {"invalid_argument", absl::StatusCode::kInvalidArgument, false},
    {"not_leader", absl::StatusCode::kFailedPrecondition, true},
    {"no_leader", absl::StatusCode::kUnavailable, true},
    {"leadership_lost", absl::StatusCode::kAborted, true},
    {"epoch_mismatch", absl::StatusCode::kFailedPrecondition, false},
    {"deadline_exceeded", absl::StatusCode::kDeadlineExceeded, true},
    {"overloaded", absl::StatusCode::kResourceExhausted, true},
    {"too_large", absl::StatusCode::kInvalidArgument, false},
    {"shutting_down", absl::StatusCode::kUnavailable, true},
    {"halted", absl::StatusCode::kInternal, false},
    {"unreachable", absl::StatusCode::kUnavailable, true},
    {"wrong_cluster", absl::StatusCode::kFailedPrecondition, false},
    {"wrong_replica", absl::StatusCode::kFailedPrecondition, false},
    {"storage", absl::StatusCode::kInternal, false},
    {"corruption", absl::StatusCode::kDataLoss, false},
    {"not_formatted", absl::StatusCode::kFailedPrecondition, false},
    {"in_use", absl::StatusCode::kAlreadyExists, false},
    {"refused", absl::StatusCode::kFailedPrecondition, false},
    {"change_pending", absl::StatusCode::kUnavailable, true},
    {"leader_not_ready", absl::StatusCode::kUnavailable, true},
    {"voter_exists", absl::StatusCode::kAlreadyExists, false},
    {"voter_not_found", absl::StatusCode::kNotFound, false},
    {"voter_removed", absl::StatusCode::kFailedPrecondition, false},
    {"not_caught_up", absl::StatusCode::kUnavailable, true},
    {"unsupported_version", absl::StatusCode::kFailedPrecondition, false},
    {"unsafe_change", absl::StatusCode::kFailedPrecondition, true},
    {"no_endpoint", absl::StatusCode::kFailedPrecondition, false},
}};
static_assert(kReasons.size() == static_cast<size_t>(Reason::kNoEndpoint) + 1);

const ReasonRow& RowOf(Reason reason) { return kReasons[static_cast<size_t>(reason)]; }

std::string EncodeDetail(const StatusDetail& detail) {
  std::string out;
  AppendLittleEndian(kDetailVersion, &out);
  AppendLittleEndian(static_cast<uint8_t>(detail.reason), &out);
  AppendLittleEndian(static_cast<uint8_t>(detail.outcome), &out);
  AppendLittleEndian(detail.kafka_error, &out);
  const int64_t retry_ms = absl::ToInt64Milliseconds(detail.retry_after);
  AppendLittleEndian(static_cast<uint32_t>(std::clamp<int64_t>(retry_ms, 0, UINT32_MAX)), &out);
  AppendLittleEndian(static_cast<uint8_t>(detail.leader.has_value()), &out);
  if (detail.leader.has_value()) {
    const LeaderHint& leader = *detail.leader;
    AppendLittleEndian(leader.id.value(), &out);
    AppendLittleEndian(leader.epoch.value(), &out);
    for (const std::string* text : {&leader.endpoint.listener, &leader.endpoint.host}) {
      const absl::string_view kept = absl::string_view(*text).substr(0, limits::kHostNameBytesMax);
      AppendLittleEndian(static_cast<uint8_t>(kept.size()), &out);
      out.append(kept.data(), kept.size());
    }
    AppendLittleEndian(leader.endpoint.port, &out);
  }
  return out;
}

std::optional<StatusDetail> DecodeDetail(absl::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.Take<uint8_t>() != kDetailVersion) return std::nullopt;
  StatusDetail detail;
  const auto reason = reader.Take<uint8_t>();
  const auto outcome = reader.Take<uint8_t>();
  detail.kafka_error = reader.Take<int16_t>();
  detail.retry_after = absl::Milliseconds(reader.Take<uint32_t>());
  const auto has_leader = reader.Take<uint8_t>();
  if (reason >= kReasons.size() || outcome > static_cast<uint8_t>(Outcome::kUnknown) || has_leader > 1) {
    return std::nullopt;
  }
  detail.reason = static_cast<Reason>(reason);
  detail.outcome = static_cast<Outcome>(outcome);
  if (has_leader == 1) {
    LeaderHint leader;
    leader.id = NodeId(reader.Take<int32_t>());
    leader.epoch = Epoch(reader.Take<int32_t>());
    leader.endpoint.listener = std::string(reader.TakeString<uint8_t>(limits::kHostNameBytesMax));
    leader.endpoint.host = std::string(reader.TakeString<uint8_t>(limits::kHostNameBytesMax));
    leader.endpoint.port = reader.Take<uint16_t>();
    detail.leader = std::move(leader);
  }
  if (!reader.AtEnd()) return std::nullopt;
  return detail;
}

absl::StatusCode CodeOfKafkaError(int16_t error) {
  switch (error) {
    case 3:    // UNKNOWN_TOPIC_OR_PARTITION
    case 100:  // UNKNOWN_TOPIC_ID
    case 102:  // BROKER_ID_NOT_REGISTERED
      return absl::StatusCode::kNotFound;
    case 36:   // TOPIC_ALREADY_EXISTS
    case 101:  // DUPLICATE_BROKER_REGISTRATION
      return absl::StatusCode::kAlreadyExists;
    case 17:  // INVALID_TOPIC_EXCEPTION
    case 37:  // INVALID_PARTITIONS
    case 38:  // INVALID_REPLICATION_FACTOR
    case 39:  // INVALID_REPLICA_ASSIGNMENT
    case 40:  // INVALID_CONFIG
    case 42:  // INVALID_REQUEST
      return absl::StatusCode::kInvalidArgument;
    default:
      return absl::StatusCode::kFailedPrecondition;
  }
}

}  // namespace

absl::Status MakeError(const StatusDetail& detail, absl::string_view message) {
  const absl::StatusCode code =
      detail.reason == Reason::kRefused ? CodeOfKafkaError(detail.kafka_error) : RowOf(detail.reason).code;
  absl::Status status(code, message);
  status.SetPayload(kDetailUrl, absl::Cord(EncodeDetail(detail)));
  return status;
}

absl::Status MakeError(Reason reason, Outcome outcome, absl::string_view message) {
  StatusDetail detail;
  detail.reason = reason;
  detail.outcome = outcome;
  return MakeError(detail, message);
}

absl::Status MakeKafkaError(int16_t kafka_error, absl::string_view message) {
  StatusDetail detail;
  detail.reason = Reason::kRefused;
  detail.outcome = Outcome::kNotApplied;
  detail.kafka_error = kafka_error;
  return MakeError(detail, message);
}

std::optional<StatusDetail> DetailOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kDetailUrl);
  if (!payload.has_value()) return std::nullopt;
  return DecodeDetail(std::string(*payload));
}

Outcome OutcomeOf(const absl::Status& status) {
  const std::optional<StatusDetail> detail = DetailOf(status);
  return detail.has_value() ? detail->outcome : Outcome::kUnknown;
}

Reason ReasonOf(const absl::Status& status) {
  const std::optional<StatusDetail> detail = DetailOf(status);
  return detail.has_value() ? detail->reason : Reason::kUnspecified;
}

std::optional<LeaderHint> LeaderHintFrom(const absl::Status& status) {
  const std::optional<StatusDetail> detail = DetailOf(status);
  return detail.has_value() ? detail->leader : std::nullopt;
}

int16_t KafkaErrorOf(const absl::Status& status) {
  const std::optional<StatusDetail> detail = DetailOf(status);
  return detail.has_value() ? detail->kafka_error : int16_t{0};
}

bool IsRetriable(const absl::Status& status) { return RowOf(ReasonOf(status)).retriable; }

absl::string_view ToString(Reason reason) { return RowOf(reason).name; }

absl::string_view ToString(Outcome outcome) { return outcome == Outcome::kNotApplied ? "not_applied" : "unknown"; }

absl::string_view KafkaErrorName(int16_t kafka_error) {
  static constexpr std::pair<int16_t, absl::string_view> kNames[] = {
      {0, "NONE"},
      {3, "UNKNOWN_TOPIC_OR_PARTITION"},
      {6, "NOT_LEADER_OR_FOLLOWER"},
      {7, "REQUEST_TIMED_OUT"},
      {8, "BROKER_NOT_AVAILABLE"},
      {17, "INVALID_TOPIC_EXCEPTION"},
      {35, "UNSUPPORTED_VERSION"},
      {36, "TOPIC_ALREADY_EXISTS"},
      {37, "INVALID_PARTITIONS"},
      {38, "INVALID_REPLICATION_FACTOR"},
      {39, "INVALID_REPLICA_ASSIGNMENT"},
      {40, "INVALID_CONFIG"},
      {41, "NOT_CONTROLLER"},
      {42, "INVALID_REQUEST"},
      {44, "POLICY_VIOLATION"},
      {73, "TOPIC_DELETION_DISABLED"},
      {74, "FENCED_LEADER_EPOCH"},
      {77, "STALE_BROKER_EPOCH"},
      {95, "INVALID_UPDATE_VERSION"},
      {100, "UNKNOWN_TOPIC_ID"},
      {101, "DUPLICATE_BROKER_REGISTRATION"},
      {102, "BROKER_ID_NOT_REGISTERED"},
      {104, "INCONSISTENT_CLUSTER_ID"},
      {107, "INELIGIBLE_REPLICA"},
      {119, "INVALID_REGISTRATION"},
      {126, "DUPLICATE_VOTER"},
      {127, "VOTER_NOT_FOUND"},
  };
  for (const auto& [number, name] : kNames) {
    if (number == kafka_error) return name;
  }
  return "UNKNOWN";
}

std::string EncodeStatus(const absl::Status& status) {
  std::string out;
  AppendLittleEndian(static_cast<uint8_t>(status.code()), &out);
  const absl::string_view message = absl::string_view(status.message()).substr(0, kMessageBytesMax);
  AppendLittleEndian(static_cast<uint16_t>(message.size()), &out);
  out.append(message.data(), message.size());
  const std::optional<StatusDetail> detail = DetailOf(status);
  const std::string encoded = detail.has_value() ? EncodeDetail(*detail) : std::string();
  AppendLittleEndian(static_cast<uint16_t>(encoded.size()), &out);
  out.append(encoded);
  return out;
}

absl::Status DecodeStatus(absl::string_view bytes) {
  ByteReader reader(bytes);
  const auto code = reader.Take<uint8_t>();
  const absl::string_view message = reader.TakeString<uint16_t>(kMessageBytesMax);
  const absl::string_view encoded = reader.TakeString<uint16_t>(UINT16_MAX);
  std::optional<StatusDetail> detail;
  if (reader.AtEnd() && !encoded.empty()) detail = DecodeDetail(encoded);
  if (!reader.AtEnd() || code > static_cast<uint8_t>(absl::StatusCode::kUnauthenticated) ||
      (!encoded.empty() && !detail.has_value())) {
    return MakeError(Reason::kCorruption, Outcome::kUnknown, "the other side sent an error that can't be read");
  }
  absl::Status status(static_cast<absl::StatusCode>(code), message);
  if (detail.has_value() && !status.ok()) status.SetPayload(kDetailUrl, absl::Cord(EncodeDetail(*detail)));
  return status;
}

}  // namespace quorate
