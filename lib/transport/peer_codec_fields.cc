#include <utility>

#include "quorate/limits.h"
#include "transport/peer_codec_internal.h"

namespace quorate::transport {
namespace {

static_assert(static_cast<int>(PeerError::kNotLeader) == v1::PEER_ERROR_NOT_LEADER);
static_assert(static_cast<int>(PeerError::kShuttingDown) == v1::PEER_ERROR_SHUTTING_DOWN);
static_assert(static_cast<int>(PeerError::kVoterChangeRefused) == v1::PeerError_MAX);
static_assert(static_cast<int>(VoterChange::Kind::kUpdate) == v1::VoterChangeKind_MAX);

void PutEndpoint(const Endpoint& from, v1::Endpoint* to) {
  to->set_listener(from.listener);
  to->set_host(from.host);
  to->set_port(from.port);
}

bool GetEndpoints(const google::protobuf::RepeatedPtrField<v1::Endpoint>& from, std::vector<Endpoint>* to) {
  if (static_cast<size_t>(from.size()) > limits::kEndpointsMax) return false;
  to->reserve(from.size());
  for (const v1::Endpoint& endpoint : from) {
    if (endpoint.port() > UINT16_MAX) return false;
    to->push_back({endpoint.listener(), endpoint.host(), static_cast<uint16_t>(endpoint.port())});
  }
  return true;
}

void PutPosition(const LogPosition& from, v1::LogPosition* to) {
  to->set_epoch(from.epoch.value());
  to->set_end(from.end.value());
}

bool GetPosition(const v1::LogPosition& from, LogPosition* to) {
  if (!from.has_epoch() || !from.has_end()) return false;
  *to = {Epoch(from.epoch()), Offset(from.end())};
  return true;
}

// What all responses have in common. The leader is left out when there is nothing to say about it.
template <typename Response, typename Proto>
void PutAnswer(const Response& from, Proto* to) {
  to->set_error(static_cast<v1::PeerError>(from.error));
  to->set_epoch(from.epoch.value());
  to->mutable_leader()->set_id(from.leader.id.value());
  for (const Endpoint& endpoint : from.leader.endpoints) PutEndpoint(endpoint, to->mutable_leader()->add_endpoints());
}

template <typename Proto, typename Response>
bool GetAnswer(const Proto& from, Response* to) {
  if (!v1::PeerError_IsValid(from.error()) || !from.has_epoch() || !from.has_leader() || !from.leader().has_id()) {
    return false;
  }
  to->error = static_cast<PeerError>(from.error());
  to->epoch = Epoch(from.epoch());
  to->leader.id = NodeId(from.leader().id());
  return GetEndpoints(from.leader().endpoints(), &to->leader.endpoints);
}

struct BodyWriter {
  v1::PeerMessage* out;

