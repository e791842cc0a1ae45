// The in-process network: the transport and the RPC pair without sockets. Everything arrives as a task on one
// executor, so with a manual executor a whole cluster is deterministic.
//
// All state is in one table under one mutex (Net), shared by everything that the network made; handlers are looked
// up under it and called outside. Connections are not objects: "X is connected to peer P" is recomputed by Refresh
// after every change (somebody started, stopped, or a link was cut), and the difference is what gets reported.
#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorate/transport_adapters.h"
#include "transport/admission.h"

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

struct Handlers {
  std::map<std::string, std::shared_ptr<RpcHandler>, std::less<>> methods;
};

struct PendingCall {
  absl::AnyInvocable<void(absl::StatusOr<std::string>) &&> done;
  Executor::TimerId timer = Executor::kNoTimer;
  const void* client = nullptr;
};

class Net : public std::enable_shared_from_this<Net> {
 public:
  Net(Executor* executor, Clock* clock) : executor_(executor), clock_(clock) {}

  std::shared_ptr<Member> AddMember(const Endpoint& self) {
    auto member = std::make_shared<Member>();
    member->address = self.Address();
    return member;
  }

  absl::Status Start(const std::shared_ptr<Member>& member, const TransportIdentity& identity, PeerHandler* handler) {
    {
      absl::MutexLock lock(&mutex_);
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
      absl::MutexLock lock(&mutex_);
      if (member->handler == nullptr) return;
      member->handler = nullptr;
      members_.erase(member->address);
      member->peers.clear();
      member->return_path.clear();
      mutex_.Await(absl::Condition(
          +[](Member* m) { return m->running == 0; }, member.get()));
    }
    Refresh();
  }

  void SetPeer(const std::shared_ptr<Member>& member, NodeId id, const Endpoint& endpoint) {
    {
      absl::MutexLock lock(&mutex_);
      auto [it, inserted] = member->peers.try_emplace(id);
      if (!inserted && it->second.endpoint.Address() == endpoint.Address()) return;
      if (it->second.connected) ReportLoss(member, id, &it->second);
      it->second.endpoint = endpoint;
      it->second.loss_reported = false;
    }
    Refresh();
  }

  void ForgetPeer(const std::shared_ptr<Member>& member, NodeId id) {
    absl::MutexLock lock(&mutex_);
    member->peers.erase(id);
  }

  void SetLink(const std::string& from, const std::string& to, bool up) {
    {
      absl::MutexLock lock(&mutex_);
      if (up) {
        cut_.erase({from, to});
      } else {
        cut_.insert({from, to});
      }
    }
    Refresh();
  }

  void Send(const std::shared_ptr<Member>& member, Message message) {
    absl::MutexLock lock(&mutex_);
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
    absl::MutexLock lock(&mutex_);
    return counters_;
  }

  // -- RPC --

  void AddServer(const std::string& address, const std::shared_ptr<Handlers>& handlers) {
    absl::MutexLock lock(&mutex_);
    servers_[address] = handlers;
  }
  void RemoveServer(const std::string& address, const std::shared_ptr<Handlers>& handlers) {
    absl::MutexLock lock(&mutex_);
    auto it = servers_.find(address);
    if (it != servers_.end() && it->second == handlers) servers_.erase(it);
  }
  void AddHandler(const std::shared_ptr<Handlers>& handlers, std::string method, RpcHandler handler) {
    absl::MutexLock lock(&mutex_);
    handlers->methods[std::move(method)] = std::make_shared<RpcHandler>(std::move(handler));
  }

