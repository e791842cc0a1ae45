// One served call with one request and one answer, as a gRPC reactor. It is a registered method's, whose request comes
// together with the call and whose answer goes with its end: two operations less than as a stream of one message each
// way.
//
// Whoever is first ends it: the handler's reply, the caller going away, the deadline that the server sets, or a
// handler that drops its reply without calling it. The others find the call claimed and do nothing. So a reply may
// come at any time from any thread, and a handler that never answers can't keep the server from stopping.
//
// gRPC ends a call whose client set a deadline. One whose client set none, or one beyond our cap, is watched
// (CallWatch) and ended at the cap.
//
// Only the gRPC adapter's own files include this.
#ifndef QUORATE_LIB_TRANSPORT_UNARY_CALL_H_
#define QUORATE_LIB_TRANSPORT_UNARY_CALL_H_

#include <grpcpp/generic/async_generic_service.h>

#include <memory>
#include <mutex>
#include <vector>

#include "quorate/environment.h"
#include "quorate/transport.h"

namespace quorate::transport {

class UnaryCall;

// The right to end a call. Outlives it.
class CallClaim {
 public:
  explicit CallClaim(UnaryCall* call) : call_(call) {}
  // Ends the call, if nobody did.
  void Complete(absl::StatusOr<std::string> result);
  // For the call itself: true for the first who asks.
  bool Take();
  [[nodiscard]] bool taken() const;

 private:
  mutable std::mutex mutex_;
  UnaryCall* call_;  // guarded by mutex_
};

// Calls that must be ended by us when their time is over. Thread-safe; bounded by the number of calls.
class CallWatch {
 public:
  void Add(std::shared_ptr<CallClaim> call, Instant deadline);
  void EndOverdue(Instant now);

 private:
  struct Entry {
    std::shared_ptr<CallClaim> call;
    Instant deadline;
  };
  std::mutex mutex_;
  std::vector<Entry> entries_;  // guarded by mutex_
};

class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  // Deletes itself. `method` lives as long as the server. `watch` gets the call if it needs watching. Begin or Refuse
  // must follow, before gRPC is given the reactor.
  UnaryCall(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request, grpc::ByteBuffer* response,
            absl::string_view method, absl::Duration timeout_max, CallWatch* watch);

  // `handler` lives as long as the server.
  void Begin(RpcHandler* handler);
  void Refuse(const absl::Status& status);

 private:
  friend class CallClaim;
  void OnCancel() override;
  void OnDone() override { delete this; }
  // After the claim was taken.
  void End(absl::StatusOr<std::string> result);

  grpc::CallbackServerContext* const context_;
  const grpc::ByteBuffer* const request_;
  grpc::ByteBuffer* const response_;
  const absl::string_view method_;
  absl::Duration timeout_;
  const std::shared_ptr<CallClaim> claim_;
};

// A call that is refused before it begins.
class RefusedCall final : public grpc::ServerGenericBidiReactor {
 public:
  RefusedCall(grpc::GenericCallbackServerContext* context, const absl::Status& status);

 private:
  void OnDone() override { delete this; }
};

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_UNARY_CALL_H_
