// Between quorate's bytes and gRPC's buffers, with as few copies as their ownership rules allow. Shows gRPC types:
// only the gRPC adapter's own files include this.
#ifndef QUORATE_LIB_TRANSPORT_GRPC_BYTES_H_
#define QUORATE_LIB_TRANSPORT_GRPC_BYTES_H_

#include <grpcpp/support/byte_buffer.h>

#include <string>

#include "absl/status/statusor.h"
#include "quorate/batch.h"
#include "transport/peer_codec.h"

namespace quorate::transport {

// Takes over the string without a copy.
grpc::ByteBuffer ToByteBuffer(std::string bytes);

// gRPC's buffer can only be copied, with an allocation; this moves.
class WireBuffer {
 public:
  WireBuffer() = default;
  // The head is copied (it is small), the batches are shared: gRPC holds a reference to each until it is on the wire.
  explicit WireBuffer(const PeerFrame& frame);
  WireBuffer(WireBuffer&& other) noexcept { buffer_.Swap(&other.buffer_); }
  WireBuffer& operator=(WireBuffer&& other) noexcept {
    buffer_.Swap(&other.buffer_);
    return *this;
  }
  [[nodiscard]] const grpc::ByteBuffer* get() const { return &buffer_; }

 private:
  grpc::ByteBuffer buffer_;
};

// A received message. Big batches share gRPC's memory when that is in one piece; small ones are copied, so that a
// batch of a few hundred bytes that stays in a cache doesn't keep a whole read buffer alive. Empties `buffer`.
absl::StatusOr<Message> TakeMessage(grpc::ByteBuffer* buffer, const StreamEnds& ends);
std::string TakeString(grpc::ByteBuffer* buffer);
std::string CopyString(const grpc::ByteBuffer& buffer);

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_GRPC_BYTES_H_
