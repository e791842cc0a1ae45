// The cluster's description.
#include <utility>

#include "node/admin_codec.h"
#include "node/admin_wire.h"
#include "node/strict_parse.h"
#include "quorate/v1/admin.pb.h"

namespace quorate::node {

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
  out.stale = in.stale();
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

}  // namespace quorate::node
