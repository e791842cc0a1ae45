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

// The head is copied (it is small), the batches are shared: gRPC holds a reference to each until it is on the wire.
grpc::ByteBuffer ToByteBuffer(const PeerFrame& frame);
// Takes over the string without a copy.
grpc::ByteBuffer ToByteBuffer(std::string bytes);

// A message as it was received. Shares gRPC's memory when it is in one piece and big; a small one is copied, so that
// a batch of a few hundred bytes that stays in a cache doesn't keep a whole read buffer alive.
Bytes TakeBytes(grpc::ByteBuffer* buffer);
std::string TakeString(grpc::ByteBuffer* buffer);

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_GRPC_BYTES_H_
