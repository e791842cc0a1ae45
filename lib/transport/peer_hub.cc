#include "transport/peer_hub.h"

#include <pthread.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "transport/admission.h"
#include "transport/monotonic.h"
#include "transport/peer_stream.h"

namespace quorate::transport {
namespace {

constexpr absl::Duration kLogInterval = absl::Minutes(1);
constexpr size_t kInboundStreamsMax = limits::kObserversMax + limits::kVotersMax;

}  // namespace

PeerHub::PeerHub(GrpcTransportOptions options) : options_(std::move(options)), throttle_(kLogInterval) {}

PeerHub::~PeerHub() { Stop(); }

absl::Status PeerHub::Start(const TransportIdentity& identity, PeerHandler* handler) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (started_) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, "the transport was started before");
  }
  identity_ = identity;
  handler_ = handler;
  started_ = true;
  const Instant now = MonotonicNow();
  for (auto& [id, link] : links_) link.next_attempt = now;
  dialer_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "quorate-dial");
    DialLoop();
  });
  return absl::OkStatus();
}

void PeerHub::SetPeer(NodeId peer, const Endpoint& endpoint) {
  std::shared_ptr<OutboundStream> old;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto [it, inserted] = links_.try_emplace(peer);
    Link& link = it->second;
    if (!inserted && link.endpoint.Address() == endpoint.Address()) return;
    link.endpoint = endpoint;
    link.backoff = options_.reconnect_backoff_min;
    link.next_attempt = MonotonicNow();
    link.loss_reported = false;
    old = link.stream;  // its end schedules the next attempt
    Wake();
  }
  if (old != nullptr) old->Cancel();
}

void PeerHub::ForgetPeer(NodeId peer) {
  std::shared_ptr<OutboundStream> old;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto it = links_.find(peer);
    if (it == links_.end()) return;
    old = std::move(it->second.stream);
    links_.erase(it);
  }
  if (old != nullptr) old->Cancel();
}

void PeerHub::Send(Message message) {
  SendResult result = SendResult::kClosed;
  if (message.IsResponse()) {
    if (const std::shared_ptr<InboundStream> stream = ReturnPathTo(message.to); stream != nullptr) {
      result = stream->Send(std::move(message));
    }
  } else {
    std::shared_ptr<OutboundStream> stream;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      auto it = links_.find(message.to.id);
      if (it != links_.end() && it->second.up) stream = it->second.stream;
    }
    if (stream != nullptr) result = stream->Send(std::move(message));
  }
  switch (result) {
    case SendResult::kSent:
      sent_.fetch_add(1, std::memory_order_relaxed);
      return;
    case SendResult::kClosed:
      dropped_no_path_.fetch_add(1, std::memory_order_relaxed);
      return;
    case SendResult::kInvalid:
      dropped_invalid_.fetch_add(1, std::memory_order_relaxed);
      LogThrottled(LogLevel::kError, "invalid",
                   "event=send_refused reason=message_out_of_bounds_or_of_another_identity");
      return;
    case SendResult::kFull:
      cut_slow_readers_.fetch_add(1, std::memory_order_relaxed);
      LogThrottled(LogLevel::kWarning, "full",
                   absl::StrCat("event=stream_cut reason=send_queue_full limit=", limits::kPeerSendQueueBytesMax));
      return;
  }
}

void PeerHub::Stop() {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    if (std::exchange(stopping_, true)) {
      // A second caller returns when the first one's work is done, too.
      all_gone_.wait(lock, [this] { return HasNoStreams(); });
      return;
    }
    Wake();
  }
  // After this nobody opens streams any more.
  if (dialer_.joinable()) dialer_.join();
  std::vector<std::shared_ptr<OutboundStream>> outbound;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [raw, stream] : outbound_) outbound.push_back(stream);
  }
  for (const auto& stream : outbound) stream->Cancel();
  CancelInbound();
  std::vector<std::shared_ptr<OutboundStream>> graveyard;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    all_gone_.wait(lock, [this] { return HasNoStreams(); });
    links_.clear();
    graveyard.swap(graveyard_);
  }
}

GrpcTransport::Counters PeerHub::counters() const {
  GrpcTransport::Counters out;
  out.sent = sent_.load();
  out.received = received_.load();
  out.connects = connects_.load();
  out.disconnects = disconnects_.load();
  out.dropped_no_path = dropped_no_path_.load();
  out.dropped_invalid = dropped_invalid_.load();
  out.cut_slow_readers = cut_slow_readers_.load();
  out.refused_hellos = refused_hellos_.load();
  out.refused_malformed = refused_malformed_.load();
  out.refused_address = refused_address_.load();
  return out;
}

