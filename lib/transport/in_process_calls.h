// The RPC half of the in-process network: requests with one answer, by address and method, as tasks on an executor.
//
// One table under one mutex, shared by the servers and clients made from it; handlers and continuations are looked up
// under it and called outside. A call ends once: with its answer, by its deadline, or with its client.
//
// Thread-safe.
#ifndef QUORATE_LIB_TRANSPORT_IN_PROCESS_CALLS_H_
#define QUORATE_LIB_TRANSPORT_IN_PROCESS_CALLS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "quorate/environment.h"
#include "quorate/transport.h"

namespace quorate::transport {

class InProcessCalls : public std::enable_shared_from_this<InProcessCalls> {
 public:
  // Both outlive it and what was made from it.
  InProcessCalls(Executor* executor, Clock* clock) : executor_(executor), clock_(clock) {}

  static std::unique_ptr<RpcServer> MakeServer(std::shared_ptr<InProcessCalls> calls, const Endpoint& self);
  static std::unique_ptr<RpcClient> MakeClient(std::shared_ptr<InProcessCalls> calls);

  // Cuts or restores the way of all clients to an address.
  void SetLink(const std::string& to, bool up);

 private:
  class Server;
  class Client;
  class Reply;

  struct Handlers {
    std::map<std::string, std::shared_ptr<RpcHandler>, std::less<>> methods;
  };
  struct Pending {
    absl::AnyInvocable<void(absl::StatusOr<std::string>) &&> done;
    Executor::TimerId timer = Executor::kNoTimer;
    const void* client = nullptr;
  };

  void AddServer(const std::string& address, const std::shared_ptr<Handlers>& handlers);
  void RemoveServer(const std::string& address, const std::shared_ptr<Handlers>& handlers);
  void AddHandler(const std::shared_ptr<Handlers>& handlers, std::string method, RpcHandler handler);

  void Call(const void* client, const Endpoint& to, absl::string_view method, std::string payload,
            absl::Duration timeout, absl::AnyInvocable<void(absl::StatusOr<std::string>) &&> done);
  void Serve(uint64_t id, const std::string& address, const std::string& method, std::string payload, Instant deadline);
  // Takes the call's continuation, if nobody did before, and runs it.
  void Complete(uint64_t id, absl::StatusOr<std::string> result);
  // A client goes away: its calls end now.
  void FailCallsOf(const void* client);

  Executor* const executor_;
  Clock* const clock_;
  std::mutex mutex_;  // guards all below, and what is in Handlers
  std::set<std::string> cut_;
  std::map<std::string, std::shared_ptr<Handlers>> servers_;
  std::map<uint64_t, Pending> calls_;
  uint64_t last_call_ = 0;
};

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_IN_PROCESS_CALLS_H_