  void Call(const void* client, const Endpoint& to, absl::string_view method, std::string payload,
            absl::Duration timeout, absl::AnyInvocable<void(absl::StatusOr<std::string>) &&> done) {
    uint64_t id = 0;
    const Instant deadline = clock_->Now() + timeout;
    {
      absl::MutexLock lock(&mutex_);
      id = ++last_call_;
      PendingCall& call = calls_[id];
      call.done = std::move(done);
      call.client = client;
      call.timer = executor_->PostAt(deadline, [self = shared_from_this(), id, address = to.Address(), timeout] {
        self->Complete(id,
                       MakeError(Reason::kDeadlineExceeded, Outcome::kUnknown,
                                 absl::StrCat("no answer from ", address, " within ", absl::FormatDuration(timeout))));
      });
    }
    executor_->Post([self = shared_from_this(), id, to, method = std::string(method), payload = std::move(payload),
                     deadline]() mutable { self->Serve(id, to.Address(), method, std::move(payload), deadline); });
  }

  // Takes the call's continuation, if nobody did before, and runs it.
  void Complete(uint64_t id, absl::StatusOr<std::string> result) {
    PendingCall call;
    {
      absl::MutexLock lock(&mutex_);
      auto it = calls_.find(id);
      if (it == calls_.end()) return;
      call = std::move(it->second);
      calls_.erase(it);
    }
    if (call.timer != Executor::kNoTimer) executor_->Cancel(call.timer);
    std::move(call.done)(std::move(result));
  }

  // A client goes away: its calls end now.
  void FailCallsOf(const void* client) {
    std::vector<uint64_t> ids;
    {
      absl::MutexLock lock(&mutex_);
      for (const auto& [id, call] : calls_) {
        if (call.client == client) ids.push_back(id);
      }
    }
    for (const uint64_t id : ids) {
      Complete(id, MakeError(Reason::kShuttingDown, Outcome::kUnknown, "the client was closed while the call ran"));
    }
  }

