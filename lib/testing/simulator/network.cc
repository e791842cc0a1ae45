#include "testing/simulator/network.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "testing/simulator/message_digest.h"
#include "testing/simulator/tamper.h"
#include "transport/admission.h"

namespace quorate::testing::simulator {
namespace {

// What a stopped machine's system keeps for it.
constexpr size_t kInboxMax = 4096;
constexpr absl::Duration kConnectTime = absl::Milliseconds(1);
constexpr absl::Duration kRetryMax = absl::Milliseconds(200);
constexpr absl::Duration kKeepalive = absl::Seconds(4);
// A repeated message may come this much later (F-N01).
constexpr absl::Duration kLateDuplicate = absl::Minutes(2);

}  // namespace

class SimNetwork::SimTransport final : public Transport {
 public:
  SimTransport(SimNetwork* network, int node, std::string address)
      : network_(network), port_(std::make_shared<Port>()) {
    port_->node = node;
    port_->address = std::move(address);
  }
  ~SimTransport() override { Stop(); }

  absl::Status Start(const TransportIdentity& identity, PeerHandler* handler) override {
    return network_->Start(port_, identity, handler);
  }
  void SetPeer(NodeId peer, const Endpoint& endpoint) override { network_->SetPeer(port_, peer, endpoint); }
  void ForgetPeer(NodeId peer) override { port_->peers.erase(peer); }
  void Send(Message message) override { network_->Send(port_, std::move(message)); }
  void Stop() override { network_->Close(port_, kConnectTime); }

