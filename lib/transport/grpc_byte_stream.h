// The server's end of a stream of byte messages, as a gRPC reactor. The handler ends it, always; so gRPC's last
// callback can't come while the handler still uses it.
//
// Only the gRPC adapter's own files include this.
#ifndef QUORATE_LIB_TRANSPORT_GRPC_BYTE_STREAM_H_
#define QUORATE_LIB_TRANSPORT_GRPC_BYTE_STREAM_H_

#include <grpcpp/generic/async_generic_service.h>

#include <memory>
#include <string>

#include "transport/byte_stream.h"

namespace quorate::transport {

class ServedByteStream final : public grpc::ServerGenericBidiReactor, private ByteStream {
 public:
  // Deletes itself when the call is over.
  ServedByteStream(grpc::GenericCallbackServerContext* context, const ByteStreamFactory& factory);

 private:
  void Read() override { StartRead(&incoming_); }
  bool Write(std::string message) override;
  void Cancel() override { context_->TryCancel(); }
  void End(const absl::Status& status) override;

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone() override;

  grpc::GenericCallbackServerContext* const context_;
  std::shared_ptr<ByteStreamHandler> handler_;  // null: refused
  grpc::ByteBuffer incoming_;
  grpc::ByteBuffer outgoing_;
};

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_GRPC_BYTE_STREAM_H_
