// The RPC client: unary calls with bytes both ways, on one cached channel per address.
//
// A call whose connection fails takes its channel out of the cache, so the next call dials anew instead of waiting
// for the backoff that the failed one left behind. Channels that left the cache, or were pushed out by the bound, are
// closed by a later Call or by the destructor, never in a gRPC callback (lib/transport/grpc_channel.h), and not
// before their calls ended.
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorate/transport_adapters.h"
#include "transport/grpc_bytes.h"
#include "transport/grpc_channel.h"
#include "transport/grpc_status.h"

namespace quorate {
namespace {

using Done = absl::AnyInvocable<void(absl::StatusOr<std::string>) &&>;

struct PendingCall {
  grpc::ClientContext context;
  grpc::ByteBuffer request;
  grpc::ByteBuffer response;
  const grpc::Channel* channel = nullptr;  // to compare with; the context holds the reference
  std::string address;
  std::string method;
  absl::Duration timeout;
  Done done;
};

class GrpcRpcClient final : public RpcClient {
 public:
  explicit GrpcRpcClient(GrpcRpcClientOptions options) : options_(options) {}

  ~GrpcRpcClient() override {
    std::unique_lock<std::mutex> lock(mutex_);
    for (const auto& [raw, call] : calls_) call->context.TryCancel();
    all_ended_.wait(lock, [this] { return calls_.empty(); });
  }

  void Call(const Endpoint& to, absl::string_view method, std::string payload, absl::Duration timeout,
            Done done) override {
    auto call = std::make_unique<PendingCall>();
    PendingCall* const raw = call.get();
    call->address = to.Address();
    call->method = std::string(method);
    call->timeout = std::clamp(timeout, absl::Milliseconds(1), options_.call_timeout_max);
    call->done = std::move(done);
    call->context.set_wait_for_ready(false);
    call->context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoNanoseconds(call->timeout));
    // An oversized request is refused by the channel itself (RESOURCE_EXHAUSTED), by way of the continuation.
    call->request = transport::ToByteBuffer(std::move(payload));
    Leftovers leftovers;  // destroyed outside the lock
    std::shared_ptr<grpc::Channel> channel;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      channel = ChannelTo(to, call->address);
      call->channel = channel.get();
      calls_.emplace(raw, std::move(call));
      leftovers = TakeLeftovers();
    }
    grpc::GenericStub stub(std::move(channel));
    stub.UnaryCall(&raw->context, raw->method, {}, &raw->request, &raw->response,
                   [this, raw](const grpc::Status& status) { Finish(raw, status); });
  }

 private:
  // Contexts and channels, which are destroyed on a caller's thread.
  struct Leftovers {
    std::vector<std::unique_ptr<PendingCall>> calls;
    std::vector<std::shared_ptr<grpc::Channel>> channels;
  };
  struct Cached {
    std::string address;
    std::shared_ptr<grpc::Channel> channel;
  };

  // The next three: with mutex_ held.
  std::shared_ptr<grpc::Channel> ChannelTo(const Endpoint& to, const std::string& address) {
    if (auto it = by_address_.find(address); it != by_address_.end()) {
      recent_.splice(recent_.begin(), recent_, it->second);
      return it->second->channel;
    }
    if (recent_.size() >= options_.channels_max && !recent_.empty()) Retire(std::prev(recent_.end()));
    recent_.push_front({address, transport::NewChannel(to, {limits::kRpcMessageBytesMax, limits::kRpcMessageBytesMax,
                                                            options_.connect_timeout})});
    by_address_[address] = recent_.begin();
    return recent_.front().channel;
  }

  void Retire(std::list<Cached>::iterator it) {
    retired_.push_back(std::move(it->channel));
    by_address_.erase(it->address);
    recent_.erase(it);
  }

  // What ended since the last call. One channel always stays, so that none destroyed here, perhaps in a continuation,
  // is the process's last.
  Leftovers TakeLeftovers() {
    Leftovers out;
    out.calls.swap(finished_);
    if (retired_.size() > 1) {
      out.channels.assign(std::make_move_iterator(retired_.begin()),
                          std::make_move_iterator(std::prev(retired_.end())));
      retired_.erase(retired_.begin(), std::prev(retired_.end()));
    }
    return out;
  }

  void Finish(PendingCall* call, const grpc::Status& status) {
    absl::StatusOr<std::string> result;
    if (status.ok()) {
      result = transport::TakeString(&call->response);
    } else {
      result = transport::FromGrpcStatus(status, call->context, call->address, call->method);
      if (ReasonOf(result.status()) == Reason::kUnreachable) Forget(*call);
    }
    std::move(call->done)(std::move(result));
    call->done = nullptr;
    call->request.Clear();
    const std::lock_guard<std::mutex> lock(mutex_);
    auto it = calls_.find(call);
    finished_.push_back(std::move(it->second));
    calls_.erase(it);
    // Under the lock: as soon as the destructor gets it, the condition variable is gone.
    if (calls_.empty()) all_ended_.notify_all();
  }

  // The next call to this address shall dial anew.
  void Forget(const PendingCall& call) {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto it = by_address_.find(call.address);
    if (it != by_address_.end() && it->second->channel.get() == call.channel) Retire(it->second);
  }

  const GrpcRpcClientOptions options_;
  std::mutex mutex_;                   // guards all below
  std::condition_variable all_ended_;  // calls_ became empty
  std::list<Cached> recent_;           // the most recently used first
  absl::flat_hash_map<std::string, std::list<Cached>::iterator> by_address_;
  absl::flat_hash_map<const PendingCall*, std::unique_ptr<PendingCall>> calls_;
  std::vector<std::unique_ptr<PendingCall>> finished_;
  std::vector<std::shared_ptr<grpc::Channel>> retired_;
};

}  // namespace

std::unique_ptr<RpcClient> NewGrpcRpcClient(GrpcRpcClientOptions options) {
  return std::make_unique<GrpcRpcClient>(options);
}

}  // namespace quorate