  void operator()(const VoteRequest& m) const {
    v1::VoteRequest* to = out->mutable_vote_request();
    to->set_epoch(m.epoch.value());
    PutPosition(m.log_end, to->mutable_log_end());
    to->set_pre_vote(m.pre_vote);
  }
  void operator()(const VoteResponse& m) const {
    v1::VoteResponse* to = out->mutable_vote_response();
    PutAnswer(m, to);
    to->set_pre_vote(m.pre_vote);
    to->set_granted(m.granted);
  }
  void operator()(const BeginEpochRequest& m) const {
    v1::BeginEpochRequest* to = out->mutable_begin_epoch_request();
    to->set_epoch(m.epoch.value());
    for (const Endpoint& endpoint : m.leader_endpoints) PutEndpoint(endpoint, to->add_leader_endpoints());
  }
  void operator()(const BeginEpochResponse& m) const { PutAnswer(m, out->mutable_begin_epoch_response()); }
  void operator()(const EndEpochRequest& m) const {
    v1::EndEpochRequest* to = out->mutable_end_epoch_request();
    to->set_epoch(m.epoch.value());
    for (const ReplicaKey& successor : m.preferred_successors) PutReplicaKey(successor, to->add_preferred_successors());
  }
  void operator()(const EndEpochResponse& m) const { PutAnswer(m, out->mutable_end_epoch_response()); }
  void operator()(const FetchRequest& m) const {
    v1::FetchRequest* to = out->mutable_fetch_request();
    to->set_epoch(m.epoch.value());
    to->set_session(m.session);
    to->set_fetch_offset(m.fetch_offset.value());
    to->set_last_fetched_epoch(m.last_fetched_epoch.value());
    to->set_durable_end(m.durable_end.value());
    to->set_high_watermark(m.high_watermark.value());
    to->set_credit_bytes(m.credit_bytes);
    to->set_read_round(m.read_round);
    to->set_priority(m.priority);
  }
  void operator()(const FetchResponse& m) const {
    v1::FetchResponse* to = out->mutable_fetch_response();
    PutAnswer(m, to);
    to->set_session(m.session);
    to->set_base_offset(m.base_offset.value());
    to->set_high_watermark(m.high_watermark.value());
    if (m.diverging.has_value()) PutPosition(*m.diverging, to->mutable_diverging());
    if (m.snapshot.has_value()) PutPosition(*m.snapshot, to->mutable_snapshot());
    to->set_read_round(m.read_round);
  }
  void operator()(const ReadRequest& m) const {
    v1::ReadRequest* to = out->mutable_read_request();
    to->set_epoch(m.epoch.value());
    to->set_read_id(m.read_id);
  }
  void operator()(const ReadResponse& m) const {
    v1::ReadResponse* to = out->mutable_read_response();
    PutAnswer(m, to);
    to->set_read_id(m.read_id);
    to->set_read_offset(m.read_offset.value());
  }
  void operator()(const SnapshotRequest& m) const {
    v1::SnapshotRequest* to = out->mutable_snapshot_request();
    to->set_epoch(m.epoch.value());
    PutPosition(m.snapshot, to->mutable_snapshot());
    to->set_position(m.position);
    to->set_bytes_max(m.bytes_max);
    to->set_digest(m.digest);
  }
  void operator()(const SnapshotResponse& m) const {
    v1::SnapshotResponse* to = out->mutable_snapshot_response();
    PutAnswer(m, to);
    PutPosition(m.snapshot, to->mutable_snapshot());
    to->set_position(m.position);
    to->set_total(m.total);
    to->set_digest(m.digest);
    to->set_data_crc(m.data_crc);
    to->set_data(m.data.view().data(), m.data.size());
  }
  void operator()(const ProbeRequest& m) const { out->mutable_probe_request()->set_epoch(m.epoch.value()); }
  void operator()(const ProbeResponse& m) const {
    v1::ProbeResponse* to = out->mutable_probe_response();
    PutAnswer(m, to);
    to->set_kraft_version_min(m.kraft_version_min);
    to->set_kraft_version_max(m.kraft_version_max);
  }
  void operator()(const VoterChangeRequest& m) const {
    v1::VoterChangeRequest* to = out->mutable_voter_change_request();
    to->set_epoch(m.epoch.value());
    to->set_kind(static_cast<v1::VoterChangeKind>(m.change.kind));
    PutReplicaKey(m.change.voter.key, to->mutable_voter());
    for (const Endpoint& endpoint : m.change.voter.endpoints) PutEndpoint(endpoint, to->add_endpoints());
    to->set_kraft_version_min(m.change.voter.kraft_version_min);
    to->set_kraft_version_max(m.change.voter.kraft_version_max);
    to->set_automatic(m.change.automatic);
  }
  void operator()(const VoterChangeResponse& m) const {
    v1::VoterChangeResponse* to = out->mutable_voter_change_response();
    PutAnswer(m, to);
    to->set_message(m.message);
  }
};

// A kraft.version as it travels: protobuf has no 16-bit numbers.
bool GetVersion(int32_t from, int16_t* to) {
  *to = static_cast<int16_t>(from);
  return from >= 0 && from <= INT16_MAX;
}

bool Get(const v1::VoteRequest& from, VoteRequest* to) {
  if (!from.has_epoch() || !from.has_log_end()) return false;
  to->epoch = Epoch(from.epoch());
  to->pre_vote = from.pre_vote();
  return GetPosition(from.log_end(), &to->log_end);
}

bool Get(const v1::VoteResponse& from, VoteResponse* to) {
  to->pre_vote = from.pre_vote();
  to->granted = from.granted();
  return GetAnswer(from, to);
}

bool Get(const v1::BeginEpochRequest& from, BeginEpochRequest* to) {
  if (!from.has_epoch()) return false;
  to->epoch = Epoch(from.epoch());
  return GetEndpoints(from.leader_endpoints(), &to->leader_endpoints);
}

bool Get(const v1::BeginEpochResponse& from, BeginEpochResponse* to) { return GetAnswer(from, to); }

bool Get(const v1::EndEpochRequest& from, EndEpochRequest* to) {
  if (!from.has_epoch() || static_cast<size_t>(from.preferred_successors_size()) > limits::kVotersMax) return false;
  to->epoch = Epoch(from.epoch());
  to->preferred_successors.resize(from.preferred_successors_size());
  for (int i = 0; i < from.preferred_successors_size(); ++i) {
    if (!GetReplicaKey(from.preferred_successors(i), &to->preferred_successors[i])) return false;
  }
  return true;
}

bool Get(const v1::EndEpochResponse& from, EndEpochResponse* to) { return GetAnswer(from, to); }

bool Get(const v1::FetchRequest& from, FetchRequest* to) {
  if (!from.has_epoch() || !from.has_session() || !from.has_fetch_offset() || !from.has_last_fetched_epoch() ||
      !from.has_durable_end() || !from.has_high_watermark() || !from.has_credit_bytes() || !from.has_read_round()) {
    return false;
  }
  to->epoch = Epoch(from.epoch());
  to->session = from.session();
  to->fetch_offset = Offset(from.fetch_offset());
  to->last_fetched_epoch = Epoch(from.last_fetched_epoch());
  to->durable_end = Offset(from.durable_end());
  to->high_watermark = Offset(from.high_watermark());
  to->credit_bytes = from.credit_bytes();
  to->read_round = from.read_round();
  if (!from.has_priority() || from.priority() > kPriorityMax) return false;
  to->priority = static_cast<uint8_t>(from.priority());
  return true;
}

bool Get(const v1::FetchResponse& from, FetchResponse* to) {
  if (!GetAnswer(from, to) || !from.has_session() || !from.has_base_offset() || !from.has_high_watermark() ||
      !from.has_read_round()) {
    return false;
  }
  to->session = from.session();
  to->base_offset = Offset(from.base_offset());
  to->high_watermark = Offset(from.high_watermark());
  to->read_round = from.read_round();
  if (from.has_diverging() && !GetPosition(from.diverging(), &to->diverging.emplace())) return false;
  if (from.has_snapshot() && !GetPosition(from.snapshot(), &to->snapshot.emplace())) return false;
  return true;
}

bool Get(const v1::ReadRequest& from, ReadRequest* to) {
  if (!from.has_epoch() || !from.has_read_id()) return false;
  to->epoch = Epoch(from.epoch());
  to->read_id = from.read_id();
  return true;
}

bool Get(const v1::ReadResponse& from, ReadResponse* to) {
  if (!GetAnswer(from, to) || !from.has_read_id() || !from.has_read_offset()) return false;
  to->read_id = from.read_id();
  to->read_offset = Offset(from.read_offset());
  return true;
}

bool Get(const v1::SnapshotRequest& from, SnapshotRequest* to) {
  if (!from.has_epoch() || !from.has_position() || !from.has_bytes_max() || !from.has_digest()) return false;
  to->epoch = Epoch(from.epoch());
  to->position = from.position();
  to->bytes_max = from.bytes_max();
  to->digest = from.digest();
  return from.has_snapshot() && GetPosition(from.snapshot(), &to->snapshot);
}

bool Get(const v1::SnapshotResponse& from, SnapshotResponse* to) {
  if (!GetAnswer(from, to) || !from.has_position() || !from.has_total() || !from.has_digest() || !from.has_data_crc()) {
    return false;
  }
  to->position = from.position();
  to->total = from.total();
  to->digest = from.digest();
  to->data_crc = from.data_crc();
  to->data = Bytes::FromString(from.data());
  return from.has_snapshot() && GetPosition(from.snapshot(), &to->snapshot);
}

bool Get(const v1::ProbeResponse& from, ProbeResponse* to) {
  return GetAnswer(from, to) && from.has_kraft_version_min() && from.has_kraft_version_max() &&
         GetVersion(from.kraft_version_min(), &to->kraft_version_min) &&
         GetVersion(from.kraft_version_max(), &to->kraft_version_max);
}

bool Get(const v1::VoterChangeRequest& from, VoterChangeRequest* to) {
  if (!from.has_epoch() || !from.has_voter() || !from.has_kraft_version_min() || !from.has_kraft_version_max()) {
    return false;
  }
  if (!v1::VoterChangeKind_IsValid(from.kind()) || from.kind() == v1::VOTER_CHANGE_KIND_UNSPECIFIED) return false;
  to->epoch = Epoch(from.epoch());
  to->change.kind = static_cast<VoterChange::Kind>(from.kind());
  to->change.automatic = from.automatic();
  Voter& voter = to->change.voter;
  return GetReplicaKey(from.voter(), &voter.key) && GetEndpoints(from.endpoints(), &voter.endpoints) &&
         GetVersion(from.kraft_version_min(), &voter.kraft_version_min) &&
         GetVersion(from.kraft_version_max(), &voter.kraft_version_max);
}

bool Get(const v1::VoterChangeResponse& from, VoterChangeResponse* to) {
  to->message = from.message();
  return GetAnswer(from, to);
}

}  // namespace

void PutUuid(const Uuid& from, v1::Uuid* to) {
  to->set_high(from.high());
  to->set_low(from.low());
}

Uuid GetUuid(const v1::Uuid& from) { return Uuid(from.high(), from.low()); }

void PutReplicaKey(const ReplicaKey& from, v1::ReplicaKey* to) {
  to->set_id(from.id.value());
  if (!from.directory.is_zero()) PutUuid(from.directory.value(), to->mutable_directory());
}

bool GetReplicaKey(const v1::ReplicaKey& from, ReplicaKey* to) {
  if (!from.has_id()) return false;
  to->id = NodeId(from.id());
  to->directory = from.has_directory() ? DirectoryId(GetUuid(from.directory())) : DirectoryId();
  return true;
}

void PutBody(const MessageBody& from, v1::PeerMessage* to) { std::visit(BodyWriter{to}, from); }

bool GetBody(const v1::PeerMessage& from, MessageBody* to) {
  switch (from.body_case()) {
    case v1::PeerMessage::kVoteRequest:
      return Get(from.vote_request(), &to->emplace<VoteRequest>());
    case v1::PeerMessage::kVoteResponse:
      return Get(from.vote_response(), &to->emplace<VoteResponse>());
    case v1::PeerMessage::kBeginEpochRequest:
      return Get(from.begin_epoch_request(), &to->emplace<BeginEpochRequest>());
    case v1::PeerMessage::kBeginEpochResponse:
      return Get(from.begin_epoch_response(), &to->emplace<BeginEpochResponse>());
    case v1::PeerMessage::kEndEpochRequest:
      return Get(from.end_epoch_request(), &to->emplace<EndEpochRequest>());
    case v1::PeerMessage::kEndEpochResponse:
      return Get(from.end_epoch_response(), &to->emplace<EndEpochResponse>());
    case v1::PeerMessage::kFetchRequest:
      return Get(from.fetch_request(), &to->emplace<FetchRequest>());
    case v1::PeerMessage::kFetchResponse:
      return Get(from.fetch_response(), &to->emplace<FetchResponse>());
    case v1::PeerMessage::kReadRequest:
      return Get(from.read_request(), &to->emplace<ReadRequest>());
    case v1::PeerMessage::kReadResponse:
      return Get(from.read_response(), &to->emplace<ReadResponse>());
    case v1::PeerMessage::kSnapshotRequest:
      return Get(from.snapshot_request(), &to->emplace<SnapshotRequest>());
    case v1::PeerMessage::kSnapshotResponse:
      return Get(from.snapshot_response(), &to->emplace<SnapshotResponse>());
    case v1::PeerMessage::kProbeRequest:
      to->emplace<ProbeRequest>().epoch = Epoch(from.probe_request().epoch());
      return from.probe_request().has_epoch();
    case v1::PeerMessage::kProbeResponse:
      return Get(from.probe_response(), &to->emplace<ProbeResponse>());
    case v1::PeerMessage::kVoterChangeRequest:
      return Get(from.voter_change_request(), &to->emplace<VoterChangeRequest>());
    case v1::PeerMessage::kVoterChangeResponse:
      return Get(from.voter_change_response(), &to->emplace<VoterChangeResponse>());
    case v1::PeerMessage::kHello:
    case v1::PeerMessage::BODY_NOT_SET:
      return false;
  }
  return false;
}

}  // namespace quorate::transport
