#include "transport/peer_stream.h"

#include <grpcpp/generic/generic_stub.h>

#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "transport/admission.h"
#include "transport/grpc_bytes.h"
#include "transport/grpc_channel.h"
#include "transport/grpc_settings.h"
#include "transport/grpc_status.h"
#include "transport/monotonic.h"
#include "transport/peer_hub.h"

namespace quorate::transport {
namespace {

using Queue = OutQueue<WireBuffer>;

constexpr ChannelLimits PeerChannelLimits(absl::Duration connect_timeout) {
  return {limits::kPeerMessageBytesMax, limits::kPeerMessageBytesMax, connect_timeout};
}

// A frame with another right behind it need not be flushed by itself.
grpc::WriteOptions HintFor(bool more_behind) {
  grpc::WriteOptions options;
  if (more_behind) options.set_buffer_hint();
  return options;
}

// Encodes `message` and queues it; true in *write when the caller must write it.
SendResult Enqueue(Message message, const StreamEnds& ends, Queue* queue, bool* write) {
  PeerFrame frame;
  if (!EncodeMessage(std::move(message), ends, &frame).ok()) return SendResult::kInvalid;
  switch (queue->Add(WireBuffer(frame), frame.size())) {
    case Queue::Added::kWrite:
      *write = true;
      return SendResult::kSent;
    case Queue::Added::kQueued:
      return SendResult::kSent;
    case Queue::Added::kFull:
      return SendResult::kFull;
    case Queue::Added::kClosed:
      return SendResult::kClosed;
  }
  return SendResult::kClosed;
}

}  // namespace

// ---- The opener's end ------------------------------------------------------------------------------

OutboundStream::OutboundStream(std::shared_ptr<PeerHub> hub, NodeId peer, Endpoint endpoint)
    : hub_(std::move(hub)), peer_(peer), endpoint_(std::move(endpoint)), queue_(limits::kPeerSendQueueBytesMax) {
  ends_.local = hub_->identity();
}

void OutboundStream::Start(absl::Duration connect_timeout) {
  channel_ = NewChannel(endpoint_, PeerChannelLimits(connect_timeout));
  // A refused connection must fail the stream now, not leave it waiting for a better day.
  context_.set_wait_for_ready(false);
  grpc::GenericStub stub(channel_);
  stub.PrepareBidiStreamingCall(&context_, kPeerExchangeMethod, {}, this);
  AddHold();  // for writes from outside of reactions
  StartRead(&incoming_);
  const PeerFrame hello = EncodeHello({ends_.local, peer_ > kNoNode ? peer_ : kNoNode});
  if (queue_.Add(WireBuffer(hello), hello.size()) == Queue::Added::kWrite) StartWrite(queue_.current()->get());
  StartCall();
}

SendResult OutboundStream::Send(Message message) {
  bool write = false;
  const SendResult result = Enqueue(std::move(message), ends_, &queue_, &write);
  if (write) StartWrite(queue_.current()->get());
  if (result == SendResult::kFull) Cancel();
  return result;
}

void OutboundStream::Cancel() { context_.TryCancel(); }

void OutboundStream::GiveUp() {
  gave_up_.store(true);
  Cancel();
}

void OutboundStream::OnReadDone(bool ok) {
  if (!ok) return Apply(queue_.Close(), false);
  if (!greeted_) {
    if (!AcceptHello()) {
      Cancel();
      return Apply(queue_.Close(), false);
    }
    hub_->OnOutboundUp(this, ends_.remote.self);
  } else {
    hub_->OnMessage(TakeMessage(&incoming_, ends_), ends_, /*inbound=*/nullptr);
  }
  StartRead(&incoming_);
}

bool OutboundStream::AcceptHello() {
  absl::StatusOr<Hello> hello = DecodeHello(TakeString(&incoming_));
  if (!hello.ok()) {
    refusal_ = hello.status();
    return false;
  }
  met_ourselves_ = hello->who.incarnation == ends_.local.incarnation;
  refusal_ = CheckIntroduction(ends_.local, hello->who, kNoNode);
  if (refusal_.ok() && peer_ > kNoNode && hello->who.self.id != peer_) {
    refusal_ = MakeError(Reason::kWrongReplica, Outcome::kNotApplied,
                         absl::StrCat("INVALID_VOTER_KEY: ", endpoint_.Address(), " is node ",
                                      hello->who.self.id.value(), ", not node ", peer_.value()));
  }
  if (!refusal_.ok()) return false;
  ends_.remote = hello->who;
  greeted_ = true;
  return true;
}

void OutboundStream::OnWriteDone(bool ok) {
  bool more_behind = false;
  const Queue::Next next = queue_.Written(ok, &more_behind);
  Apply(next, more_behind);
}

void OutboundStream::Apply(Queue::Next next, bool more_behind) {
  switch (next) {
    case Queue::Next::kWrite:
      StartWrite(queue_.current()->get(), HintFor(more_behind));
      return;
    case Queue::Next::kFinish:
      RemoveHold();
      return;
    case Queue::Next::kIdle:
      return;
  }
}

void OutboundStream::OnDone(const grpc::Status& status) {
  // The hub's reference to this stream, and ours to the hub, may be the last ones.
  const std::shared_ptr<PeerHub> hub = hub_;
  absl::Status why = refusal_;
  if (why.ok() && gave_up_.load()) {
    why = MakeError(Reason::kUnreachable, Outcome::kNotApplied,
                    absl::StrCat("no answer from ", endpoint_.Address(), " within the connect timeout"));
  } else if (why.ok()) {
    why = FromGrpcStatus(status, context_, endpoint_.Address(), "the peer stream");
  }
  hub->OnOutboundDone(this, why);
}

// ---- The server's end ------------------------------------------------------------------------------

InboundStream::InboundStream(std::shared_ptr<PeerHub> hub, grpc::GenericCallbackServerContext* context)
    : hub_(std::move(hub)),
      address_(context->peer()),
      created_(MonotonicNow()),
      queue_(limits::kPeerSendQueueBytesMax),
      context_(context) {
  ends_.local = hub_->identity();
}

void InboundStream::Start() { StartRead(&incoming_); }

SendResult InboundStream::Send(Message message) {
  bool write = false;
  const SendResult result = Enqueue(std::move(message), ends_, &queue_, &write);
  if (write) StartWrite(queue_.current()->get());
  if (result == SendResult::kFull) Cancel();
  return result;
}

void InboundStream::Cancel() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (context_ != nullptr) context_->TryCancel();
}

