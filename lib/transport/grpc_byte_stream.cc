#include "transport/grpc_byte_stream.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/client_callback.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "quorate/limits.h"
#include "transport/grpc_bytes.h"
#include "transport/grpc_channel.h"
#include "transport/grpc_listener.h"
#include "transport/grpc_status.h"

namespace quorate::transport {
namespace {

// What was read, taken out of gRPC's buffer: in place if it came in one piece, which it does but for large ones.
class Taken {
 public:
  explicit Taken(grpc::ByteBuffer* buffer) {
    if (buffer->TrySingleSlice(&slice_).ok()) {
      buffer->Clear();
      view_ = {reinterpret_cast<const char*>(slice_.begin()), slice_.size()};
    } else {
      text_ = TakeString(buffer);
      view_ = text_;
    }
  }
  [[nodiscard]] absl::string_view view() const { return view_; }

 private:
  grpc::Slice slice_;
  std::string text_;
  absl::string_view view_;
};

}  // namespace

// ---- The server's end ------------------------------------------------------------------------------

ServedByteStream::ServedByteStream(grpc::GenericCallbackServerContext* context, const ByteStreamFactory& factory)
    : context_(context) {
  absl::StatusOr<std::shared_ptr<ByteStreamHandler>> handler = factory(this);
  if (!handler.ok()) {
    Finish(ToGrpcStatus(handler.status(), context_));
    return;
  }
  handler_ = *std::move(handler);
  StartRead(&incoming_);
}

bool ServedByteStream::Write(std::string message) {
  outgoing_ = ToByteBuffer(std::move(message));
  StartWrite(&outgoing_);
  return true;
}

void ServedByteStream::End(const absl::Status& status) { Finish(ToGrpcStatus(status, context_)); }

void ServedByteStream::OnReadDone(bool ok) {
  if (!ok) return handler_->OnReadsEnded();
  handler_->OnMessage(Taken(&incoming_).view());
}

void ServedByteStream::OnWriteDone(bool ok) { handler_->OnWritten(ok); }

void ServedByteStream::OnDone() {
  if (handler_ != nullptr) handler_->OnEnd(absl::OkStatus());
  delete this;
}

void HandleStream(GrpcListener* listener, std::string method, ByteStreamFactory factory) {
  // GrpcListener::Create is the only maker of listeners, so this is what it is.
  static_cast<GrpcListenerImpl*>(listener)->HandleStream(std::move(method), std::move(factory));
}

// ---- The client's end ------------------------------------------------------------------------------

namespace {

class StreamClient;

// Reading is the only place that notices the end; a write that is under way then is waited for, and none begins after
// it. gRPC's last callback comes when the hold, which stands for those writes, is removed. So once it is cancelled, the
// stream reads on by itself, whether its handler asks or not, and shows nothing any more.
class OpenedByteStream final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>, private ByteStream {
 public:
  OpenedByteStream(StreamClient* owner, const Endpoint& to, absl::string_view method, const ByteStreamFactory& factory)
      : owner_(owner), address_(to.Address()), method_(method), handler_(*factory(this)) {}

  void Start(const Endpoint& to, absl::Duration connect_timeout) {
    channel_ = NewChannel(to, {limits::kRpcMessageBytesMax, limits::kRpcMessageBytesMax, connect_timeout});
    // A refused connection must fail the stream now, not leave it waiting for a better day.
    context_.set_wait_for_ready(false);
    grpc::GenericStub stub(channel_);
    stub.PrepareBidiStreamingCall(&context_, method_, {}, this);
    AddHold();
    StartRead(&incoming_);
    StartCall();
  }
  void Cancel() override {
    bool read = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      cancelled_ = true;
      read = !reading_ && !ended_;
      reading_ = true;
    }
    context_.TryCancel();
    if (read) StartRead(&incoming_);
  }