 private:
  SimNetwork* const network_;
  const std::shared_ptr<Port> port_;
};

SimNetwork::SimNetwork(Scheduler* scheduler, uint64_t seed, const NetworkConditions& conditions, int nodes, Hooks hooks)
    : scheduler_(scheduler),
      random_(seed),
      conditions_(conditions),
      nodes_(nodes),
      hooks_(std::move(hooks)),
      links_(static_cast<size_t>(nodes * nodes)),
      ports_(static_cast<size_t>(nodes)),
      inboxes_(static_cast<size_t>(nodes)) {}

std::unique_ptr<Transport> SimNetwork::MakeTransport(int node, const Endpoint& self) {
  const std::string address = self.Address();
  listeners_.try_emplace(address, node);
  owners_.try_emplace(address, node);
  return std::make_unique<SimTransport>(this, node, address);
}

absl::Status SimNetwork::Start(const std::shared_ptr<Port>& port, const TransportIdentity& identity,
                               PeerHandler* handler) {
  port->identity = identity;
  port->handler = handler;
  ports_[static_cast<size_t>(port->node)] = port;
  return absl::OkStatus();
}

void SimNetwork::Close(const std::shared_ptr<Port>& port, absl::Duration noticed_after) {
  if (port->handler == nullptr) return;
  port->handler = nullptr;
  port->peers.clear();
  inboxes_[static_cast<size_t>(port->node)].clear();
  ports_[static_cast<size_t>(port->node)] = nullptr;
  for (const std::shared_ptr<Port>& other : ports_) {
    if (other == nullptr) continue;
    for (const auto& [id, peer] : other->peers) {
      if (peer.connected && NodeAt(peer.endpoint) == port->node) {
        ScheduleBreak(other, id, noticed_after / 10 + noticed_after * static_cast<int64_t>(random_.Below(100)) / 100);
      }
    }
  }
}

void SimNetwork::Died(int node, bool announced) {
  const std::shared_ptr<Port> port = ports_[static_cast<size_t>(node)];
  if (port != nullptr) Close(port, announced ? kConnectTime : kKeepalive);
}

void SimNetwork::Cut(int from, int to, bool cut) { link(from, to).cut = cut; }

void SimNetwork::BreakCutConnections() {
  for (const std::shared_ptr<Port>& port : ports_) {
    if (port == nullptr) continue;
    for (const auto& [id, peer] : port->peers) {
      const int to = NodeAt(peer.endpoint);
      if (!peer.connected || to < 0 || (!IsCut(port->node, to) && !IsCut(to, port->node))) continue;
      ScheduleBreak(port, id,
                    absl::Nanoseconds(random_.Below(static_cast<uint64_t>(kKeepalive / absl::Nanoseconds(1)))));
    }
  }
}

void SimNetwork::BreakConnections(int node) {
  for (const std::shared_ptr<Port>& port : ports_) {
    if (port == nullptr) continue;
    for (const auto& [id, peer] : port->peers) {
      const int to = NodeAt(peer.endpoint);
      if (peer.connected && (port->node == node || to == node)) ScheduleBreak(port, id, kConnectTime);
    }
  }
}

void SimNetwork::SwapAddresses(int a, int b) {
  swapped_ = !swapped_;
  for (auto& [address, node] : listeners_) {
    if (node == a || node == b) node = node == a ? b : a;
  }
  for (const std::shared_ptr<Port>& port : ports_) {
    if (port == nullptr) continue;
    for (const auto& [id, peer] : port->peers) {
      const int to = NodeAt(peer.endpoint);
      if (peer.connected && (to == a || to == b)) ScheduleBreak(port, id, kConnectTime);
    }
  }
}

void SimNetwork::Heal() {
  conditions_.delay = std::min(conditions_.delay, absl::Milliseconds(1));
  conditions_.tail_permille = conditions_.loss_permille = 0;
  conditions_.duplicate_permille = conditions_.tamper_permille = 0;
  // What is on its way may take seconds yet, but nothing waits behind it.
  for (Link& link : links_) link = {false, scheduler_->now(), scheduler_->now()};
  for (auto& [address, node] : listeners_) node = owners_.at(address);
}

void SimNetwork::Resumed(int node) {
  std::deque<Task> inbox = std::exchange(inboxes_[static_cast<size_t>(node)], {});
  for (Task& task : inbox) {
    const absl::Duration delay = absl::Nanoseconds(random_.Below(50'000));
    scheduler_->After(delay, EventKind::kMessage, node,
                      [this, node, task = std::move(task)]() mutable { OnMachine(node, std::move(task)); });
  }
}

size_t SimNetwork::waiting() const {
  size_t sum = 0;
  for (const std::deque<Task>& inbox : inboxes_) sum += inbox.size();
  return sum;
}

int SimNetwork::NodeAt(const Endpoint& endpoint) const {
  const auto found = listeners_.find(endpoint.Address());
  return found == listeners_.end() ? -1 : found->second;
}

void SimNetwork::OnMachine(int node, Task task) {
  std::deque<Task>& inbox = inboxes_[static_cast<size_t>(node)];
  if (!hooks_.is_paused(node)) {
    std::move(task)();
  } else if (inbox.size() < kInboxMax) {
    inbox.push_back(std::move(task));
  }
}

absl::Duration SimNetwork::DrawDelay() {
  const auto least = static_cast<uint64_t>(absl::ToInt64Nanoseconds(conditions_.delay));
  if (random_.Below(1000) < conditions_.tail_permille) return absl::Nanoseconds(least + random_.Below(least * 100 + 1));
  return absl::Nanoseconds(least + random_.Below(least + 1));
}

// ---- Messages ------------------------------------------------------------------------------------------

void SimNetwork::Send(const std::shared_ptr<Port>& port, Message message) {
  if (port->handler == nullptr) return;
  if (!hooks_.on_send(port->node, message)) return;
  ++counters_.sent;
  int to = -1;
  if (message.IsResponse()) {
    const auto path = port->return_path.lower_bound({message.to.id, message.to.directory});
    if (path != port->return_path.end() && path->first.Matches(message.to)) to = path->second;
  } else {
    const auto peer = port->peers.find(message.to.id);
    if (peer != port->peers.end() && peer->second.connected) to = NodeAt(peer->second.endpoint);
  }
  if (to < 0 || to == port->node) {
    ++counters_.unconnected;
    return;
  }
  Transmit(port->node, to, std::move(message));
}

void SimNetwork::Transmit(int from, int to, Message message) {
  scheduler_->trace().Mix(MessageDigest(message));
  Link& way = link(from, to);
  if (way.cut) {
    ++counters_.cut_off;
    return;
  }
  if (random_.Below(1000) < conditions_.loss_permille) {
    ++counters_.lost;
    return;
  }
  const bool twice = random_.Below(1000) < conditions_.duplicate_permille;
  Instant when = std::max(scheduler_->now(), way.clogged_until) + DrawDelay();
  if (!conditions_.reorder) when = std::max(when, way.last_arrival);
  way.last_arrival = std::max(way.last_arrival, when);
  std::shared_ptr<const Message> original;
  if (twice) original = std::make_shared<Message>(message);
  if (random_.Below(1000) < conditions_.tamper_permille) {
    ++counters_.tampered;
    std::optional<Message> damaged = Tamper(std::move(message), &random_);
    if (damaged.has_value()) Schedule(from, to, when, std::make_shared<Message>(*std::move(damaged)));
  } else {
    Schedule(from, to, when, twice ? original : std::make_shared<Message>(std::move(message)));
  }
  if (!twice) return;
  ++counters_.duplicated;
  const absl::Duration later = random_.Below(4) == 0 ? kLateDuplicate : conditions_.delay * 20;
  Schedule(from, to, when + absl::Nanoseconds(random_.Below(static_cast<uint64_t>(later / absl::Nanoseconds(1)))),
           original);
}

void SimNetwork::Schedule(int from, int to, Instant when, const std::shared_ptr<const Message>& message) {
  scheduler_->At(when, EventKind::kMessage, to, [this, from, to, message] {
    OnMachine(to, [this, from, to, message] { Deliver(from, to, message); });
  });
}

void SimNetwork::Deliver(int from, int to, const std::shared_ptr<const Message>& message) {
  const std::shared_ptr<Port> port = ports_[static_cast<size_t>(to)];
  if (port == nullptr || link(from, to).cut) {
    ++counters_.cut_off;
    return;
  }
  if (transport::CheckAddress(port->identity, *message) != transport::Refusal::kNone ||
      !transport::CheckFields(*message).ok()) {
    ++counters_.refused;
    return;
  }
  ++counters_.delivered;
  if (!message->IsResponse()) port->return_path[message->from] = from;
  hooks_.on_deliver(to, *message);
  port->handler->OnMessage(*message);
}

void SimNetwork::Inject(int node, const Message& message) {
  const std::shared_ptr<Port> port = ports_[static_cast<size_t>(node)];
  if (port != nullptr && !hooks_.is_paused(node)) port->handler->OnMessage(message);
}

// ---- Connections ---------------------------------------------------------------------------------------

void SimNetwork::SetPeer(const std::shared_ptr<Port>& port, NodeId id, const Endpoint& endpoint) {
  if (port->handler == nullptr) return;
  auto [at, fresh] = port->peers.try_emplace(id);
  Peer& peer = at->second;
  if (!fresh && peer.endpoint == endpoint) return;
  peer.endpoint = endpoint;
  peer.loss_reported = false;
  if (std::exchange(peer.connected, false)) ScheduleBreak(port, id, absl::ZeroDuration());
  ScheduleAttempt(port, id, kConnectTime);
}

void SimNetwork::ScheduleAttempt(const std::shared_ptr<Port>& port, NodeId id, absl::Duration delay) {
  const uint64_t attempt = ++port->peers.at(id).attempt;
  const absl::Duration drawn =
      delay / 2 + absl::Nanoseconds(random_.Below(static_cast<uint64_t>(absl::ToInt64Nanoseconds(delay)) + 1));
  scheduler_->After(drawn, EventKind::kConnection, port->node, [this, port, id, attempt] {
    OnMachine(port->node, [this, port, id, attempt] {
      const auto peer = port->peers.find(id);
      if (port->handler == nullptr || peer == port->peers.end() || peer->second.attempt != attempt) return;
      Attempt(port, id);
    });
  });
}

bool SimNetwork::CanConnect(const Port& port, NodeId id, const Peer& peer) const {
  const int to = NodeAt(peer.endpoint);
  if (to < 0 || to == port.node || IsCut(port.node, to) || IsCut(to, port.node) || hooks_.is_paused(to)) return false;
  const std::shared_ptr<Port>& target = ports_[static_cast<size_t>(to)];
  return target != nullptr && transport::CheckIntroduction(target->identity, port.identity, id).ok();
}

void SimNetwork::Attempt(const std::shared_ptr<Port>& port, NodeId id) {
  Peer& peer = port->peers.at(id);
  if (peer.connected) return;
  if (CanConnect(*port, id, peer)) {
    peer.connected = true;
    peer.loss_reported = false;
    port->handler->OnPeerConnected(id);
    return;
  }
  ScheduleAttempt(port, id, kRetryMax);
  if (std::exchange(peer.loss_reported, true)) return;
  port->handler->OnPeerDisconnected(id);
}

void SimNetwork::ScheduleBreak(const std::shared_ptr<Port>& port, NodeId id, absl::Duration delay) {
  const uint64_t attempt = port->peers.at(id).attempt;
  last_break_ = std::max(last_break_, scheduler_->now() + delay);
  scheduler_->After(delay, EventKind::kConnection, port->node, [this, port, id, attempt] {
    OnMachine(port->node, [this, port, id, attempt] {
      const auto peer = port->peers.find(id);
      if (port->handler == nullptr || peer == port->peers.end() || peer->second.attempt != attempt) return;
      peer->second.connected = false;
      ScheduleAttempt(port, id, kConnectTime);
      if (std::exchange(peer->second.loss_reported, true)) return;
      port->handler->OnPeerDisconnected(id);
    });
  });
}

}  // namespace quorate::testing::simulator
