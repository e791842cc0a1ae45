#include "transport/grpc_listener.h"

#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "transport/grpc_byte_stream.h"
#include "transport/grpc_bytes.h"
#include "transport/grpc_settings.h"
#include "transport/monotonic.h"
#include "transport/peer_stream.h"

namespace quorate {

absl::StatusOr<std::unique_ptr<GrpcListener>> GrpcListener::Create(GrpcListenerOptions options) {
  auto listener = std::make_unique<transport::GrpcListenerImpl>(std::move(options));
  if (absl::Status s = listener->Bind(); !s.ok()) return s;
  return std::unique_ptr<GrpcListener>(std::move(listener));
}

namespace transport {
namespace {

constexpr absl::Duration kConnectionIdleMax = absl::Minutes(10);

int Millis(absl::Duration d) { return static_cast<int>(absl::ToInt64Milliseconds(d)); }

// Connections must leave descriptors for the log, snapshots and our own calls.
int CapByDescriptors(int wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return wanted;
  return std::max(1, std::min(wanted, static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 1u << 30) / 2)));
}

}  // namespace

// The methods that somebody handles, registered by their names. What protoc's plugin generates does the same; here the
// messages are bytes.
class GrpcListenerImpl::UnaryMethods final : public grpc::Service {
 public:
  explicit UnaryMethods(GrpcListenerImpl* listener) {
    int index = 0;
    for (const auto& [method, handler] : listener->handlers_) {
      // gRPC keeps the pointer; the table doesn't change any more.
      AddMethod(new grpc::internal::RpcServiceMethod(method.c_str(), grpc::internal::RpcMethod::NORMAL_RPC, nullptr));
      const absl::string_view name = method;
      RpcHandler* const raw = handler.get();
      MarkMethodRawCallback(
          index++, new grpc::internal::CallbackUnaryHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
                       [listener, name, raw](grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                             grpc::ByteBuffer* response) {
                         return listener->NewCall(context, request, response, name, raw);
                       }));
    }
  }
};

GrpcListenerImpl::GrpcListenerImpl(GrpcListenerOptions options) : options_(std::move(options)) {
  if (options_.log_sink == nullptr) options_.log_sink = NullLogSink();
}

GrpcListenerImpl::~GrpcListenerImpl() { Stop(absl::ZeroDuration()); }

absl::Status GrpcListenerImpl::Bind() {
  AcceptLoopOptions loop;
  loop.bind = options_.bind;
  loop.connections_max = CapByDescriptors(options_.connections_max);
  loop.connections_per_address_max = options_.connections_per_address_max;
  loop.handshake_timeout = options_.handshake_timeout;
  loop.on_http2 = [this](AcceptedConnection connection) { HandOver(std::move(connection)); };
  loop.on_tick = [this] { watch_.EndOverdue(MonotonicNow()); };
  loop.log_sink = options_.log_sink;
  absl::StatusOr<std::unique_ptr<AcceptLoop>> created = AcceptLoop::Create(std::move(loop));
  if (!created.ok()) return created.status();
  loop_ = *std::move(created);
  return absl::OkStatus();
}

void GrpcListenerImpl::Handle(std::string method, RpcHandler handler) {
  handlers_[std::move(method)] = std::make_unique<RpcHandler>(std::move(handler));
}

void GrpcListenerImpl::HandleStream(std::string method, ByteStreamFactory factory) {
  streams_[std::move(method)] = std::move(factory);
}

void GrpcListenerImpl::ServePeers(std::shared_ptr<PeerHub> hub) { hub_ = std::move(hub); }

