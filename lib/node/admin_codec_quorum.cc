// The quorum's description, and the requests that change it.
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <utility>

#include "absl/strings/str_cat.h"
#include "node/admin_codec.h"
#include "node/admin_wire.h"
#include "node/strict_parse.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorate/v1/admin.pb.h"

namespace quorate::node {

// ---- DescribeQuorum ------------------------------------------------------------------------------------

absl::Status DecodeDescribeQuorum(absl::string_view bytes, bool* forwarded) {
  v1::DescribeQuorumRequest in;
  absl::Status parsed = ParseStrictly(bytes, &in);
  *forwarded = in.forwarded();
  return parsed;
}

namespace {

using node::FromWire;
using node::ToWire;

constexpr ReplicaRole kRoles[] = {ReplicaRole::kUnattached, ReplicaRole::kProspective, ReplicaRole::kCandidate,
                                  ReplicaRole::kLeader,     ReplicaRole::kFollower,    ReplicaRole::kResigned,
                                  ReplicaRole::kHalted};

int64_t TimeToWire(absl::Time time) { return time == absl::InfinitePast() ? -1 : absl::ToUnixMillis(time); }
absl::Time TimeFromWire(int64_t ms) { return ms < 0 ? absl::InfinitePast() : absl::FromUnixMillis(ms); }

// Ages are for showing: what is under a millisecond old is not worth a word, and no node is older than ten years.
int64_t AgeToWire(absl::Duration age) { return absl::ToInt64Milliseconds(age); }
absl::Duration AgeFromWire(int64_t ms) {
  constexpr int64_t kMax = int64_t{10} * 365 * 24 * 3600 * 1000;
  return absl::Milliseconds(std::clamp<int64_t>(ms, 0, kMax));
}

void ToWire(const ReplicaStatus& replica, v1::QuorumReplica* out) {
  out->set_id(replica.key.id.value());
  out->set_directory_id(replica.key.directory.ToString());
  out->set_log_end(replica.log_end.value());
  out->set_last_fetch_ms(TimeToWire(replica.last_fetch));
  out->set_last_caught_up_ms(TimeToWire(replica.last_caught_up));
  for (const Endpoint& endpoint : replica.endpoints)
    ToWire(endpoint, SecurityProtocol::kPlaintext, out->add_addresses());
}

void ToWire(const Voter& voter, v1::QuorumVoter* out) {
  out->set_id(voter.key.id.value());
  out->set_directory_id(voter.key.directory.ToString());
  for (const Endpoint& endpoint : voter.endpoints) ToWire(endpoint, SecurityProtocol::kPlaintext, out->add_addresses());
  out->set_kraft_version_min(voter.kraft_version_min);
  out->set_kraft_version_max(voter.kraft_version_max);
}

absl::Status FromWire(const v1::QuorumVoter& voter, Voter* out) {
  absl::StatusOr<DirectoryId> directory = DirectoryId::Parse(voter.directory_id());
  if (!directory.ok()) return directory.status();
  out->key = {NodeId(voter.id()), *directory};
  for (const v1::NodeAddress& address : voter.addresses()) out->endpoints.push_back(FromWire(address));
  out->kraft_version_min = static_cast<int16_t>(voter.kraft_version_min());
  out->kraft_version_max = static_cast<int16_t>(voter.kraft_version_max());
  return absl::OkStatus();
}

void ToWire(const PendingVoterChange& pending, v1::PendingVoterChange* out) {
  const absl::string_view kind = ToString(pending.change.kind);
  out->set_kind(kind.data(), kind.size());
  ToWire(pending.change.voter, out->mutable_voter());
  out->set_automatic(pending.change.automatic);
  const absl::string_view phase = ToString(pending.phase);
  out->set_phase(phase.data(), phase.size());
  out->set_record(pending.record.value());
  out->set_caught_up_to(pending.caught_up_to.value());
  out->set_catch_up_target(pending.catch_up_target.value());
}

// The one of `values` that is called so.
template <typename T>
absl::Status FromName(const std::string& name, std::initializer_list<T> values, T* out) {
  for (const T value : values) {
    if (ToString(value) != name) continue;
    *out = value;
    return absl::OkStatus();
  }
  return MakeError(Reason::kCorruption, Outcome::kNotApplied,
                   absl::StrCat("the node tells of a voter change with the word '", name, "', which isn't known here"));
}

absl::Status FromWire(const v1::PendingVoterChange& pending, PendingVoterChange* out) {
  using Kind = VoterChange::Kind;
  if (absl::Status bad = FromName(pending.kind(), {Kind::kAdd, Kind::kRemove, Kind::kUpdate}, &out->change.kind);
      !bad.ok()) {
    return bad;
  }
  if (absl::Status bad = FromWire(pending.voter(), &out->change.voter); !bad.ok()) return bad;
  out->change.automatic = pending.automatic();
  using Phase = PendingVoterChange::Phase;
  if (absl::Status bad =
          FromName(pending.phase(), {Phase::kProbing, Phase::kCatchingUp, Phase::kCommitting}, &out->phase);
      !bad.ok()) {
    return bad;
  }
  out->record = Offset(pending.record());
  out->caught_up_to = Offset(pending.caught_up_to());
  out->catch_up_target = Offset(pending.catch_up_target());
  return absl::OkStatus();
}

absl::Status FromWire(const v1::QuorumReplica& replica, std::vector<ReplicaStatus>* out) {
  absl::StatusOr<DirectoryId> directory = DirectoryId::Parse(replica.directory_id());
  if (!directory.ok()) return directory.status();
  ReplicaStatus to;
  to.key = {NodeId(replica.id()), *directory};
  to.log_end = Offset(replica.log_end());
  to.last_fetch = TimeFromWire(replica.last_fetch_ms());
  to.last_caught_up = TimeFromWire(replica.last_caught_up_ms());
  for (const v1::NodeAddress& address : replica.addresses()) to.endpoints.push_back(FromWire(address));
  out->push_back(std::move(to));
  return absl::OkStatus();
}

}  // namespace

std::string EncodeQuorum(const QuorumDescription& quorum) {
  v1::DescribeQuorumResponse out;
  out.set_cluster_id(quorum.cluster_id.ToString());
  out.set_answered_by(quorum.self.id.value());
  out.set_answered_by_directory_id(quorum.self.directory.ToString());
  const absl::string_view role = ToString(quorum.role);
  out.set_role(role.data(), role.size());
  out.set_is_voter(quorum.is_voter);
  out.set_leader_epoch(quorum.epoch.value());
  out.set_leader_id(quorum.leader.value());
  ToWire(quorum.leader_endpoint, SecurityProtocol::kPlaintext, out.mutable_leader_address());
  out.set_log_start(quorum.log_start.value());
  out.set_log_end(quorum.log_end.value());
  out.set_durable_end(quorum.durable_end.value());
  out.set_high_watermark(quorum.high_watermark.value());
  out.set_applied_end(quorum.applied_end.value());
  for (const ReplicaStatus& voter : quorum.voters) ToWire(voter, out.add_voters());
  for (const ReplicaStatus& observer : quorum.observers) ToWire(observer, out.add_observers());
  if (quorum.committed_voters.has_value()) {
    v1::VoterSet* committed = out.mutable_committed_voters();
    for (const Voter& voter : *quorum.committed_voters) ToWire(voter, committed->add_voters());
  }
  if (quorum.voter_change.has_value()) ToWire(*quorum.voter_change, out.mutable_voter_change());
  out.set_snapshot_end(quorum.snapshot.end.value());
  out.set_snapshot_epoch(quorum.snapshot.epoch.value());
  out.set_disk_age_ms(AgeToWire(quorum.disk_age));
  out.set_apply_age_ms(AgeToWire(quorum.apply_age));
  out.set_apply_stalled(quorum.apply_stalled);
  return out.SerializeAsString();
}

absl::StatusOr<QuorumDescription> DecodeQuorum(absl::string_view bytes) {
  v1::DescribeQuorumResponse in;
  if (absl::Status parsed = ParseStrictly(bytes, &in); !parsed.ok()) return parsed;
  QuorumDescription out;
  absl::StatusOr<ClusterId> cluster = ClusterId::Parse(in.cluster_id());
  if (!cluster.ok()) return cluster.status();
  absl::StatusOr<DirectoryId> directory = DirectoryId::Parse(in.answered_by_directory_id());
  if (!directory.ok()) return directory.status();
  out.cluster_id = *cluster;
  out.self = {NodeId(in.answered_by()), *directory};
  for (const ReplicaRole role : kRoles) {
    if (ToString(role) == in.role()) out.role = role;
  }
  out.is_voter = in.is_voter();
  out.epoch = Epoch(in.leader_epoch());
  out.leader = NodeId(in.leader_id());
  out.leader_endpoint = FromWire(in.leader_address());
  out.log_start = Offset(in.log_start());
  out.log_end = Offset(in.log_end());
  out.durable_end = Offset(in.durable_end());
  out.high_watermark = Offset(in.high_watermark());
  out.applied_end = Offset(in.applied_end());
  for (const v1::QuorumReplica& voter : in.voters()) {
    if (absl::Status bad = FromWire(voter, &out.voters); !bad.ok()) return bad;
  }
  for (const v1::QuorumReplica& observer : in.observers()) {
    if (absl::Status bad = FromWire(observer, &out.observers); !bad.ok()) return bad;
  }
  if (in.has_committed_voters()) {
    out.committed_voters.emplace();
    for (const v1::QuorumVoter& voter : in.committed_voters().voters()) {
      if (absl::Status bad = FromWire(voter, &out.committed_voters->emplace_back()); !bad.ok()) return bad;
    }
  }
  if (in.has_voter_change()) {
    if (absl::Status bad = FromWire(in.voter_change(), &out.voter_change.emplace()); !bad.ok()) return bad;
  }
  out.snapshot = {Epoch(in.snapshot_epoch()), Offset(in.snapshot_end())};
  out.disk_age = AgeFromWire(in.disk_age_ms());
  out.apply_age = AgeFromWire(in.apply_age_ms());
  out.apply_stalled = in.apply_stalled();
  return out;
}

// ---- Changes -------------------------------------------------------------------------------------------

namespace {

absl::Status Invalid(absl::string_view message) {
  return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, message);
}

absl::StatusOr<ReplicaKey> TakeKey(int32_t id, const std::string& directory_id) {
  if (id < 0) return Invalid(absl::StrCat("a controller's id is 0 or more, not ", id));
  absl::StatusOr<DirectoryId> directory = DirectoryId::Parse(directory_id);
  if (!directory.ok() || directory->value().is_reserved()) {
    return Invalid(absl::StrCat("the directory id of controller ", id,
                                " must be that of its meta.properties (22 characters of base64), not '",
                                directory_id.substr(0, limits::kListenerNameBytesMax), "'"));
  }
  return ReplicaKey{NodeId(id), *directory};
}

absl::StatusOr<Endpoint> TakeEndpoint(const v1::NodeAddress& address) {
  if (address.listener().empty() || address.listener().size() > limits::kListenerNameBytesMax) {
    return Invalid(absl::StrCat("a controller's endpoint needs a listener's name of 1 to ",
                                limits::kListenerNameBytesMax, " bytes, not ", address.listener().size()));
  }
  if (address.host().empty() || address.host().size() > limits::kHostNameBytesMax) {
    return Invalid(absl::StrCat("a controller's endpoint needs a host name of 1 to ", limits::kHostNameBytesMax,
                                " bytes, not ", address.host().size()));
  }
  if (address.port() < 1 || address.port() > 65535) {
    return Invalid(absl::StrCat("a controller's endpoint needs a port from 1 to 65535, not ", address.port()));
  }
  if (address.security_protocol() != static_cast<int32_t>(SecurityProtocol::kPlaintext)) {
    return Invalid("a controller's endpoint must be PLAINTEXT (0): this version of quorate speaks nothing else");
  }
  return FromWire(address);
}

}  // namespace

