// The cluster's and the quorum's description; topics are in admin_codec.cc.
#include <algorithm>
#include <cstdint>
#include <utility>

#include "node/admin_codec.h"
#include "node/strict_parse.h"
#include "quorate/status.h"
#include "quorate/v1/admin.pb.h"

namespace quorate::node {
namespace {

void ToWire(const Endpoint& endpoint, SecurityProtocol security, v1::NodeAddress* out) {
  out->set_listener(endpoint.listener);
  out->set_host(endpoint.host);
  out->set_port(endpoint.port);
  out->set_security_protocol(static_cast<int32_t>(security));
}
Endpoint FromWire(const v1::NodeAddress& address) {
  return Endpoint{address.listener(), address.host(), static_cast<uint16_t>(std::min(address.port(), 65535u))};
}

}  // namespace

// ---- DescribeCluster -----------------------------------------------------------------------------------

absl::Status CheckDescribeCluster(absl::string_view bytes) {
  v1::DescribeClusterRequest in;
  return ParseStrictly(bytes, &in);
}

std::string EncodeCluster(const MetadataImage& image, const ClusterId& cluster, NodeId controller, bool stale) {
  v1::DescribeClusterResponse out;
  out.set_cluster_id(cluster.ToString());
  out.set_controller_id(controller.value());
  out.set_stale(stale);
  image.ForEachBroker([&](const BrokerInfo& broker) {
    v1::BrokerState* to = out.add_brokers();
    to->set_id(broker.id.value());
    to->set_epoch(broker.epoch.value());
    to->set_fenced(broker.fenced);
    to->set_in_controlled_shutdown(broker.in_controlled_shutdown);
    to->set_rack(broker.rack.value_or(""));
    for (const BrokerEndpoint& endpoint : broker.endpoints)
      ToWire(endpoint.address, endpoint.security, to->add_addresses());
    return true;
  });
  return out.SerializeAsString();
}

absl::StatusOr<ClusterDescription> DecodeCluster(absl::string_view bytes) {
  v1::DescribeClusterResponse in;
  if (absl::Status parsed = ParseStrictly(bytes, &in); !parsed.ok()) return parsed;
  absl::StatusOr<ClusterId> cluster = ClusterId::Parse(in.cluster_id());
  if (!cluster.ok()) return cluster.status();
  ClusterDescription out;
  out.cluster_id = *cluster;
  out.controller = NodeId(in.controller_id());
  for (const v1::BrokerState& broker : in.brokers()) {
    BrokerDescription to;
    to.id = NodeId(broker.id());
    to.epoch = broker.epoch();
    to.fenced = broker.fenced();
    to.in_controlled_shutdown = broker.in_controlled_shutdown();
    to.rack = broker.rack();
    for (const v1::NodeAddress& address : broker.addresses()) to.endpoints.push_back(FromWire(address));
    out.brokers.push_back(std::move(to));
  }
  return out;
}

// ---- DescribeQuorum ------------------------------------------------------------------------------------

absl::Status DecodeDescribeQuorum(absl::string_view bytes, bool* forwarded) {
  v1::DescribeQuorumRequest in;
  absl::Status parsed = ParseStrictly(bytes, &in);
  *forwarded = in.forwarded();
  return parsed;
}

namespace {

constexpr ReplicaRole kRoles[] = {ReplicaRole::kUnattached, ReplicaRole::kProspective, ReplicaRole::kCandidate,
                                  ReplicaRole::kLeader,     ReplicaRole::kFollower,    ReplicaRole::kResigned,
                                  ReplicaRole::kHalted};

int64_t TimeToWire(absl::Time time) { return time == absl::InfinitePast() ? -1 : absl::ToUnixMillis(time); }
absl::Time TimeFromWire(int64_t ms) { return ms < 0 ? absl::InfinitePast() : absl::FromUnixMillis(ms); }

void ToWire(const ReplicaStatus& replica, v1::QuorumReplica* out) {
  out->set_id(replica.key.id.value());
  out->set_directory_id(replica.key.directory.ToString());
  out->set_log_end(replica.log_end.value());
  out->set_last_fetch_ms(TimeToWire(replica.last_fetch));
  out->set_last_caught_up_ms(TimeToWire(replica.last_caught_up));
  for (const Endpoint& endpoint : replica.endpoints)
    ToWire(endpoint, SecurityProtocol::kPlaintext, out->add_addresses());
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
  return out;
}

}  // namespace quorate::node
