#include "scenarios/words.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/overloaded.h"
#include "quorate/status.h"
#include "raft/control_records.h"

namespace quorate::scenarios {
namespace {

std::string E(Epoch epoch) { return absl::StrCat("e", epoch.value()); }

std::string Keys(const std::vector<ReplicaKey>& keys) {
  return absl::StrJoin(keys, ",",
                       [](std::string* out, const ReplicaKey& key) { absl::StrAppend(out, key.id.value()); });
}

// What the answers have in common: an error, and a leader other than the sender.
std::string Common(const Message& message, PeerError error, const LeaderInfo& leader) {
  std::string out;
  if (error != PeerError::kNone) absl::StrAppend(&out, " ", Words::Of(error));
  if (leader.id != kNoNode && leader.id != message.from.id) absl::StrAppend(&out, ", leader ", leader.id.value());
  return out;
}

std::string RecordText(absl::string_view bytes) {
  const absl::StatusOr<raft::ControlRecord> record = raft::DecodeControlRecord(bytes);
  if (!record.ok()) return "unreadable";
  return std::visit(
      Overloaded{[](const raft::LeaderChange& change) { return absl::StrCat("leader ", change.leader.value()); },
                 [](const raft::KRaftVersion& version) { return absl::StrCat("kraft.version ", version.version); },
                 [](const raft::VotersRecord& record) { return absl::StrCat("voters ", Words::Of(record.voters)); }},
      *record);
}

}  // namespace

const std::vector<std::string>& Words::Types() {
  static const auto* const kTypes = new std::vector<std::string>{
      "PreVote",  "PreVoteAnswer",  "Vote",  "VoteAnswer",  "BeginEpoch",  "BeginEpochAnswer",
      "EndEpoch", "EndEpochAnswer", "Fetch", "Push",        "Read",        "ReadAnswer",
      "Snapshot", "SnapshotAnswer", "Probe", "ProbeAnswer", "VoterChange", "VoterChangeAnswer"};
  return *kTypes;
}

std::string Words::TypeOf(const Message& message) {
  if (std::holds_alternative<FetchResponse>(message.body)) return "Push";
  absl::string_view name = message.TypeName();
  std::string word = absl::ConsumeSuffix(&name, "Response") ? absl::StrCat(name, "Answer")
                                                            : std::string(absl::StripSuffix(name, "Request"));
  const auto* request = std::get_if<VoteRequest>(&message.body);
  const auto* response = std::get_if<VoteResponse>(&message.body);
  const bool pre_vote = (request != nullptr && request->pre_vote) || (response != nullptr && response->pre_vote);
  return pre_vote ? "Pre" + word : word;
}

std::string Words::Of(const Message& message) {
  return absl::StrCat(message.from.id.value(), "->", message.to.id.value(), " ", TypeOf(message), BodyOf(message));
}

std::string Words::BodyOf(const Message& m) {
  const auto session = [&](const IncarnationId& life, uint64_t number) {
    return absl::StrCat(" s", SessionName(life, number));
  };
  return std::visit(
      Overloaded{
          [](const VoteRequest& b) { return absl::StrCat(" ", E(b.epoch), " log ", Of(b.log_end)); },
          [&](const VoteResponse& b) {
            return absl::StrCat(" ", E(b.epoch), b.granted ? " granted" : " refused", Common(m, b.error, b.leader));
          },
          [](const BeginEpochRequest& b) { return absl::StrCat(" ", E(b.epoch)); },
          [&](const BeginEpochResponse& b) { return absl::StrCat(" ", E(b.epoch), Common(m, b.error, b.leader)); },
          [](const EndEpochRequest& b) {
            return absl::StrCat(" ", E(b.epoch), " successors ", Keys(b.preferred_successors));
          },
          [&](const EndEpochResponse& b) { return absl::StrCat(" ", E(b.epoch), Common(m, b.error, b.leader)); },
          [&](const FetchRequest& b) {
            if (b.credit_bytes == 0) return absl::StrCat(" ", E(b.epoch), " looking for the leader");
            return absl::StrCat(" ", E(b.epoch), session(m.from_incarnation, b.session), " at ",
                                Of(LogPosition{b.last_fetched_epoch, b.fetch_offset}), " durable ",
                                b.durable_end.value(), " hw ", b.high_watermark.value(),
                                b.read_round == 0 ? "" : absl::StrCat(" round ", b.read_round));
          },
          [&](const FetchResponse& b) {
            std::string out =
                absl::StrCat(" ", E(b.epoch), session(m.request_incarnation, b.session), Common(m, b.error, b.leader));
            if (b.error != PeerError::kNone) return out;
            if (b.diverging.has_value()) return absl::StrCat(out, " diverging ", Of(*b.diverging));
            if (b.snapshot.has_value()) return absl::StrCat(out, " snapshot ", Of(*b.snapshot));
            absl::StrAppend(&out, " from ", b.base_offset.value(), " hw ", b.high_watermark.value());
            if (b.read_round != 0) absl::StrAppend(&out, " round ", b.read_round);
            for (const Batch& batch : b.batches) absl::StrAppend(&out, " [", PlaceOf(batch), "]");
            return out;
          },
          [](const ReadRequest& b) { return absl::StrCat(" ", E(b.epoch)); },
          [&](const ReadResponse& b) {
            const std::string from = b.error == PeerError::kNone ? absl::StrCat(" from ", b.read_offset.value()) : "";
            return absl::StrCat(" ", E(b.epoch), from, Common(m, b.error, b.leader));
          },
          [](const SnapshotRequest& b) {
            return absl::StrCat(" ", E(b.epoch), " ", Of(b.snapshot), " byte ", b.position);
          },
          [&](const SnapshotResponse& b) {
            std::string out = absl::StrCat(" ", E(b.epoch), " ", Of(b.snapshot), Common(m, b.error, b.leader));
            if (b.error != PeerError::kNone) return out;
            return absl::StrCat(out, " bytes ", b.position, "..", b.position + b.data.size(), " of ", b.total);
          },
          [](const ProbeRequest&) { return std::string(); },
          [&](const ProbeResponse& b) { return absl::StrCat(" ", E(b.epoch), Common(m, b.error, b.leader)); },
          [](const VoterChangeRequest& b) { return absl::StrCat(" ", E(b.epoch), " ", Of(b.change)); },
          [&](const VoterChangeResponse& b) { return absl::StrCat(" ", E(b.epoch), Common(m, b.error, b.leader)); }},
      m.body);
}

uint64_t Words::SessionName(const IncarnationId& life, uint64_t session) {
  std::vector<uint64_t>& known = sessions_[life];
  const auto at = std::find(known.begin(), known.end(), session);
  if (at != known.end()) return static_cast<uint64_t>(at - known.begin()) + 1;
  known.push_back(session);
  return known.size();
}

std::string Words::Of(const LogPosition& position) {
  return absl::StrCat(position.end.value(), "@", position.epoch.value());
}

std::string Words::PlaceOf(const Batch& batch) {
  const std::string more = batch.record_count() == 1 ? "" : absl::StrCat("..", batch.end_offset().value() - 1);
  return absl::StrCat(batch.base_offset().value(), more, "@", batch.epoch().value());
}

std::string Words::Of(const Batch& batch) {
  std::vector<std::string> records;
  for (const absl::string_view record : batch.Records()) {
    records.push_back(batch.kind() == BatchKind::kControl ? RecordText(record) : std::string(record));
  }
  return absl::StrCat(PlaceOf(batch), " ", absl::StrJoin(records, ", "));
}

std::string Words::Of(const std::vector<Voter>& voters) {
  if (voters.empty()) return "nobody";
  return absl::StrJoin(voters, ",",
                       [](std::string* out, const Voter& voter) { absl::StrAppend(out, voter.key.id.value()); });
}

std::string Words::Of(const LeaderInfo& leader) {
  return leader.id == kNoNode ? "nobody" : absl::StrCat(leader.id.value());
}

std::string Words::Of(const absl::Status& status) {
  return status.ok() ? "ok" : std::string(ToString(ReasonOf(status)));
}

std::string Words::Of(const VoterChange& change) {
  return absl::StrCat(ToString(change.kind), " ", change.voter.key.id.value(), change.automatic ? " by itself" : "");
}

std::string Words::Of(PeerError error) {
  switch (error) {
    case PeerError::kNone:
      return "ok";
    case PeerError::kNotLeader:
      return "not-leader";
    case PeerError::kFencedEpoch:
      return "fenced-epoch";
    case PeerError::kUnknownEpoch:
      return "unknown-epoch";
    case PeerError::kWrongVoter:
      return "wrong-voter";
    case PeerError::kWrongCluster:
      return "wrong-cluster";
    case PeerError::kInvalidRequest:
      return "invalid-request";
    case PeerError::kFencedReplica:
      return "fenced-replica";
    case PeerError::kShuttingDown:
      return "shutting-down";
    case PeerError::kSnapshotNotFound:
      return "snapshot-not-found";
    case PeerError::kPositionOutOfRange:
      return "position-out-of-range";
    case PeerError::kVoterChangeRefused:
      return "voter-change-refused";
  }
  return "?";
}

absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text) {
  absl::Duration duration;
  if (!absl::ParseDuration(std::string(text), &duration) || duration <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is no duration; write 300ms or 2s"));
  }
  return duration;
}

absl::StatusOr<int64_t> ParseNumber(absl::string_view text) {
  int64_t number = 0;
  if (!absl::SimpleAtoi(text, &number) || number < 0) {
    return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is no number"));
  }
  return number;
}

}  // namespace quorate::scenarios
