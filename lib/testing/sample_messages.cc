#include "testing/sample_messages.h"

#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace quorate::testing {

Message MakeRequest(const TransportIdentity& from, const ReplicaKey& to, uint64_t id) {
  Message m;
  m.cluster_id = from.cluster_id;
  m.from = from.self;
  m.from_incarnation = from.incarnation;
  m.to = to;
  m.request_incarnation = from.incarnation;
  m.request_id = id;
  m.body = ReadRequest{Epoch(1), id};
  return m;
}

Batch MakeBatch(Offset base, size_t record_bytes) {
  const std::string record(record_bytes, 'q');
  const absl::string_view records[] = {record};
  Batch::Header header;
  header.base_offset = base;
  header.epoch = Epoch(3);
  absl::StatusOr<Batch> batch = Batch::Make(header, records);
  return batch.ok() ? *std::move(batch) : Batch();
}

std::vector<Message> SampleMessages(const TransportIdentity& from, const TransportIdentity& to) {
  const std::vector<Endpoint> endpoints = {{"CONTROLLER", "host-1.example.org", 9093}, {"PLAINTEXT", "::1", 65535}};
  const LeaderInfo leader{NodeId(3), endpoints};
  const std::vector<ReplicaKey> successors = {{NodeId(3), DirectoryId(Uuid(7, 1000))}, {NodeId(4), {}}};
  FetchResponse fetched{PeerError::kNone, Epoch(7), leader, 11, Offset(100), Offset(90), {}, {}, 13, {}};
  fetched.batches = {MakeBatch(Offset(100), 10), MakeBatch(Offset(101), 3000), MakeBatch(Offset(102), 100'000)};
  FetchResponse diverged{PeerError::kNone, Epoch(7), leader, 11, Offset(0), kNoOffset, {}, {}, 13, {}};
  diverged.diverging = LogPosition{Epoch(6), Offset(77)};
  diverged.snapshot = LogPosition{Epoch(5), Offset(50)};
  std::vector<MessageBody> bodies = {
      VoteRequest{Epoch(7), {Epoch(6), Offset(123456789012)}, true},
      VoteResponse{PeerError::kFencedEpoch, Epoch(7), leader, true, true},
      BeginEpochRequest{Epoch(7), endpoints},
      BeginEpochResponse{PeerError::kWrongVoter, Epoch(7), leader},
      EndEpochRequest{Epoch(7), successors},
      EndEpochResponse{PeerError::kShuttingDown, Epoch(7), {}},
      FetchRequest{Epoch(7), 11, Offset(100), Epoch(6), Offset(99), Offset(98), 1 << 20, 13, 3},
      std::move(fetched),
      std::move(diverged),
      ReadRequest{Epoch(7), 21},
      ReadResponse{PeerError::kNotLeader, Epoch(7), leader, 21, Offset(44)},
      SnapshotRequest{Epoch(7), {Epoch(6), Offset(1000)}, 4096, 1 << 16, 0xD16E57},
      SnapshotResponse{PeerError::kNone,
                       Epoch(7),
                       leader,
                       {Epoch(6), Offset(1000)},
                       4096,
                       8192,
                       0xD16E57,
                       0xC4C,
                       Bytes::FromString(std::string(4000, 's'))},
      ProbeRequest{Epoch(7)},
      ProbeResponse{PeerError::kNone, Epoch(7), leader, 0, 1},
      VoterChangeRequest{Epoch(7),
                         VoterChange{VoterChange::Kind::kUpdate, Voter{successors[0], endpoints, 0, 1}, true}},
      VoterChangeResponse{PeerError::kVoterChangeRefused, Epoch(7), leader, "voter 3 was removed"}};
  std::vector<Message> out;
  for (MessageBody& body : bodies) {
    Message m = MakeRequest(from, to.self, 1000 + out.size());
    m.body = std::move(body);
    if (m.IsResponse()) m.request_incarnation = to.incarnation;
    out.push_back(std::move(m));
  }
  // What leaves a default behind: another incarnation, no directory.
  out[0].request_incarnation = IncarnationId(Uuid(5, 6000));
  out[1].request_incarnation = IncarnationId(Uuid(5, 6001));
  out[2].to.directory = DirectoryId();
  return out;
}

namespace {

struct BodyComparer {
  const MessageBody& other;

  bool operator()(const VoteRequest& a) const {
    const auto* b = std::get_if<VoteRequest>(&other);
    return b != nullptr && a.epoch == b->epoch && a.log_end == b->log_end && a.pre_vote == b->pre_vote;
  }
  bool operator()(const VoteResponse& a) const {
    const auto* b = std::get_if<VoteResponse>(&other);
    return b != nullptr && SameAnswer(a, *b) && a.pre_vote == b->pre_vote && a.granted == b->granted;
  }
  bool operator()(const BeginEpochRequest& a) const {
    const auto* b = std::get_if<BeginEpochRequest>(&other);
    return b != nullptr && a.epoch == b->epoch && a.leader_endpoints == b->leader_endpoints;
  }
  bool operator()(const BeginEpochResponse& a) const {
    const auto* b = std::get_if<BeginEpochResponse>(&other);
    return b != nullptr && SameAnswer(a, *b);
  }
  bool operator()(const EndEpochRequest& a) const {
    const auto* b = std::get_if<EndEpochRequest>(&other);
    return b != nullptr && a.epoch == b->epoch && a.preferred_successors == b->preferred_successors;
  }
  bool operator()(const EndEpochResponse& a) const {
    const auto* b = std::get_if<EndEpochResponse>(&other);
    return b != nullptr && SameAnswer(a, *b);
  }
  bool operator()(const FetchRequest& a) const {
    const auto* b = std::get_if<FetchRequest>(&other);
    return b != nullptr && a.epoch == b->epoch && a.session == b->session && a.fetch_offset == b->fetch_offset &&
           a.last_fetched_epoch == b->last_fetched_epoch && a.durable_end == b->durable_end &&
           a.high_watermark == b->high_watermark && a.credit_bytes == b->credit_bytes &&
           a.read_round == b->read_round && a.priority == b->priority;
  }
  bool operator()(const FetchResponse& a) const {
    const auto* b = std::get_if<FetchResponse>(&other);
    if (b == nullptr || !SameAnswer(a, *b) || a.session != b->session || a.base_offset != b->base_offset ||
        a.high_watermark != b->high_watermark || a.diverging != b->diverging || a.snapshot != b->snapshot ||
        a.read_round != b->read_round || a.batches.size() != b->batches.size()) {
      return false;
    }
    for (size_t i = 0; i < a.batches.size(); ++i) {
      if (a.batches[i].bytes().view() != b->batches[i].bytes().view()) return false;
    }
    return true;
  }
  bool operator()(const ReadRequest& a) const {
    const auto* b = std::get_if<ReadRequest>(&other);
    return b != nullptr && a.epoch == b->epoch && a.read_id == b->read_id;
  }
  bool operator()(const ReadResponse& a) const {
    const auto* b = std::get_if<ReadResponse>(&other);
    return b != nullptr && SameAnswer(a, *b) && a.read_id == b->read_id && a.read_offset == b->read_offset;
  }
  bool operator()(const SnapshotRequest& a) const {
    const auto* b = std::get_if<SnapshotRequest>(&other);
    return b != nullptr && a.epoch == b->epoch && a.snapshot == b->snapshot && a.position == b->position &&
           a.bytes_max == b->bytes_max && a.digest == b->digest;
  }
  bool operator()(const SnapshotResponse& a) const {
    const auto* b = std::get_if<SnapshotResponse>(&other);
    return b != nullptr && SameAnswer(a, *b) && a.snapshot == b->snapshot && a.position == b->position &&
           a.total == b->total && a.digest == b->digest && a.data_crc == b->data_crc && a.data.view() == b->data.view();
  }
  bool operator()(const ProbeRequest& a) const {
    const auto* b = std::get_if<ProbeRequest>(&other);
    return b != nullptr && a.epoch == b->epoch;
  }
  bool operator()(const ProbeResponse& a) const {
    const auto* b = std::get_if<ProbeResponse>(&other);
    return b != nullptr && SameAnswer(a, *b) && a.kraft_version_min == b->kraft_version_min &&
           a.kraft_version_max == b->kraft_version_max;
  }
  bool operator()(const VoterChangeRequest& a) const {
    const auto* b = std::get_if<VoterChangeRequest>(&other);
    return b != nullptr && a.epoch == b->epoch && a.change == b->change;
  }
  bool operator()(const VoterChangeResponse& a) const {
    const auto* b = std::get_if<VoterChangeResponse>(&other);
    return b != nullptr && SameAnswer(a, *b) && a.message == b->message;
  }

  template <typename T>
  static bool SameAnswer(const T& a, const T& b) {
    return a.error == b.error && a.epoch == b.epoch && a.leader == b.leader;
  }
};

}  // namespace

bool SameMessage(const Message& a, const Message& b) {
  return a.cluster_id == b.cluster_id && a.from == b.from && a.from_incarnation == b.from_incarnation && a.to == b.to &&
         a.request_incarnation == b.request_incarnation && a.request_id == b.request_id &&
         std::visit(BodyComparer{b.body}, a.body);
}

}  // namespace quorate::testing
