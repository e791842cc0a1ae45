// The links that we open: when to dial, how long to wait, what to report.
#include <algorithm>
#include <mutex>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "quorate/status.h"
#include "transport/monotonic.h"
#include "transport/peer_hub.h"
#include "transport/peer_stream.h"

namespace quorate::transport {
namespace {

// A refusal isn't cured by asking again soon; an operator has to act.
constexpr absl::Duration kRefusalBackoff = absl::Seconds(2);
// A bootstrap list usually names the node itself, too; that is no mistake, and won't change.
constexpr absl::Duration kOurselvesBackoff = absl::Seconds(30);
// A stream that stood this long was a good one: its loss is worth an attempt at once.
constexpr absl::Duration kProvenAfter = absl::Milliseconds(100);

// Spreads attempts of several nodes without asking for randomness: a share of 80 to 120 %.
double Spread(NodeId a, NodeId b, uint32_t attempt) {
  uint32_t mix =
      static_cast<uint32_t>(a.value()) * 2654435761u ^ static_cast<uint32_t>(b.value()) * 40503u ^ attempt * 97u;
  mix ^= mix >> 15;
  return 0.8 + 0.4 * static_cast<double>(mix % 1024) / 1024.0;
}

bool IsRefusal(const absl::Status& status) {
  const Reason reason = ReasonOf(status);
  return reason == Reason::kWrongCluster || reason == Reason::kWrongReplica || reason == Reason::kInvalidArgument;
}

}  // namespace

void PeerHub::DialLoop() {
  while (true) {
    std::vector<std::shared_ptr<OutboundStream>> dial, give_up, dead;
    std::vector<std::shared_ptr<InboundStream>> hang_up;
    Instant wake;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (stopping_) return;
      dirty_ = false;
      wake = CollectWork(MonotonicNow(), &dial, &give_up, &hang_up);
      dead.swap(graveyard_);
    }
    dead.clear();
    for (const auto& stream : dial) stream->Start(options_.connect_timeout);
    for (const auto& stream : give_up) stream->GiveUp();
    for (const auto& stream : hang_up) stream->Cancel();

    std::unique_lock<std::mutex> lock(mutex_);
    const auto is_dirty = [this] { return dirty_; };
    if (wake.is_infinite()) {
      wake_.wait(lock, is_dirty);
    } else {
      wake_.wait_until(lock, ToTimePoint(wake), is_dirty);
    }
  }
}

Instant PeerHub::CollectWork(Instant now, std::vector<std::shared_ptr<OutboundStream>>* dial,
                             std::vector<std::shared_ptr<OutboundStream>>* give_up,
                             std::vector<std::shared_ptr<InboundStream>>* hang_up) {
  Instant wake = Instant::Infinite();
  for (auto& [id, link] : links_) {
    if (link.stream == nullptr) {
      if (link.next_attempt > now) {
        wake = std::min(wake, link.next_attempt);
        continue;
      }
      link.stream = std::make_shared<OutboundStream>(shared_from_this(), id, link.endpoint);
      link.attempt_deadline = now + options_.connect_timeout;
      ++link.attempts;
      outbound_[link.stream.get()] = link.stream;
      dial->push_back(link.stream);
    }
    if (link.up) continue;
    if (link.attempt_deadline <= now) {
      give_up->push_back(link.stream);
      link.attempt_deadline = Instant::Infinite();
    }
    wake = std::min(wake, link.attempt_deadline);
  }
  // A stream that never introduces itself must not stay for ever (F-X03).
  for (const auto& [raw, stream] : inbound_) {
    if (stream->greeted()) continue;
    const Instant deadline = stream->created() + options_.connect_timeout;
    if (deadline <= now) {
      hang_up->push_back(stream);
    } else {
      wake = std::min(wake, deadline);
    }
  }
  return wake;
}

absl::Duration PeerHub::NextDelay(Link* link, const absl::Status& why, bool was_up, bool met_ourselves, Instant now) {
  if (was_up && now - link->up_since >= kProvenAfter) {
    link->backoff = options_.reconnect_backoff_min;
    return absl::ZeroDuration();
  }
  absl::Duration delay = link->backoff;
  if (IsRefusal(why)) delay = std::max(delay, kRefusalBackoff);
  if (met_ourselves) delay = std::max(delay, kOurselvesBackoff);
  link->backoff = std::min(link->backoff * 2, options_.reconnect_backoff_max);
  return delay;
}

PeerHub::Link* PeerHub::FindLink(const OutboundStream* stream) {
  auto it = links_.find(stream->peer());
  return it != links_.end() && it->second.stream.get() == stream ? &it->second : nullptr;
}

void PeerHub::OnOutboundUp(OutboundStream* stream, const ReplicaKey& remote) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    Link* link = FindLink(stream);
    if (link == nullptr || stopping_) return;
    link->up = true;
    link->up_since = MonotonicNow();
    link->loss_reported = false;
  }
  connects_.fetch_add(1, std::memory_order_relaxed);
  if (options_.log_sink->Enabled(LogLevel::kInfo)) {
    options_.log_sink->Write(LogLevel::kInfo, "transport",
                             absl::StrCat("event=peer_connected peer=", stream->peer().value(),
                                          " address=", stream->endpoint().Address(), " replica=", remote.ToString()));
  }
  handler_->OnPeerConnected(stream->peer());
}

void PeerHub::OnOutboundDone(OutboundStream* stream, const absl::Status& why) {
  const NodeId peer = stream->peer();
  bool report = false;
  bool was_up = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    Link* link = FindLink(stream);
    if (link != nullptr && !stopping_) {
      was_up = std::exchange(link->up, false);
      report = !std::exchange(link->loss_reported, true);
      link->attempt_deadline = Instant::Infinite();
    }
  }
  if (report) {
    disconnects_.fetch_add(1, std::memory_order_relaxed);
    handler_->OnPeerDisconnected(peer);
  }
  const bool met_ourselves = peer < kNoNode && stream->met_ourselves();
  if (!met_ourselves && (report || IsRefusal(why))) {
    const std::string line =
        absl::StrCat("event=", was_up ? "peer_disconnected" : "peer_unreachable", " peer=", peer.value(),
                     " address=", stream->endpoint().Address(), " reason=\"", absl::CHexEscape(why.message()), "\"");
    LogThrottled(LogLevel::kWarning, absl::StrCat("out ", peer.value(), " ", was_up, IsRefusal(why)), line);
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  if (Link* link = FindLink(stream); link != nullptr) {
    const Instant now = MonotonicNow();
    const bool moved = link->endpoint.Address() != stream->endpoint().Address();
    const absl::Duration delay = moved ? absl::ZeroDuration() : NextDelay(link, why, was_up, met_ourselves, now);
    link->next_attempt = now + delay * Spread(identity_.self.id, peer, link->attempts);
    link->stream = nullptr;
  }
  auto it = outbound_.find(stream);
  graveyard_.push_back(std::move(it->second));
  outbound_.erase(it);
  NoteStreamGone();
  Wake();
}

}  // namespace quorate::transport
