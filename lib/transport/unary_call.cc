#include "transport/unary_call.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "transport/grpc_bytes.h"
#include "transport/grpc_status.h"
#include "transport/monotonic.h"

namespace quorate::transport {
namespace {

// The reply as the handler holds it: answers for a handler that forgot.
class ReplyOnce {
 public:
  explicit ReplyOnce(std::shared_ptr<CallClaim> claim) : claim_(std::move(claim)) {}
  ~ReplyOnce() {
    if (claim_ != nullptr) claim_->Complete(absl::InternalError("the handler dropped the call without an answer"));
  }
  void Send(absl::StatusOr<std::string> result) { std::exchange(claim_, nullptr)->Complete(std::move(result)); }

 private:
  std::shared_ptr<CallClaim> claim_;
};

absl::Duration TimeLeft(const grpc::ServerContextBase& context) {
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return absl::InfiniteDuration();
  return absl::FromChrono(
      std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - std::chrono::system_clock::now()));
}

}  // namespace

bool CallClaim::Take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(call_, nullptr) != nullptr;
}

bool CallClaim::taken() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return call_ == nullptr;
}

void CallClaim::Complete(absl::StatusOr<std::string> result) {
  UnaryCall* call = nullptr;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    call = std::exchange(call_, nullptr);
  }
  // Until End, which is ours alone now, the call can't be done.
  if (call != nullptr) call->End(std::move(result));
}

void CallWatch::Add(std::shared_ptr<CallClaim> call, Instant deadline) {
  const std::lock_guard<std::mutex> lock(mutex_);
  entries_.push_back({std::move(call), deadline});
}

void CallWatch::EndOverdue(Instant now) {
  std::vector<Entry> overdue;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto rest = std::partition(entries_.begin(), entries_.end(),
                               [now](const Entry& e) { return !e.call->taken() && e.deadline > now; });
    overdue.assign(std::make_move_iterator(rest), std::make_move_iterator(entries_.end()));
    entries_.erase(rest, entries_.end());
  }
  for (const Entry& entry : overdue) {
    entry.call->Complete(MakeError(Reason::kDeadlineExceeded, Outcome::kUnknown,
                                   "the call took longer than the server lets any call take"));
  }
}

UnaryCall::UnaryCall(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request, grpc::ByteBuffer* response,
                     absl::string_view method, absl::Duration timeout_max, CallWatch* watch)
    : context_(context),
      request_(request),
      response_(response),
      method_(method),
      timeout_(TimeLeft(*context)),
      claim_(std::make_shared<CallClaim>(this)) {
  if (timeout_ > timeout_max) {
    timeout_ = timeout_max;
    watch->Add(claim_, MonotonicNow() + timeout_max);
  }
}

void UnaryCall::Begin(RpcHandler* handler) {
  // What it answers within this call is kept by gRPC until it knows of us.
  const std::shared_ptr<CallClaim> claim = claim_;
  if (!request_->Valid()) {
    return claim->Complete(
        MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, absl::StrCat(method_, " came without a request")));
  }
  if (request_->Length() > limits::kRpcMessageBytesMax) {
    return claim->Complete(MakeError(Reason::kTooLarge, Outcome::kNotApplied,
                                     absl::StrCat("the request has ", request_->Length(), " bytes; at most ",
                                                  limits::kRpcMessageBytesMax, " are allowed")));
  }
  RpcRequest request{method_, CopyString(*request_), timeout_, context_->peer()};
  auto reply = std::make_unique<ReplyOnce>(claim);
  (*handler)(std::move(request), [reply = std::move(reply)](absl::StatusOr<std::string> result) mutable {
    reply->Send(std::move(result));
  });
}

void UnaryCall::Refuse(const absl::Status& status) { claim_->Complete(status); }

void UnaryCall::OnCancel() {
  // The caller is gone; nobody reads this status.
  if (claim_->Take()) Finish(grpc::Status::CANCELLED);
}

void UnaryCall::End(absl::StatusOr<std::string> result) {
  if (result.ok() && result->size() > limits::kRpcMessageBytesMax) {
    result = MakeError(Reason::kTooLarge, Outcome::kUnknown,
                       absl::StrCat("the answer has ", result->size(), " bytes; at most ", limits::kRpcMessageBytesMax,
                                    " can be sent"));
  }
  if (!result.ok()) {
    Finish(ToGrpcStatus(result.status(), context_));
    return;
  }
  *response_ = ToByteBuffer(*std::move(result));
  Finish(grpc::Status::OK);
}

RefusedCall::RefusedCall(grpc::GenericCallbackServerContext* context, const absl::Status& status) {
  Finish(ToGrpcStatus(status, context));
}

}  // namespace quorate::transport
