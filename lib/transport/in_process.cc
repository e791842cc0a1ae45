// The in-process network: the transport without sockets, and, in a file of its own, the RPC pair. Everything arrives as
// a task on one executor, so with a manual executor a whole cluster is deterministic.
//
// All state is in one table under one mutex (Net), shared by all transports that the network made; handlers are looked
// up under it and called outside. Connections are not objects: "X is connected to peer P" is recomputed by Refresh
// after every change (somebody started, stopped, or a link was cut), and the difference is what gets reported.
#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorate/transport_adapters.h"
#include "transport/admission.h"
#include "transport/in_process_calls.h"

namespace quorate {
namespace {

using transport::Refusal;

// What a message weighs in a queue: its batches and a flat share for the rest.
size_t SizeOf(const Message& message) {
  size_t bytes = 256;
  if (const auto* fetch = std::get_if<FetchResponse>(&message.body)) {
    for (const Batch& batch : fetch->batches) bytes += batch.size();
  }
  if (const auto* snapshot = std::get_if<SnapshotResponse>(&message.body)) bytes += snapshot->data.size();
  return bytes;
}

struct Peer {
  Endpoint endpoint;
  bool connected = false;
  bool loss_reported = false;
};

// One transport, by address. Kept by shared_ptr, because a task that delivers to it may outlive it.
struct Member {
  std::string address;
  TransportIdentity identity;
  PeerHandler* handler = nullptr;  // null before Start and after Stop
  int running = 0;                 // handler calls under way
  std::map<NodeId, Peer> peers;
  std::map<ReplicaKey, std::string> return_path;  // where a replica's newest request came from
};

class Net : public std::enable_shared_from_this<Net> {
 public:
  explicit Net(Executor* executor) : executor_(executor) {}

  std::shared_ptr<Member> AddMember(const Endpoint& self) {
    auto member = std::make_shared<Member>();
    member->address = self.Address();
    return member;
  }

  absl::Status Start(const std::shared_ptr<Member>& member, const TransportIdentity& identity, PeerHandler* handler) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (member->handler != nullptr) {
        return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, "the transport was started before");
      }
      auto [it, inserted] = members_.emplace(member->address, member);
      if (!inserted) {
        return MakeError(Reason::kInUse, Outcome::kNotApplied,
                         absl::StrCat("address ", member->address, " is in use by another transport"));
      }
      member->identity = identity;
      member->handler = handler;
    }
    Refresh();
    return absl::OkStatus();
  }

  void Stop(const std::shared_ptr<Member>& member) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      if (member->handler == nullptr) return;
      member->handler = nullptr;
      members_.erase(member->address);
      member->peers.clear();
      member->return_path.clear();
      left_.wait(lock, [&] { return member->running == 0; });
    }
    Refresh();
  }

  void SetPeer(const std::shared_ptr<Member>& member, NodeId id, const Endpoint& endpoint) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      auto [it, inserted] = member->peers.try_emplace(id);
      if (!inserted && it->second.endpoint.Address() == endpoint.Address()) return;
      if (it->second.connected) ReportLoss(member, id, &it->second);
      it->second.endpoint = endpoint;
      it->second.loss_reported = false;
    }
    Refresh();
  }

  void ForgetPeer(const std::shared_ptr<Member>& member, NodeId id) {
    const std::lock_guard<std::mutex> lock(mutex_);
    member->peers.erase(id);
  }

  void SetLink(const std::string& from, const std::string& to, bool up) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (up) {
        cut_.erase({from, to});
      } else {
        cut_.insert({from, to});
      }
    }
    Refresh();
  }

  void Send(const std::shared_ptr<Member>& member, Message message) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::string target;
    if (member->handler == nullptr) {
      ++counters_.unreachable;
      return;
    }
    if (message.IsResponse()) {
      auto it = member->return_path.lower_bound({message.to.id, message.to.directory});
      if (it == member->return_path.end() || !it->first.Matches(message.to)) {
        ++counters_.unreachable;
        return;
      }
      target = it->second;
    } else {
      auto it = member->peers.find(message.to.id);
      if (it == member->peers.end() || !it->second.connected) {
        ++counters_.unreachable;
        return;
      }
      target = it->second.endpoint.Address();
    }
    const size_t bytes = SizeOf(message);
    size_t& in_flight = in_flight_[{member->address, target}];
    if (in_flight + bytes > limits::kPeerSendQueueBytesMax) {
      ++counters_.overflowed;
      return;
    }
    in_flight += bytes;
    ++counters_.sent;
    executor_->Post([self = shared_from_this(), from = member->address, target, bytes,
                     m = std::move(message)]() mutable { self->Deliver(from, target, bytes, std::move(m)); });
  }

  InProcessNetwork::Counters counters() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return counters_;
  }

 private:
  // The next three: with mutex_ held.
  bool IsCut(const std::string& from, const std::string& to) const { return cut_.contains({from, to}); }

  // Whether the connection that `member` opens to `peer` stands, as a real one's handshake would decide.
  bool CanConnect(const Member& member, NodeId id, const Peer& peer) const {
    if (member.handler == nullptr) return false;
    const std::string address = peer.endpoint.Address();
    auto it = members_.find(address);
    if (it == members_.end() || IsCut(member.address, address)) return false;
    return transport::CheckIntroduction(it->second->identity, member.identity, id).ok();
  }

  void ReportLoss(const std::shared_ptr<Member>& member, NodeId id, Peer* peer) {
    peer->connected = false;
    peer->loss_reported = true;
    PostReport(member, [id](PeerHandler* handler) { handler->OnPeerDisconnected(id); });
  }

  void Refresh() {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (auto& [address, member] : members_) {
      for (auto& [id, peer] : member->peers) {
        const bool up = CanConnect(*member, id, peer);
        if (up && !peer.connected) {
          peer.connected = true;
          peer.loss_reported = false;
          PostReport(member, [id = id](PeerHandler* handler) { handler->OnPeerConnected(id); });
        } else if (!up && (peer.connected || !peer.loss_reported)) {
          ReportLoss(member, id, &peer);
        }
      }
    }
  }

  template <typename F>
  void PostReport(const std::shared_ptr<Member>& member, F report) {
    executor_->Post([self = shared_from_this(), member, report = std::move(report)] {
      PeerHandler* handler = self->Enter(member);
      if (handler == nullptr) return;
      report(handler);
      self->Leave(member);
    });
  }

  // Brackets a handler call, so that Stop can wait for it.
  PeerHandler* Enter(const std::shared_ptr<Member>& member) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (member->handler != nullptr) ++member->running;
    return member->handler;
  }
  void Leave(const std::shared_ptr<Member>& member) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--member->running == 0) left_.notify_all();
  }

  void Deliver(const std::string& from, const std::string& target, size_t bytes, Message message) {
    std::shared_ptr<Member> member;
    PeerHandler* handler = nullptr;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (auto flight = in_flight_.find({from, target}); (flight->second -= bytes) == 0) in_flight_.erase(flight);
      auto it = members_.find(target);
      if (it == members_.end() || IsCut(from, target)) {
        ++counters_.lost;
        return;
      }
      member = it->second;
      if (transport::CheckAddress(member->identity, message) != Refusal::kNone ||
          !transport::CheckFields(message).ok()) {
        ++counters_.refused;
        return;
      }
      if (!message.IsResponse()) member->return_path[message.from] = from;
      handler = member->handler;
      if (handler == nullptr) return;
      ++member->running;
    }
    handler->OnMessage(std::move(message));
    Leave(member);
  }

  Executor* const executor_;
  mutable std::mutex mutex_;      // guards all below, and what is in Member
  std::condition_variable left_;  // no call of some member's handler is under way any more
  std::map<std::string, std::shared_ptr<Member>> members_;
  std::set<std::pair<std::string, std::string>> cut_;
  // Bytes that wait on the executor, by way: what a socket's send queue is to a real network.
  std::map<std::pair<std::string, std::string>, size_t> in_flight_;
  InProcessNetwork::Counters counters_;
};