void InboundStream::Close(const absl::Status& status) {
  final_status_ = status;
  Apply(queue_.Close(), false);
}

void InboundStream::OnReadDone(bool ok) {
  if (!ok) return Close(absl::OkStatus());
  if (!greeted()) {
    if (absl::Status refusal = AcceptHello(); !refusal.ok()) return Close(refusal);
  } else {
    hub_->OnMessage(TakeMessage(&incoming_, ends_), ends_, this);
  }
  StartRead(&incoming_);
}

absl::Status InboundStream::AcceptHello() {
  absl::StatusOr<Hello> hello = DecodeHello(TakeString(&incoming_));
  if (!hello.ok()) return hello.status();
  if (absl::Status s = hub_->OnInboundHello(*hello, address_); !s.ok()) return s;
  ends_.remote = hello->who;
  greeted_.store(true, std::memory_order_release);
  const PeerFrame answer = EncodeHello({ends_.local, kNoNode});
  if (queue_.Add(WireBuffer(answer), answer.size()) == Queue::Added::kWrite) StartWrite(queue_.current()->get());
  return absl::OkStatus();
}

void InboundStream::OnWriteDone(bool ok) {
  bool more_behind = false;
  const Queue::Next next = queue_.Written(ok, &more_behind);
  Apply(next, more_behind);
}

void InboundStream::Apply(Queue::Next next, bool more_behind) {
  switch (next) {
    case Queue::Next::kWrite:
      StartWrite(queue_.current()->get(), HintFor(more_behind));
      return;
    case Queue::Next::kFinish: {
      grpc::Status status;
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        status = ToGrpcStatus(final_status_, context_);
      }
      Finish(status);
      return;
    }
    case Queue::Next::kIdle:
      return;
  }
}

void InboundStream::OnDone() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    context_ = nullptr;
  }
  const std::shared_ptr<PeerHub> hub = hub_;
  hub->OnInboundDone(this);
}

}  // namespace quorate::transport
