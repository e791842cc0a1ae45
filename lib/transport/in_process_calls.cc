#include "transport/in_process_calls.h"

#include <mutex>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "quorate/status.h"

namespace quorate::transport {

class InProcessCalls::Server final : public RpcServer {
 public:
  Server(std::shared_ptr<InProcessCalls> calls, const Endpoint& self)
      : calls_(std::move(calls)), address_(self.Address()) {
    calls_->AddServer(address_, handlers_);
  }
  ~Server() override { calls_->RemoveServer(address_, handlers_); }
  void Handle(std::string method, RpcHandler handler) override {
    calls_->AddHandler(handlers_, std::move(method), std::move(handler));
  }

 private:
  const std::shared_ptr<InProcessCalls> calls_;
  const std::string address_;
  const std::shared_ptr<Handlers> handlers_ = std::make_shared<Handlers>();
};

class InProcessCalls::Client final : public RpcClient {
 public:
  explicit Client(std::shared_ptr<InProcessCalls> calls) : calls_(std::move(calls)) {}
  ~Client() override { calls_->FailCallsOf(this); }
  void Call(const Endpoint& to, absl::string_view method, std::string payload, absl::Duration timeout,
            absl::AnyInvocable<void(absl::StatusOr<std::string>) &&> done) override {
    calls_->Call(this, to, method, std::move(payload), timeout, std::move(done));
  }

 private:
  const std::shared_ptr<InProcessCalls> calls_;
};

// A handler that loses its reply must not leave the caller waiting for the deadline without a word.
class InProcessCalls::Reply {
 public:
  Reply(std::shared_ptr<InProcessCalls> calls, uint64_t id) : calls_(std::move(calls)), id_(id) {}
  ~Reply() {
    if (calls_ != nullptr) Send(absl::InternalError("the handler dropped the call without an answer"));
  }
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;

  // The caller's continuation never runs inside the handler's call, as over a real network.
  void Send(absl::StatusOr<std::string> result) {
    Executor* executor = calls_->executor_;
    executor->Post([calls = std::exchange(calls_, nullptr), id = id_, result = std::move(result)]() mutable {
      calls->Complete(id, std::move(result));
    });
  }

 private:
  std::shared_ptr<InProcessCalls> calls_;
  const uint64_t id_;
};

std::unique_ptr<RpcServer> InProcessCalls::MakeServer(std::shared_ptr<InProcessCalls> calls, const Endpoint& self) {
  return std::make_unique<Server>(std::move(calls), self);
}

std::unique_ptr<RpcClient> InProcessCalls::MakeClient(std::shared_ptr<InProcessCalls> calls) {
  return std::make_unique<Client>(std::move(calls));
}

void InProcessCalls::SetLink(const std::string& to, bool up) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (up) {
    cut_.erase(to);
  } else {
    cut_.insert(to);
  }
}

void InProcessCalls::AddServer(const std::string& address, const std::shared_ptr<Handlers>& handlers) {
  const std::lock_guard<std::mutex> lock(mutex_);
  servers_[address] = handlers;
}

void InProcessCalls::RemoveServer(const std::string& address, const std::shared_ptr<Handlers>& handlers) {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto it = servers_.find(address);
  if (it != servers_.end() && it->second == handlers) servers_.erase(it);
}

void InProcessCalls::AddHandler(const std::shared_ptr<Handlers>& handlers, std::string method, RpcHandler handler) {
  const std::lock_guard<std::mutex> lock(mutex_);
  handlers->methods[std::move(method)] = std::make_shared<RpcHandler>(std::move(handler));
}

void InProcessCalls::Call(const void* client, const Endpoint& to, absl::string_view method, std::string payload,
                          absl::Duration timeout, absl::AnyInvocable<void(absl::StatusOr<std::string>) &&> done) {
  uint64_t id = 0;
  const Instant deadline = clock_->Now() + timeout;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    id = ++last_call_;
    Pending& call = calls_[id];
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

void InProcessCalls::Serve(uint64_t id, const std::string& address, const std::string& method, std::string payload,
                           Instant deadline) {
  std::shared_ptr<RpcHandler> handler;
  absl::Status refusal;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!calls_.contains(id)) return;
    auto server = servers_.find(address);
    if (server == servers_.end() || cut_.contains(address)) {
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
  auto reply = std::make_unique<Reply>(shared_from_this(), id);
  (*handler)(std::move(request), [reply = std::move(reply)](absl::StatusOr<std::string> result) mutable {
    reply->Send(std::move(result));
  });
}

void InProcessCalls::Complete(uint64_t id, absl::StatusOr<std::string> result) {
  Pending call;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto it = calls_.find(id);
    if (it == calls_.end()) return;
    call = std::move(it->second);
    calls_.erase(it);
  }
  if (call.timer != Executor::kNoTimer) executor_->Cancel(call.timer);
  std::move(call.done)(std::move(result));
}

void InProcessCalls::FailCallsOf(const void* client) {
  std::vector<uint64_t> ids;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [id, call] : calls_) {
      if (call.client == client) ids.push_back(id);
    }
  }
  for (const uint64_t id : ids) {
    Complete(id, MakeError(Reason::kShuttingDown, Outcome::kUnknown, "the client was closed while the call ran"));
  }
}

}  // namespace quorate::transport