 private:
  void Read() override {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (reading_ || ended_) return;
      reading_ = true;
    }
    StartRead(&incoming_);
  }
  bool Write(std::string message) override {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (ended_) return false;
      writing_ = true;
    }
    outgoing_ = ToByteBuffer(std::move(message));
    StartWrite(&outgoing_);
    return true;
  }
  void End(const absl::Status&) override { Cancel(); }

  void OnReadDone(bool ok) override {
    if (ok) {
      const Taken message(&incoming_);
      bool cancelled = false;
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        cancelled = cancelled_;
        reading_ = cancelled;
      }
      return cancelled ? StartRead(&incoming_) : handler_->OnMessage(message.view());
    }
    handler_->OnReadsEnded();
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ended_ = true;
      if (writing_) return;
    }
    RemoveHold();
  }
  void OnWriteDone(bool ok) override {
    bool last = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      writing_ = false;
      last = ended_;
    }
    handler_->OnWritten(ok);
    if (last) RemoveHold();
  }
  void OnDone(const grpc::Status& status) override;

  StreamClient* const owner_;
  const std::string address_;
  const std::string method_;
  std::shared_ptr<grpc::Channel> channel_;
  grpc::ClientContext context_;
  grpc::ByteBuffer incoming_;
  grpc::ByteBuffer outgoing_;
  std::mutex mutex_;
  bool reading_ = true;     // guarded by mutex_
  bool writing_ = false;    // guarded by mutex_
  bool cancelled_ = false;  // guarded by mutex_
  bool ended_ = false;      // guarded by mutex_
  std::shared_ptr<ByteStreamHandler> handler_;
};

class StreamClient final : public ByteStreamClient {
 public:
  explicit StreamClient(Executor* executor) : executor_(executor), graves_(std::make_shared<Graves>()) {}

  ~StreamClient() override {
    std::unique_lock<std::mutex> lock(mutex_);
    for (const auto& [raw, stream] : live_) stream->Cancel();
    changed_.wait(lock, [this] { return live_.empty(); });
    lock.unlock();
    graves_->Bury();
  }

  void Open(const Endpoint& to, absl::string_view method, absl::Duration connect_timeout,
            const ByteStreamFactory& factory) override {
    auto stream = std::make_shared<OpenedByteStream>(this, to, method, factory);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      live_.emplace(stream.get(), stream);
    }
    stream->Start(to, connect_timeout);
  }

  // On one of gRPC's threads: its channel can't be destroyed here (lib/transport/grpc_channel.h).
  void OnDone(OpenedByteStream* stream) {
    // The client may be gone as soon as the last stream left it; what is left to do touches it no more.
    const std::shared_ptr<Graves> graves = graves_;
    Executor* const executor = executor_;
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = live_.find(stream);
    graves->Add(std::move(found->second));
    executor->Post([graves] { graves->Bury(); });
    live_.erase(found);
    changed_.notify_all();
  }

 private:
  class Graves {
   public:
    void Add(std::shared_ptr<OpenedByteStream> stream) {
      const std::lock_guard<std::mutex> lock(mutex_);
      streams_.push_back(std::move(stream));
    }
    void Bury() {
      std::vector<std::shared_ptr<OpenedByteStream>> streams;
      const std::lock_guard<std::mutex> lock(mutex_);
      streams.swap(streams_);
    }

   private:
    std::mutex mutex_;
    std::vector<std::shared_ptr<OpenedByteStream>> streams_;  // guarded by mutex_
  };

  Executor* const executor_;
  const std::shared_ptr<Graves> graves_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<OpenedByteStream*, std::shared_ptr<OpenedByteStream>> live_;  // guarded by mutex_
};

void OpenedByteStream::OnDone(const grpc::Status& status) {
  handler_->OnEnd(FromGrpcStatus(status, context_, address_, method_));
  handler_ = nullptr;
  owner_->OnDone(this);
}

}  // namespace

std::unique_ptr<ByteStreamClient> NewGrpcByteStreamClient(Executor* executor) {
  return std::make_unique<StreamClient>(executor);
}

}  // namespace quorate::transport