class InProcessTransport final : public Transport {
 public:
  InProcessTransport(std::shared_ptr<Net> net, const Endpoint& self)
      : net_(std::move(net)), member_(net_->AddMember(self)) {}
  ~InProcessTransport() override { net_->Stop(member_); }

  absl::Status Start(const TransportIdentity& identity, PeerHandler* handler) override {
    return net_->Start(member_, identity, handler);
  }
  void SetPeer(NodeId peer, const Endpoint& endpoint) override { net_->SetPeer(member_, peer, endpoint); }
  void ForgetPeer(NodeId peer) override { net_->ForgetPeer(member_, peer); }
  void Send(Message message) override { net_->Send(member_, std::move(message)); }
  void Stop() override { net_->Stop(member_); }

 private:
  const std::shared_ptr<Net> net_;
  const std::shared_ptr<Member> member_;
};

class InProcessNetworkImpl final : public InProcessNetwork {
 public:
  InProcessNetworkImpl(Executor* executor, Clock* clock)
      : net_(std::make_shared<Net>(executor)), calls_(std::make_shared<transport::InProcessCalls>(executor, clock)) {}
  std::unique_ptr<Transport> MakeTransport(const Endpoint& self) override {
    return std::make_unique<InProcessTransport>(net_, self);
  }
  std::unique_ptr<RpcServer> MakeRpcServer(const Endpoint& self) override {
    return transport::InProcessCalls::MakeServer(calls_, self);
  }
  std::unique_ptr<RpcClient> MakeRpcClient() override { return transport::InProcessCalls::MakeClient(calls_); }
  void SetLink(const std::string& from_address, const std::string& to_address, bool up) override {
    if (from_address.empty()) {
      calls_->SetLink(to_address, up);
    } else {
      net_->SetLink(from_address, to_address, up);
    }
  }
  [[nodiscard]] Counters counters() const override { return net_->counters(); }

 private:
  const std::shared_ptr<Net> net_;
  const std::shared_ptr<transport::InProcessCalls> calls_;
};

}  // namespace

std::unique_ptr<InProcessNetwork> InProcessNetwork::Create(Executor* executor, Clock* clock) {
  return std::make_unique<InProcessNetworkImpl>(executor, clock);
}

}  // namespace quorate
