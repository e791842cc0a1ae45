#include "raft/control_records.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/little_endian.h"
#include "quorate/limits.h"
#include "quorate/status.h"

namespace quorate::raft {
namespace {

constexpr uint16_t kVersion = 0;
constexpr uint16_t kLeaderChangeType = 2;
constexpr uint16_t kKRaftVersionType = 5;
constexpr uint16_t kVotersType = 6;

absl::Status Corrupt(absl::string_view what) {
  return MakeError(Reason::kCorruption, Outcome::kNotApplied, absl::StrCat("not a valid control record: ", what));
}

// Written by a later version of quorate, which only that one can read.
absl::Status Unsupported(absl::string_view what) {
  return MakeError(Reason::kUnsupportedVersion, Outcome::kNotApplied, what);
}

void PutKey(const ReplicaKey& key, std::string* out) {
  AppendLittleEndian(key.id.value(), out);
  AppendLittleEndian(key.directory.value().high(), out);
  AppendLittleEndian(key.directory.value().low(), out);
}

void PutKeys(const std::vector<ReplicaKey>& keys, std::string* out) {
  AppendLittleEndian(static_cast<uint16_t>(keys.size()), out);
  for (const ReplicaKey& key : keys) PutKey(key, out);
}

void PutString(const std::string& text, std::string* out) {
  AppendLittleEndian(static_cast<uint16_t>(text.size()), out);
  out->append(text);
}

void PutBody(const LeaderChange& record, std::string* out) {
  AppendLittleEndian(record.leader.value(), out);
  PutKeys(record.voters, out);
  PutKeys(record.granting_voters, out);
}

void PutBody(const KRaftVersion& record, std::string* out) { AppendLittleEndian(record.version, out); }

void PutBody(const VotersRecord& record, std::string* out) {
  AppendLittleEndian(static_cast<uint16_t>(record.voters.size()), out);
  for (const Voter& voter : record.voters) {
    PutKey(voter.key, out);
    AppendLittleEndian(static_cast<uint16_t>(voter.endpoints.size()), out);
    for (const Endpoint& endpoint : voter.endpoints) {
      PutString(endpoint.listener, out);
      PutString(endpoint.host, out);
      AppendLittleEndian(endpoint.port, out);
    }
    AppendLittleEndian(voter.kraft_version_min, out);
    AppendLittleEndian(voter.kraft_version_max, out);
  }
  PutKeys(record.removed, out);
}

ReplicaKey TakeKey(ByteReader* in) {
  ReplicaKey key;
  key.id = NodeId(in->Take<int32_t>());
  const auto high = in->Take<uint64_t>();
  const auto low = in->Take<uint64_t>();
  key.directory = DirectoryId(Uuid(high, low));
  return key;
}

absl::StatusOr<std::vector<ReplicaKey>> TakeKeys(ByteReader* in, size_t count_max = limits::kVotersMax) {
  const auto count = in->Take<uint16_t>();
  if (!in->ok() || count > count_max) return Corrupt(absl::StrCat("a list of ", count, " voters"));
  std::vector<ReplicaKey> keys;
  for (uint16_t i = 0; i < count && in->ok(); ++i) keys.push_back(TakeKey(in));
  const bool sane = std::all_of(keys.begin(), keys.end(), [](const ReplicaKey& key) { return key.id >= NodeId(0); });
  if (!in->ok() || !sane) return Corrupt("a list of voters that is cut short or has a negative id");
  return keys;
}

absl::StatusOr<ControlRecord> TakeLeaderChange(ByteReader* in) {
  LeaderChange record;
  record.leader = NodeId(in->Take<int32_t>());
  absl::StatusOr<std::vector<ReplicaKey>> voters = TakeKeys(in);
  if (!voters.ok()) return voters.status();
  absl::StatusOr<std::vector<ReplicaKey>> granting = TakeKeys(in);
  if (!granting.ok()) return granting.status();
  if (record.leader < NodeId(0)) return Corrupt(absl::StrCat("leader id ", record.leader.value()));
  record.voters = *std::move(voters);
  record.granting_voters = *std::move(granting);
  return record;
}

absl::StatusOr<ControlRecord> TakeKRaftVersion(ByteReader* in) {
  const KRaftVersion record{.version = in->Take<int16_t>()};
  if (record.version < 0) return Corrupt(absl::StrCat("kraft.version ", record.version));
  return record;
}

bool TakeEndpoints(ByteReader* in, Voter* voter) {
  const auto count = in->Take<uint16_t>();
  if (!in->ok() || count > limits::kEndpointsMax) return false;
  for (uint16_t i = 0; i < count && in->ok(); ++i) {
    Endpoint endpoint;
    endpoint.listener = std::string(in->TakeString<uint16_t>(limits::kListenerNameBytesMax));
    endpoint.host = std::string(in->TakeString<uint16_t>(limits::kHostNameBytesMax));
    endpoint.port = in->Take<uint16_t>();
    voter->endpoints.push_back(std::move(endpoint));
  }
  return in->ok();
}

absl::StatusOr<ControlRecord> TakeVoters(ByteReader* in) {
  const auto count = in->Take<uint16_t>();
  // An empty set could never be changed again: nobody is left who could commit.
  if (!in->ok() || count == 0 || count > limits::kVotersMax)
    return Corrupt(absl::StrCat("a set of ", count, " voters"));
  VotersRecord record;
  for (uint16_t i = 0; i < count; ++i) {
    Voter voter;
    voter.key = TakeKey(in);
    if (!TakeEndpoints(in, &voter)) return Corrupt("a voter whose endpoints are cut short or too many");
    voter.kraft_version_min = in->Take<int16_t>();
    voter.kraft_version_max = in->Take<int16_t>();
    if (voter.kraft_version_min < 0 || voter.kraft_version_max < voter.kraft_version_min) {
      return Corrupt(absl::StrCat("kraft.version range ", voter.kraft_version_min, "..", voter.kraft_version_max));
    }
    record.voters.push_back(std::move(voter));
  }
  absl::StatusOr<std::vector<ReplicaKey>> removed = TakeKeys(in, limits::kRemovedVotersMax);
  if (!removed.ok()) return removed.status();
  record.removed = *std::move(removed);
  if (absl::Status sane = VoterSet::Check(record.voters); !sane.ok()) return Corrupt(sane.message());
  return record;
}

uint16_t TypeOf(const LeaderChange&) { return kLeaderChangeType; }
uint16_t TypeOf(const KRaftVersion&) { return kKRaftVersionType; }
uint16_t TypeOf(const VotersRecord&) { return kVotersType; }

}  // namespace

std::string EncodeControlRecord(const ControlRecord& record) {
  std::string out;
  std::visit(
      [&out](const auto& body) {
        AppendLittleEndian(kVersion, &out);
        AppendLittleEndian(TypeOf(body), &out);
        PutBody(body, &out);
      },
      record);
  return out;
}

absl::StatusOr<ControlRecord> DecodeControlRecord(absl::string_view bytes) {
  ByteReader in(bytes);
  const auto version = in.Take<uint16_t>();
  const auto type = in.Take<uint16_t>();
  if (!in.ok()) return Corrupt(absl::StrCat("it has ", bytes.size(), " bytes"));
  if (version != kVersion) return Unsupported(absl::StrCat("version ", version, ", this build reads version 0"));
  absl::StatusOr<ControlRecord> record = Unsupported(absl::StrCat("type ", type, ", this build knows 2, 5 and 6"));
  if (type == kLeaderChangeType) record = TakeLeaderChange(&in);
  if (type == kKRaftVersionType) record = TakeKRaftVersion(&in);
  if (type == kVotersType) record = TakeVoters(&in);
  if (record.ok() && !in.AtEnd())
    return Corrupt(absl::StrCat("type ", type, " is cut short or has bytes behind its end"));
  return record;
}

namespace {

// As an operator needs it: where the record is, what is wrong with it, and what to do.
absl::Status At(Offset offset, Epoch epoch, const absl::Status& status) {
  absl::string_view remedy = "";
  if (ReasonOf(status) == Reason::kUnsupportedVersion) {
    remedy = ". A later version of quorate wrote it: run that version on this node; nothing is lost";
  }
  return MakeError(ReasonOf(status), Outcome::kNotApplied,
                   absl::StrCat("the control record at offset ", offset.value(), " of epoch ", epoch.value(), ": ",
                                status.message(), remedy));
}

}  // namespace

absl::StatusOr<std::vector<std::pair<Offset, VoterSet>>> VoterSetsIn(const Batch& batch) {
  std::vector<std::pair<Offset, VoterSet>> sets;
  if (batch.kind() != BatchKind::kControl) return sets;
  Offset offset = batch.base_offset();
  for (absl::string_view bytes : batch.Records()) {
    absl::StatusOr<ControlRecord> record = DecodeControlRecord(bytes);
    if (!record.ok()) return At(offset, batch.epoch(), record.status());
    const auto* feature = std::get_if<KRaftVersion>(&*record);
    if (feature != nullptr && feature->version > kKRaftVersion) {
      return At(offset, batch.epoch(),
                Unsupported(absl::StrCat("kraft.version ", feature->version, " is in force from here on, this build ",
                                         "supports up to ", kKRaftVersion)));
    }
    if (auto* voters = std::get_if<VotersRecord>(&*record)) {
      sets.emplace_back(offset, VoterSet(std::move(voters->voters), std::move(voters->removed)));
    }
    ++offset;
  }
  return sets;
}

}  // namespace quorate::raft
