// The simulated network: who is at which address, what reaches it when, and which connections are made and lost.
#include <algorithm>

#include "raft/core_cluster.h"

namespace quorate::raft {

void CoreCluster::Move(int id) {
  node(id).former_addresses.push_back(node(id).address);
  node(id).address.port = static_cast<uint16_t>(20'000 + ++moves_);
  node(id).config.advertised_endpoints = {node(id).address};
}

int CoreCluster::NodeAt(const Endpoint& endpoint) const {
  for (const auto& n : nodes_) {
    if (n->address == endpoint) return n->id;
    const auto& former = n->former_addresses;
    if (keep_former_addresses_ && std::find(former.begin(), former.end(), endpoint) != former.end()) return n->id;
  }
  return 0;
}

void CoreCluster::SetPeers(Node& n, const std::vector<PeerAddress>& peers) {
  for (const PeerAddress& peer : peers) {
    const bool moved = n.peers.erase(peer.id) > 0;
    if (!peer.endpoint.has_value()) continue;
    n.peers[peer.id] = *peer.endpoint;
    if (moved) {
      At(now_, [this, from = n.id, life = n.life, id = peer.id] {
        OnNode(from, life, [this, id](Node& target) { target.core->PeerDisconnected(now_, id); });
      });
    }
    ConnectLater(n, peer.id, *peer.endpoint);
  }
}

void CoreCluster::ConnectLater(Node& n, NodeId peer, const Endpoint& endpoint) {
  At(now_ + options_.delay_min, [this, from = n.id, life = n.life, peer, endpoint] {
    const int to = NodeAt(endpoint);
    if (to == 0 || to == from || node(to).core == nullptr) return;
    OnNode(from, life, [=, this](Node& target) {
      const auto wanted = target.peers.find(peer);
      if (wanted != target.peers.end() && wanted->second == endpoint) target.core->PeerConnected(now_, peer);
    });
  });
}

void CoreCluster::Isolate(int id) {
  for (const auto& other : nodes_) {
    CutLink(id, other->id);
    CutLink(other->id, id);
  }
}

void CoreCluster::Disconnect(int from, int to) {
  const uint64_t life = node(from).life;
  At(now_ + options_.delay_min, [this, from, to, life] {
    OnNode(from, life, [this, to](Node& n) { n.core->PeerDisconnected(now_, NodeId(to)); });
  });
}

void CoreCluster::Connect(int from, int to) {
  const uint64_t life = node(from).life;
  const uint64_t peer_life = node(to).life;
  At(now_ + options_.delay_min, [this, from, to, life, peer_life] {
    if (node(to).life != peer_life) return;
    OnNode(from, life, [this, to](Node& n) { n.core->PeerConnected(now_, NodeId(to)); });
  });
}

void CoreCluster::Inject(int to, const Message& message) {
  Do(to, [&](Core& core, Instant now) { core.Receive(now, message); });
}

void CoreCluster::Route(Node& n, const Message& message) {
  CheckSent(n, message);
  if (record_sent) sent_.push_back(message);
  if (filter && !filter(message)) return;
  int to = message.to.id.value();
  if (!message.IsResponse()) {
    // A request goes to an address; who is there and isn't meant drops it (F-N10).
    const auto peer = n.peers.find(message.to.id);
    to = peer == n.peers.end() ? 0 : NodeAt(peer->second);
    if (message.to.id >= NodeId(0) && message.to.id != NodeId(to)) return;
  }
  if (to < 1 || to > static_cast<int>(nodes_.size()) || cut_.count({n.id, to}) > 0) return;
  if (random_.Below(1000) < static_cast<uint64_t>(options_.drop_permille)) return;
  const int copies = random_.Below(1000) < static_cast<uint64_t>(options_.duplicate_permille) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    const auto spread = static_cast<uint64_t>(absl::ToInt64Nanoseconds(options_.delay_max - options_.delay_min));
    const absl::Duration delay = options_.delay_min + absl::Nanoseconds(random_.Below(spread + 1));
    At(now_ + (i == 0 ? delay : delay * 20), [this, to, message] { Deliver(to, message); });
  }
}

void CoreCluster::Deliver(int to, const Message& message) {
  // Messages in the network survive a restart of either end (F-N08).
  OnNode(to, node(to).life, [this, message](Node& n) { n.core->Receive(now_, message); });
}

}  // namespace quorate::raft
