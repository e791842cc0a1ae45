#include "transport/admission.h"

#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/simulation.h"
#include "quorate/limits.h"
#include "quorate/status.h"

namespace quorate::transport {
namespace {

absl::Status Invalid(absl::string_view message) {
  return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, message);
}

absl::Status CheckEpoch(absl::string_view field, Epoch epoch) {
  if (epoch.value() >= 0) return absl::OkStatus();
  return Invalid(absl::StrCat(field, " is ", epoch.value(), "; it must be 0 or more"));
}

absl::Status CheckOffset(absl::string_view field, Offset offset, Offset least) {
  if (offset >= least) return absl::OkStatus();
  return Invalid(absl::StrCat(field, " is ", offset.value(), "; it must be ", least.value(), " or more"));
}

absl::Status CheckPosition(absl::string_view field, const LogPosition& position) {
  if (absl::Status s = CheckEpoch(absl::StrCat(field, ".epoch"), position.epoch); !s.ok()) return s;
  return CheckOffset(absl::StrCat(field, ".end"), position.end, Offset(0));
}

absl::Status CheckEndpoints(absl::string_view field, const std::vector<Endpoint>& endpoints) {
  if (endpoints.size() > limits::kEndpointsMax) {
    return Invalid(
        absl::StrCat(field, " has ", endpoints.size(), " entries; at most ", limits::kEndpointsMax, " are allowed"));
  }
  for (const Endpoint& endpoint : endpoints) {
    if (absl::Status s = CheckEndpoint(endpoint); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status CheckLeader(const LeaderInfo& leader) {
  if (leader.id < kNoNode) {
    return Invalid(absl::StrCat("leader.id is ", leader.id.value(), "; it must be -1 (not known) or more"));
  }
  return CheckEndpoints("leader.endpoints", leader.endpoints);
}

absl::Status CheckError(PeerError error) {
  if (error <= PeerError::kVoterChangeRefused) return absl::OkStatus();
  return Invalid(absl::StrCat("error is ", static_cast<int>(error), "; the highest known is ",
                              static_cast<int>(PeerError::kVoterChangeRefused)));
}

// The part that all responses have in common.
template <typename Response>
absl::Status CheckAnswer(const Response& response) {
  if (absl::Status s = CheckError(response.error); !s.ok()) return s;
  if (absl::Status s = CheckEpoch("epoch", response.epoch); !s.ok()) return s;
  return CheckLeader(response.leader);
}

absl::Status CheckVersions(int16_t min, int16_t max) {
  if (min >= 0 && min <= max) return absl::OkStatus();
  return Invalid(absl::StrCat("the range of kraft.version is ", min, "..", max, "; it must be 0 or more, in order"));
}

// Printable ASCII and spaces.
bool IsPrintable(absl::string_view text) {
  for (const char c : text) {
    if (c < 0x20 || c > 0x7e) return false;
  }
  return true;
}

struct FieldChecker {
  absl::Status operator()(const VoteRequest& m) const {
    if (absl::Status s = CheckEpoch("epoch", m.epoch); !s.ok()) return s;
    return CheckPosition("log_end", m.log_end);
  }
  absl::Status operator()(const BeginEpochRequest& m) const {
    if (absl::Status s = CheckEpoch("epoch", m.epoch); !s.ok()) return s;
    return CheckEndpoints("leader_endpoints", m.leader_endpoints);
  }
  absl::Status operator()(const EndEpochRequest& m) const {
    if (absl::Status s = CheckEpoch("epoch", m.epoch); !s.ok()) return s;
    if (m.preferred_successors.size() > limits::kVotersMax) {
      return Invalid(absl::StrCat("preferred_successors has ", m.preferred_successors.size(), " entries; at most ",
                                  limits::kVotersMax, " are allowed"));
    }
    for (const ReplicaKey& successor : m.preferred_successors) {
      if (successor.id.value() < 0)
        return Invalid(absl::StrCat("preferred successor ", successor.id.value(), " is no node id"));
    }
    return absl::OkStatus();
  }
  absl::Status operator()(const FetchRequest& m) const {
    if (absl::Status s = CheckEpoch("epoch", m.epoch); !s.ok()) return s;
    if (absl::Status s = CheckEpoch("last_fetched_epoch", m.last_fetched_epoch); !s.ok()) return s;
    if (absl::Status s = CheckOffset("fetch_offset", m.fetch_offset, Offset(0)); !s.ok()) return s;
    if (absl::Status s = CheckOffset("durable_end", m.durable_end, Offset(0)); !s.ok()) return s;
    if (m.durable_end > m.fetch_offset) {
      return Invalid(absl::StrCat("durable_end ", m.durable_end.value(), " is above fetch_offset ",
                                  m.fetch_offset.value(), "; a log is never durable past its end"));
    }
    if (absl::Status s = CheckOffset("high_watermark", m.high_watermark, kNoOffset); !s.ok()) return s;
    if (m.credit_bytes > limits::kFetchCreditBytesMax) {
      return Invalid(
          absl::StrCat("credit_bytes is ", m.credit_bytes, "; at most ", limits::kFetchCreditBytesMax, " are allowed"));
    }
    if (m.priority > kPriorityMax) {
      return Invalid(absl::StrCat("priority is ", m.priority, "; at most ", kPriorityMax, " is allowed"));
    }
    return absl::OkStatus();
  }
  absl::Status operator()(const FetchResponse& m) const {
    if (absl::Status s = CheckAnswer(m); !s.ok()) return s;
    if (absl::Status s = CheckOffset("base_offset", m.base_offset, kNoOffset); !s.ok()) return s;
    if (absl::Status s = CheckOffset("high_watermark", m.high_watermark, kNoOffset); !s.ok()) return s;
    if (m.diverging.has_value()) {
      if (absl::Status s = CheckPosition("diverging", *m.diverging); !s.ok()) return s;
    }
    if (m.snapshot.has_value()) {
      if (absl::Status s = CheckPosition("snapshot", *m.snapshot); !s.ok()) return s;
    }
    size_t bytes = 0;
    for (const Batch& batch : m.batches) {
      if (batch.size() == 0) return Invalid("a batch is empty");
      if (batch.size() > limits::kBatchBytesMax) {
        return Invalid(
            absl::StrCat("a batch has ", batch.size(), " bytes; at most ", limits::kBatchBytesMax, " are allowed"));
      }
      bytes += batch.size();
    }
    if (bytes > limits::kPeerMessageBytesMax) {
      return Invalid(
          absl::StrCat("the batches have ", bytes, " bytes; at most ", limits::kPeerMessageBytesMax, " are allowed"));
    }
    return absl::OkStatus();
  }
  absl::Status operator()(const ReadRequest& m) const { return CheckEpoch("epoch", m.epoch); }
  absl::Status operator()(const ReadResponse& m) const {
    if (absl::Status s = CheckAnswer(m); !s.ok()) return s;
    return CheckOffset("read_offset", m.read_offset, kNoOffset);
  }
  absl::Status operator()(const SnapshotRequest& m) const {
    if (absl::Status s = CheckEpoch("epoch", m.epoch); !s.ok()) return s;
    if (m.position > limits::kSnapshotBytesMax) return Invalid(absl::StrCat("position is ", m.position));
    if (m.bytes_max == 0 || m.bytes_max > limits::kSnapshotChunkBytesMax) {
      return Invalid(absl::StrCat("bytes_max is ", m.bytes_max, "; allowed are 1 to ", limits::kSnapshotChunkBytesMax));
    }
    return CheckPosition("snapshot", m.snapshot);
  }
  absl::Status operator()(const SnapshotResponse& m) const {
    if (absl::Status s = CheckAnswer(m); !s.ok()) return s;
    if (absl::Status s = CheckPosition("snapshot", m.snapshot); !s.ok()) return s;
    if (m.error != PeerError::kNone) return absl::OkStatus();
    if (m.total > limits::kSnapshotBytesMax || m.position > m.total || m.data.size() > m.total - m.position) {
      return Invalid(absl::StrCat("a piece of ", m.data.size(), " bytes at ", m.position, " of a snapshot of ", m.total,
                                  " bytes; at most ", limits::kSnapshotBytesMax, " are allowed"));
    }
    if (m.data.size() == 0 || m.data.size() > limits::kSnapshotChunkBytesMax) {
      return Invalid(absl::StrCat("a piece of a snapshot has ", m.data.size(), " bytes; allowed are 1 to ",
                                  limits::kSnapshotChunkBytesMax));
    }
    return absl::OkStatus();
  }
  absl::Status operator()(const ProbeRequest& m) const { return CheckEpoch("epoch", m.epoch); }
  absl::Status operator()(const ProbeResponse& m) const {
    if (absl::Status s = CheckAnswer(m); !s.ok()) return s;
    return CheckVersions(m.kraft_version_min, m.kraft_version_max);
  }
  absl::Status operator()(const VoterChangeRequest& m) const {
    if (absl::Status s = CheckEpoch("epoch", m.epoch); !s.ok()) return s;
    const Voter& voter = m.change.voter;
    if (voter.key.id.value() < 0) return Invalid(absl::StrCat("voter id ", voter.key.id.value(), " is no node id"));
    if (m.change.kind < VoterChange::Kind::kAdd || m.change.kind > VoterChange::Kind::kUpdate) {
      return Invalid(absl::StrCat("a voter change of kind ", static_cast<int>(m.change.kind)));
    }
    if (absl::Status s = CheckVersions(voter.kraft_version_min, voter.kraft_version_max); !s.ok()) return s;
    return CheckEndpoints("voter.endpoints", voter.endpoints);
  }
  absl::Status operator()(const VoterChangeResponse& m) const {
    if (m.message.size() > limits::kPeerTextBytesMax || !IsPrintable(m.message)) {
      return Invalid(absl::StrCat("a peer's text of ", m.message.size(), " bytes; at most ", limits::kPeerTextBytesMax,
                                  " printable ones are allowed"));
    }
    return CheckAnswer(m);
  }
  absl::Status operator()(const VoteResponse& m) const { return CheckAnswer(m); }
  absl::Status operator()(const BeginEpochResponse& m) const { return CheckAnswer(m); }
  absl::Status operator()(const EndEpochResponse& m) const { return CheckAnswer(m); }
};

// Letters that can't forge a log line or steer a terminal.
bool IsPlain(absl::string_view text) {
  for (const char c : text) {
    if (c < 0x21 || c > 0x7e) return false;
  }
  return true;
}

}  // namespace

Refusal CheckAddress(const TransportIdentity& self, const Message& message) {
  if (message.cluster_id != self.cluster_id && !QUORATE_MUTANT("M-38")) return Refusal::kWrongCluster;
  if (message.from.id.value() < 0) return Refusal::kInvalid;
  if (message.from.id == self.self.id) return Refusal::kSelf;
  // Below -1: the sender knows us only as a bootstrap server.
  if (message.to.id >= kNoNode && !message.to.Matches(self.self)) return Refusal::kWrongReplica;
  if (message.to.id < kNoNode && message.IsResponse()) return Refusal::kWrongReplica;
  return Refusal::kNone;
}

absl::Status CheckFields(const Message& message) { return std::visit(FieldChecker{}, message.body); }

absl::Status CheckEndpoint(const Endpoint& endpoint) {
  if (endpoint.host.empty()) return Invalid("an endpoint has no host");
  if (endpoint.host.size() > limits::kHostNameBytesMax) {
    return Invalid(absl::StrCat("a host name has ", endpoint.host.size(), " bytes; at most ", limits::kHostNameBytesMax,
                                " are allowed"));
  }
  if (endpoint.listener.size() > limits::kListenerNameBytesMax) {
    return Invalid(absl::StrCat("a listener name has ", endpoint.listener.size(), " bytes; at most ",
                                limits::kListenerNameBytesMax, " are allowed"));
  }
  if (!IsPlain(endpoint.host) || !IsPlain(endpoint.listener)) {
    return Invalid("an endpoint's host or listener has characters other than printable ASCII");
  }
  return absl::OkStatus();
}

absl::Status CheckIntroduction(const TransportIdentity& self, const TransportIdentity& remote, NodeId intended) {
  if (remote.cluster_id != self.cluster_id && !QUORATE_MUTANT("M-38")) {
    return MakeError(Reason::kWrongCluster, Outcome::kNotApplied,
                     absl::StrCat("INCONSISTENT_CLUSTER_ID: node ", self.self.id.value(), " belongs to cluster ",
                                  self.cluster_id.ToString(), ", node ", remote.self.id.value(), " to cluster ",
                                  remote.cluster_id.ToString()));
  }
  if (remote.self.id.value() < 0) return Invalid(absl::StrCat("node id ", remote.self.id.value(), " is negative"));
  if (remote.self.id == self.self.id) {
    return MakeError(Reason::kWrongReplica, Outcome::kNotApplied,
                     absl::StrCat("both ends of the connection are node ", self.self.id.value(),
                                  "; an address leads back to its own node, or two nodes share an id"));
  }
  if (intended > kNoNode && intended != self.self.id) {
    return MakeError(
        Reason::kWrongReplica, Outcome::kNotApplied,
        absl::StrCat("INVALID_VOTER_KEY: this is node ", self.self.id.value(), ", the connection is meant for node ",
                     intended.value(), "; check the addresses of both"));
  }
  return absl::OkStatus();
}

}  // namespace quorate::transport