void GrpcListenerImpl::Configure(grpc::ServerBuilder* builder) {
  builder->RegisterCallbackGenericService(this);
  const size_t message_max = std::max(limits::kPeerMessageBytesMax, limits::kRpcMessageBytesMax);
  builder->SetMaxReceiveMessageSize(static_cast<int>(message_max));
  builder->SetMaxSendMessageSize(static_cast<int>(message_max));
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kConcurrentStreamsMax);
  builder->AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, static_cast<int>(limits::kRpcMetadataBytesMax));
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, Millis(options_.handshake_timeout));
  builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, Millis(kConnectionIdleMax));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Millis(kServerKeepaliveTime));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Millis(kServerKeepaliveTimeout));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, Millis(kServerPingIntervalMin));
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, kServerPingStrikesMax);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kStreamWindowBytes);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, kHttp2FrameBytesMax);
  // The port is bound by the accept loop; this is for whoever adds a port of gRPC's own.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder->AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  grpc::ResourceQuota quota("quorate-listener");
  quota.Resize(kServerMemoryBytesMax);
  quota.SetMaxThreads(kServerThreadsMax);
  builder->SetResourceQuota(quota);
  acceptor_ = builder->experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, grpc::InsecureServerCredentials());
}

absl::Status GrpcListenerImpl::Start() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (started_ || stopping_) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, "the listener was started or stopped before");
  }
  grpc::ServerBuilder builder;
  Configure(&builder);
  methods_ = std::make_unique<UnaryMethods>(this);
  if (!handlers_.empty()) builder.RegisterService(methods_.get());
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) return absl::InternalError("gRPC refused to build the server; its own log says why");
  started_ = true;
  loop_->Start();
  return absl::OkStatus();
}

void GrpcListenerImpl::HandOver(AcceptedConnection connection) {
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
  parameters.fd = connection.fd;
  parameters.read_buffer = ToByteBuffer(std::move(connection.first_bytes));
  acceptor_->HandleNewConnection(&parameters);
}

void GrpcListenerImpl::Stop(absl::Duration grace) {
  bool running = false;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    if (std::exchange(stopping_, true)) {
      stop_ended_.wait(lock, [this] { return stopped_; });
      return;
    }
    running = started_;
  }
  if (loop_ != nullptr) loop_->Stop();
  refusing_.store(true);
  if (running) {
    // Peer streams never end by themselves; waiting for them would only use up the grace.
    if (hub_ != nullptr) hub_->CancelInbound();
    server_->Shutdown(std::chrono::system_clock::now() +
                      absl::ToChronoNanoseconds(std::clamp(grace, absl::ZeroDuration(), absl::Hours(1))));
    server_->Wait();
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  stopped_ = true;
  stop_ended_.notify_all();
}

GrpcListener::Counters GrpcListenerImpl::counters() const {
  const AcceptLoop::Counters c = loop_->counters();
  return {c.accepted,           c.handed_over,     c.refused_cap, c.refused_protocol,
          c.handshake_timeouts, c.accept_failures, c.live};
}

grpc::ServerGenericBidiReactor* GrpcListenerImpl::CreateReactor(grpc::GenericCallbackServerContext* context) {
  if (refusing_.load()) {
    return new RefusedCall(context, MakeError(Reason::kShuttingDown, Outcome::kNotApplied, "this node is stopping"));
  }
  if (context->method() == kPeerExchangeMethod && hub_ != nullptr) {
    if (InboundStream* stream = hub_->NewInbound(context); stream != nullptr) return stream;
    return new RefusedCall(context, MakeError(Reason::kShuttingDown, Outcome::kNotApplied,
                                              "this node doesn't take peers now: it starts, stops or has too many"));
  }
  if (auto stream = streams_.find(context->method()); stream != streams_.end()) {
    return new ServedByteStream(context, stream->second);
  }
  constexpr size_t kShownBytesMax = 200;
  return new RefusedCall(
      context, absl::UnimplementedError(absl::StrCat("this port doesn't serve ",
                                                     absl::CHexEscape(context->method().substr(0, kShownBytesMax)))));
}

grpc::ServerUnaryReactor* GrpcListenerImpl::NewCall(grpc::CallbackServerContext* context,
                                                    const grpc::ByteBuffer* request, grpc::ByteBuffer* response,
                                                    absl::string_view method, RpcHandler* handler) {
  auto* const call = new UnaryCall(context, request, response, method, options_.call_timeout_max, &watch_);
  if (refusing_.load()) {
    call->Refuse(MakeError(Reason::kShuttingDown, Outcome::kNotApplied, "this node is stopping"));
  } else {
    call->Begin(handler);
  }
  return call;
}

}  // namespace transport
}  // namespace quorate