 private:
  bool IsCut(const std::string& from, const std::string& to) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return cut_.contains({from, to});
  }

  // Whether the connection that `member` opens to `peer` stands, as a real one's handshake would decide.
  bool CanConnect(const Member& member, NodeId id, const Peer& peer) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (member.handler == nullptr) return false;
    const std::string address = peer.endpoint.Address();
    auto it = members_.find(address);
    if (it == members_.end() || IsCut(member.address, address)) return false;
    return transport::CheckIntroduction(it->second->identity, member.identity, id).ok();
  }

  void ReportLoss(const std::shared_ptr<Member>& member, NodeId id, Peer* peer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    peer->connected = false;
    peer->loss_reported = true;
    PostReport(member, [id](PeerHandler* handler) { handler->OnPeerDisconnected(id); });
  }

  void Refresh() {
    absl::MutexLock lock(&mutex_);
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
    absl::MutexLock lock(&mutex_);
    if (member->handler != nullptr) ++member->running;
    return member->handler;
  }
  void Leave(const std::shared_ptr<Member>& member) {
    absl::MutexLock lock(&mutex_);
    --member->running;
  }

  void Deliver(const std::string& from, const std::string& target, size_t bytes, Message message) {
    std::shared_ptr<Member> member;
    PeerHandler* handler = nullptr;
    {
      absl::MutexLock lock(&mutex_);
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

  void Serve(uint64_t id, const std::string& address, const std::string& method, std::string payload,
             Instant deadline) {
    std::shared_ptr<RpcHandler> handler;
    absl::Status refusal;
    {
      absl::MutexLock lock(&mutex_);
      if (!calls_.contains(id)) return;
      auto server = servers_.find(address);
      if (server == servers_.end() || IsCut("", address)) {
        refusal = MakeError(Reason::kUnreachable, Outcome::kNotApplied,
                            absl::StrCat("can't connect to ", address, ": nothing serves there"));
      } else if (auto it = server->second->methods.find(method); it == server->second->methods.end()) {
        refusal = absl::UnimplementedError(absl::StrCat(address, " doesn't serve ", method));
      } else {
        handler = it->second;
      }
    }
    if (handler == nullptr) return Complete(id, refusal);
    RpcRequest request{method, std::move(payload), deadline - clock_->Now(), "in-process"};
    // A handler that loses its reply must not leave the caller waiting for the deadline without a word.
    auto reply = std::make_unique<Reply>(shared_from_this(), id);
    (*handler)(std::move(request), [reply = std::move(reply)](absl::StatusOr<std::string> result) mutable {
      reply->Send(std::move(result));
    });
  }

  struct Reply {
    Reply(std::shared_ptr<Net> net, uint64_t id) : net(std::move(net)), id(id) {}
    ~Reply() {
      if (net != nullptr) Send(absl::InternalError("the handler dropped the call without an answer"));
    }
    // The caller's continuation never runs inside the handler's call, as over a real network.
    void Send(absl::StatusOr<std::string> result) {
      Executor* executor = net->executor_;
      executor->Post([net = std::move(net), id = id, result = std::move(result)]() mutable {
        net->Complete(id, std::move(result));
      });
      net = nullptr;
    }
    std::shared_ptr<Net> net;
    uint64_t id;
  };

  Executor* const executor_;
  Clock* const clock_;
  mutable absl::Mutex mutex_;
  std::map<std::string, std::shared_ptr<Member>> members_ ABSL_GUARDED_BY(mutex_);
  std::set<std::pair<std::string, std::string>> cut_ ABSL_GUARDED_BY(mutex_);
  // Bytes that wait on the executor, by way: what a socket's send queue is to a real network.
  std::map<std::pair<std::string, std::string>, size_t> in_flight_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<Handlers>> servers_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, PendingCall> calls_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_call_ ABSL_GUARDED_BY(mutex_) = 0;
  InProcessNetwork::Counters counters_ ABSL_GUARDED_BY(mutex_);
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

class InProcessRpcServer final : public RpcServer {
 public:
  InProcessRpcServer(std::shared_ptr<Net> net, const Endpoint& self) : net_(std::move(net)), address_(self.Address()) {
    net_->AddServer(address_, handlers_);
  }
  ~InProcessRpcServer() override { net_->RemoveServer(address_, handlers_); }
  void Handle(std::string method, RpcHandler handler) override {
    net_->AddHandler(handlers_, std::move(method), std::move(handler));
  }

 private:
  const std::shared_ptr<Net> net_;
  const std::string address_;
  const std::shared_ptr<Handlers> handlers_ = std::make_shared<Handlers>();
};

class InProcessRpcClient final : public RpcClient {
 public:
  explicit InProcessRpcClient(std::shared_ptr<Net> net) : net_(std::move(net)) {}
  ~InProcessRpcClient() override { net_->FailCallsOf(this); }
  void Call(const Endpoint& to, absl::string_view method, std::string payload, absl::Duration timeout,
            absl::AnyInvocable<void(absl::StatusOr<std::string>) &&> done) override {
    net_->Call(this, to, method, std::move(payload), timeout, std::move(done));
  }

 private:
  const std::shared_ptr<Net> net_;
};

class InProcessNetworkImpl final : public InProcessNetwork {
 public:
  InProcessNetworkImpl(Executor* executor, Clock* clock) : net_(std::make_shared<Net>(executor, clock)) {}
  std::unique_ptr<Transport> MakeTransport(const Endpoint& self) override {
    return std::make_unique<InProcessTransport>(net_, self);
  }
  std::unique_ptr<RpcServer> MakeRpcServer(const Endpoint& self) override {
    return std::make_unique<InProcessRpcServer>(net_, self);
  }
  std::unique_ptr<RpcClient> MakeRpcClient() override { return std::make_unique<InProcessRpcClient>(net_); }
  void SetLink(const std::string& from_address, const std::string& to_address, bool up) override {
    net_->SetLink(from_address, to_address, up);
  }
  [[nodiscard]] Counters counters() const override { return net_->counters(); }

 private:
  const std::shared_ptr<Net> net_;
};

}  // namespace

std::unique_ptr<InProcessNetwork> InProcessNetwork::Create(Executor* executor, Clock* clock) {
  return std::make_unique<InProcessNetworkImpl>(executor, clock);
}

}  // namespace quorate