std::string EncodeAddController(const AddControllerCall& call) {
  v1::AddControllerRequest out;
  out.set_id(call.voter.key.id.value());
  out.set_directory_id(call.voter.key.directory.ToString());
  for (const Endpoint& endpoint : call.voter.endpoints)
    ToWire(endpoint, SecurityProtocol::kPlaintext, out.add_addresses());
  out.set_dry_run(call.dry_run);
  return out.SerializeAsString();
}

absl::StatusOr<AddControllerCall> DecodeAddController(absl::string_view bytes, bool* forwarded) {
  v1::AddControllerRequest in;
  if (absl::Status parsed = ParseStrictly(bytes, &in); !parsed.ok()) return parsed;
  *forwarded = in.forwarded();
  absl::StatusOr<ReplicaKey> key = TakeKey(in.id(), in.directory_id());
  if (!key.ok()) return key.status();
  if (in.addresses_size() < 1 || in.addresses_size() > static_cast<int>(limits::kEndpointsMax)) {
    return Invalid(absl::StrCat("controller ", in.id(), " needs from 1 to ", limits::kEndpointsMax, " endpoints, not ",
                                in.addresses_size()));
  }
  AddControllerCall call;
  call.voter.key = *key;
  for (const v1::NodeAddress& address : in.addresses()) {
    absl::StatusOr<Endpoint> endpoint = TakeEndpoint(address);
    if (!endpoint.ok()) return endpoint.status();
    for (const Endpoint& other : call.voter.endpoints) {
      if (other.listener == endpoint->listener) {
        return Invalid(absl::StrCat("controller ", in.id(), " has two endpoints for the listener ", other.listener));
      }
    }
    call.voter.endpoints.push_back(*std::move(endpoint));
  }
  call.dry_run = in.dry_run();
  return call;
}

