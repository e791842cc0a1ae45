#include "testing/simulator/message_digest.h"

#include "base/overloaded.h"
#include "testing/simulator/scheduler.h"

namespace quorate::testing::simulator {
namespace {

class Digest {
 public:
  Digest& operator<<(uint64_t value) {
    hash_.Mix(value);
    return *this;
  }
  Digest& operator<<(Epoch value) { return *this << static_cast<uint64_t>(value.value()); }
  Digest& operator<<(Offset value) { return *this << static_cast<uint64_t>(value.value()); }
  Digest& operator<<(PeerError value) { return *this << static_cast<uint64_t>(value); }
  Digest& operator<<(const Uuid& value) { return *this << value.high() << value.low(); }
  Digest& operator<<(const ReplicaKey& key) {
    return *this << static_cast<uint64_t>(key.id.value()) << key.directory.value();
  }
  Digest& operator<<(const LogPosition& at) { return *this << at.epoch << at.end; }
  Digest& operator<<(const Endpoint& endpoint) {
    return *this << BytesDigest(endpoint.listener) << BytesDigest(endpoint.host) << endpoint.port;
  }
  Digest& operator<<(const LeaderInfo& leader) {
    *this << static_cast<uint64_t>(leader.id.value());
    for (const Endpoint& endpoint : leader.endpoints) *this << endpoint;
    return *this;
  }
  [[nodiscard]] uint64_t value() const { return hash_.value(); }

 private:
  TraceHash hash_;
};

void MixFetch(const FetchResponse& m, Digest* out) {
  *out << m.error << m.epoch << m.leader << m.session << m.base_offset << m.high_watermark << m.read_round;
  if (m.diverging.has_value()) *out << 1 << *m.diverging;
  if (m.snapshot.has_value()) *out << 2 << *m.snapshot;
  for (const Batch& batch : m.batches) *out << batch.crc() << batch.size() << batch.base_offset();
}

void MixBody(const MessageBody& body, Digest* out) {
  std::visit(
      Overloaded{
          [&](const VoteRequest& m) { *out << m.epoch << m.log_end << (m.pre_vote ? 1 : 0); },
          [&](const VoteResponse& m) {
            *out << m.error << m.epoch << m.leader << (m.pre_vote ? 1 : 0) << (m.granted ? 1 : 0);
          },
          [&](const BeginEpochRequest& m) {
            *out << m.epoch;
            for (const Endpoint& endpoint : m.leader_endpoints) *out << endpoint;
          },
          [&](const BeginEpochResponse& m) { *out << m.error << m.epoch << m.leader; },
          [&](const EndEpochRequest& m) {
            *out << m.epoch;
            for (const ReplicaKey& key : m.preferred_successors) *out << key;
          },
          [&](const EndEpochResponse& m) { *out << m.error << m.epoch << m.leader; },
          [&](const FetchRequest& m) {
            *out << m.epoch << m.session << m.fetch_offset << m.last_fetched_epoch << m.durable_end << m.high_watermark
                 << m.credit_bytes << m.read_round << m.priority;
          },
          [&](const FetchResponse& m) { MixFetch(m, out); },
          [&](const ReadRequest& m) { *out << m.epoch << m.read_id; },
          [&](const ReadResponse& m) { *out << m.error << m.epoch << m.leader << m.read_id << m.read_offset; },
          [&](const SnapshotRequest& m) { *out << m.epoch << m.snapshot << m.position << m.bytes_max << m.digest; },
          [&](const SnapshotResponse& m) {
            *out << m.error << m.epoch << m.leader << m.snapshot << m.position << m.total << m.digest << m.data_crc
                 << BytesDigest(m.data.view());
          },
          [&](const ProbeRequest& m) { *out << m.epoch; },
          [&](const ProbeResponse& m) {
            *out << m.error << m.epoch << m.leader << static_cast<uint64_t>(m.kraft_version_min)
                 << static_cast<uint64_t>(m.kraft_version_max);
          },
          [&](const VoterChangeRequest& m) {
            *out << m.epoch << static_cast<uint64_t>(m.change.kind) << m.change.voter.key
                 << (m.change.automatic ? 1 : 0);
            for (const Endpoint& endpoint : m.change.voter.endpoints) *out << endpoint;
          },
          [&](const VoterChangeResponse& m) { *out << m.error << m.epoch << m.leader << BytesDigest(m.message); },
      },
      body);
}

}  // namespace

uint64_t BytesDigest(absl::string_view bytes, uint64_t seed) {
  TraceHash hash;
  hash.Mix(seed ^ bytes.size());
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    uint64_t word = 0;
    for (size_t i = 0; i < 8; ++i) word |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[at + i])) << (8 * i);
    hash.Mix(word);
  }
  uint64_t rest = 0;
  for (size_t i = 0; at + i < bytes.size(); ++i)
    rest |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[at + i])) << (8 * i);
  hash.Mix(rest);
  return hash.value();
}

uint64_t MessageDigest(const Message& message) {
  Digest digest;
  digest << message.cluster_id.value() << message.from << message.from_incarnation.value() << message.to
         << message.request_incarnation.value() << message.request_id << message.body.index();
  MixBody(message.body, &digest);
  return digest.value();
}

Epoch EpochOf(const Message& message) {
  return std::visit([](const auto& body) { return body.epoch; }, message.body);
}

}  // namespace quorate::testing::simulator
