// The heart of the gRPC transport: which peers we keep a stream to, which streams lead to us, and where a message
// goes. One mutex guards the tables; it is held for look-ups only, never while encoding, writing or calling the
// handler.
//
// Outbound links are a small state machine each, stepped by one thread ("quorate-dial"):
//
//   waiting --(time to try)--> dialing --(hello answered)--> up --(stream ends)--> reported --> waiting
//
// Each attempt makes a new channel, hence a new connection without inherited backoff, and the old one is destroyed
// on this thread, where it is safe (lib/transport/grpc_channel.h). The first attempt after the loss of a stream that
// had stood for a while is made at once; later ones back off up to the cap. A hello that arrives from a peer is
// proof that it lives, so a link that waits for that peer tries at once: two nodes find each other again within
// milliseconds after one of them came back, whatever the backoff.
//
// Reports to the handler are in order per link: the next attempt isn't scheduled before the loss was reported.
//
// Thread-safe, except that Start is called once, before anything else, and Stop not from a handler.
#ifndef QUORATE_LIB_TRANSPORT_PEER_HUB_H_
#define QUORATE_LIB_TRANSPORT_PEER_HUB_H_

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "quorate/transport.h"
#include "quorate/transport_adapters.h"
#include "transport/log_throttle.h"
#include "transport/peer_codec.h"

namespace grpc {
class GenericCallbackServerContext;
}  // namespace grpc

namespace quorate::transport {

class InboundStream;
class OutboundStream;

class PeerHub : public std::enable_shared_from_this<PeerHub> {
 public:
  explicit PeerHub(GrpcTransportOptions options);
  ~PeerHub();

  absl::Status Start(const TransportIdentity& identity, PeerHandler* handler);
  void SetPeer(NodeId peer, const Endpoint& endpoint);
  void ForgetPeer(NodeId peer);
  void Send(Message message);
  void Stop();
  [[nodiscard]] GrpcTransport::Counters counters() const;

  // -- For the listener --
  // The reactor of a new peer stream; null when there is nobody to serve it (not started, stopping, too many).
  InboundStream* NewInbound(grpc::GenericCallbackServerContext* context);
  // Ends the streams that lead to us; the listener stops.
  void CancelInbound();

  // -- For the streams --
  // Immutable after Start.
  [[nodiscard]] const TransportIdentity& identity() const { return identity_; }
  void OnOutboundUp(OutboundStream* stream, const ReplicaKey& remote);
  void OnOutboundDone(OutboundStream* stream, const absl::Status& why);
  absl::Status OnInboundHello(const Hello& hello, const std::string& address);
  void OnInboundDone(InboundStream* stream);
  // A message arrived, or something that isn't one; `inbound` is the stream that leads to us, or null for one that we
  // opened.
  void OnMessage(absl::StatusOr<Message> message, const StreamEnds& ends, InboundStream* inbound);

 private:
  struct Link {
    Endpoint endpoint;
    std::shared_ptr<OutboundStream> stream;  // null while waiting
    bool up = false;
    bool loss_reported = false;
    Instant next_attempt;
    Instant attempt_deadline;  // while dialing
    Instant up_since;
    absl::Duration backoff;
    uint32_t attempts = 0;
  };

  void DialLoop();
  // What is due now; returns when to look again. With mutex_ held.
  Instant CollectWork(Instant now, std::vector<std::shared_ptr<OutboundStream>>* dial,
                      std::vector<std::shared_ptr<OutboundStream>>* give_up,
                      std::vector<std::shared_ptr<InboundStream>>* hang_up);
  absl::Duration NextDelay(Link* link, const absl::Status& why, bool was_up, bool met_ourselves, Instant now);
  // The next four: with mutex_ held.
  Link* FindLink(const OutboundStream* stream);
  void Wake() {
    dirty_ = true;
    wake_.notify_one();
  }
  [[nodiscard]] bool HasNoStreams() const { return outbound_.empty() && inbound_.empty(); }
  // After a stream left outbound_ or inbound_.
  void NoteStreamGone() {
    if (HasNoStreams()) all_gone_.notify_all();
  }
  std::shared_ptr<InboundStream> ReturnPathTo(const ReplicaKey& replica);
  void ClaimReturnPath(InboundStream* stream);
  void LogThrottled(LogLevel level, const std::string& key, absl::string_view line);

  const GrpcTransportOptions options_;
  TransportIdentity identity_;
  PeerHandler* handler_ = nullptr;  // set by Start, before any stream
  LogThrottle throttle_;
  std::thread dialer_;

  mutable std::mutex mutex_;          // guards all below, but the counters
  std::condition_variable wake_;      // dirty_ was set; the dialer waits
  std::condition_variable all_gone_;  // HasNoStreams became true; Stop waits
  bool started_ = false;
  bool stopping_ = false;
  bool dirty_ = false;
  std::map<NodeId, Link> links_;
  // Streams between creation and OnDone; Stop waits until both are empty.
  absl::flat_hash_map<const OutboundStream*, std::shared_ptr<OutboundStream>> outbound_;
  absl::flat_hash_map<const InboundStream*, std::shared_ptr<InboundStream>> inbound_;
  std::map<ReplicaKey, std::shared_ptr<InboundStream>> return_paths_;
  // Ended, with channels that must not be destroyed on gRPC's threads.
  std::vector<std::shared_ptr<OutboundStream>> graveyard_;

  std::atomic<uint64_t> sent_{0};
  std::atomic<uint64_t> received_{0};
  std::atomic<uint64_t> connects_{0};
  std::atomic<uint64_t> disconnects_{0};
  std::atomic<uint64_t> dropped_no_path_{0};
  std::atomic<uint64_t> dropped_invalid_{0};
  std::atomic<uint64_t> cut_slow_readers_{0};
  std::atomic<uint64_t> refused_hellos_{0};
  std::atomic<uint64_t> refused_malformed_{0};
  std::atomic<uint64_t> refused_address_{0};
};

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_PEER_HUB_H_