std::string EncodeRemoveController(const RemoveControllerCall& call) {
  v1::RemoveControllerRequest out;
  out.set_id(call.key.id.value());
  out.set_directory_id(call.key.directory.ToString());
  out.set_dry_run(call.dry_run);
  return out.SerializeAsString();
}

absl::StatusOr<RemoveControllerCall> DecodeRemoveController(absl::string_view bytes, bool* forwarded) {
  v1::RemoveControllerRequest in;
  if (absl::Status parsed = ParseStrictly(bytes, &in); !parsed.ok()) return parsed;
  *forwarded = in.forwarded();
  absl::StatusOr<ReplicaKey> key = TakeKey(in.id(), in.directory_id());
  if (!key.ok()) return key.status();
  return RemoveControllerCall{*key, in.dry_run()};
}

std::string EncodeTransferLeadership(const TransferLeadershipCall& call) {
  v1::TransferLeadershipRequest out;
  if (call.to.has_value()) out.set_to(call.to->value());
  return out.SerializeAsString();
}

absl::StatusOr<TransferLeadershipCall> DecodeTransferLeadership(absl::string_view bytes, bool* forwarded) {
  v1::TransferLeadershipRequest in;
  if (absl::Status parsed = ParseStrictly(bytes, &in); !parsed.ok()) return parsed;
  *forwarded = in.forwarded();
  TransferLeadershipCall call;
  if (in.has_to()) {
    if (in.to() < 0) return Invalid(absl::StrCat("a controller's id is 0 or more, not ", in.to()));
    call.to = NodeId(in.to());
  }
  return call;
}

absl::Status DecodeNothing(absl::string_view bytes) {
  v1::AddControllerResponse in;  // as empty as the others
  return ParseStrictly(bytes, &in);
}

}  // namespace quorate::node