// ---- Streams that lead to us -----------------------------------------------------------------------

InboundStream* PeerHub::NewInbound(grpc::GenericCallbackServerContext* context) {
  std::shared_ptr<InboundStream> stream;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!started_ || stopping_ || inbound_.size() >= kInboundStreamsMax) return nullptr;
    stream = std::make_shared<InboundStream>(shared_from_this(), context);
    inbound_[stream.get()] = stream;
    Wake();  // it has a deadline for its hello
  }
  stream->Start();
  return stream.get();
}

void PeerHub::CancelInbound() {
  std::vector<std::shared_ptr<InboundStream>> streams;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [raw, stream] : inbound_) streams.push_back(stream);
  }
  for (const auto& stream : streams) stream->Cancel();
}

absl::Status PeerHub::OnInboundHello(const Hello& hello, const std::string& address) {
  // Our own bootstrap link came home. It finds that out by the answer, and leaves; nothing to refuse or to log.
  if (hello.who.incarnation == identity_.incarnation) return absl::OkStatus();
  if (absl::Status refusal = CheckIntroduction(identity_, hello.who, hello.intended); !refusal.ok()) {
    refused_hellos_.fetch_add(1, std::memory_order_relaxed);
    LogThrottled(LogLevel::kWarning, absl::StrCat("in ", hello.who.self.id.value()),
                 absl::StrCat("event=peer_refused peer=", hello.who.self.id.value(), " address=", address, " reason=\"",
                              refusal.message(), "\""));
    return refusal;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  auto it = links_.find(hello.who.self.id);
  if (it != links_.end() && it->second.stream == nullptr) {
    it->second.next_attempt = MonotonicNow();
    it->second.backoff = options_.reconnect_backoff_min;
    Wake();
  }
  return absl::OkStatus();
}

void PeerHub::OnInboundDone(InboundStream* stream) {
  std::shared_ptr<InboundStream> last;  // destroyed outside the lock
  const std::lock_guard<std::mutex> lock(mutex_);
  auto path = return_paths_.find(stream->remote());
  if (path != return_paths_.end() && path->second.get() == stream) return_paths_.erase(path);
  auto it = inbound_.find(stream);
  last = std::move(it->second);
  inbound_.erase(it);
  NoteStreamGone();
}

std::shared_ptr<InboundStream> PeerHub::ReturnPathTo(const ReplicaKey& replica) {
  const std::lock_guard<std::mutex> lock(mutex_);
  // The zero directory sorts first, so for an addressee without one this finds any replica of that node.
  auto it = return_paths_.lower_bound(replica);
  return it != return_paths_.end() && it->first.Matches(replica) ? it->second : nullptr;
}

void PeerHub::ClaimReturnPath(InboundStream* stream) {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto it = inbound_.find(stream);
  if (it == inbound_.end()) return;
  std::shared_ptr<InboundStream>& path = return_paths_[stream->remote()];
  if (path != nullptr) path->is_return_path.store(false, std::memory_order_relaxed);
  path = it->second;
  stream->is_return_path.store(true, std::memory_order_relaxed);
}

void PeerHub::OnMessage(absl::StatusOr<Message> message, const StreamEnds& ends, InboundStream* inbound) {
  if (!message.ok()) {
    refused_malformed_.fetch_add(1, std::memory_order_relaxed);
    LogThrottled(LogLevel::kWarning, absl::StrCat("malformed ", ends.remote.self.id.value()),
                 absl::StrCat("event=message_dropped peer=", ends.remote.self.ToString(), " reason=\"",
                              message.status().message(), "\""));
    return;
  }
  // Requests come in on streams that lead to us, responses on those that we opened.
  if (CheckAddress(identity_, *message) != Refusal::kNone || message->IsResponse() != (inbound == nullptr)) {
    refused_address_.fetch_add(1, std::memory_order_relaxed);
    LogThrottled(LogLevel::kWarning, absl::StrCat("address ", ends.remote.self.id.value()),
                 absl::StrCat("event=message_dropped peer=", ends.remote.self.ToString(), " type=", message->TypeName(),
                              " to=", message->to.ToString(), " reason=not_for_us"));
    return;
  }
  if (inbound != nullptr && !inbound->is_return_path.load(std::memory_order_relaxed)) ClaimReturnPath(inbound);
  received_.fetch_add(1, std::memory_order_relaxed);
  handler_->OnMessage(*std::move(message));
}

void PeerHub::LogThrottled(LogLevel level, const std::string& key, absl::string_view line) {
  if (options_.log_sink->Enabled(level) && throttle_.Allow(key, MonotonicNow())) {
    options_.log_sink->Write(level, "transport", line);
  }
}

}  // namespace quorate::transport
