#include "transport/grpc_bytes.h"

#include <grpcpp/support/slice.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"

namespace quorate::transport {
namespace {

// Below these a copy is cheaper than what sharing costs: two allocations on the way out, a whole read buffer kept
// alive on the way in.
constexpr size_t kCopyOutBelowBytes = 512;
constexpr size_t kCopyBelowBytes = 4096;

grpc::Slice ShareBatch(const Batch& batch) {
  const absl::string_view view = batch.bytes().view();
  if (view.size() < kCopyOutBelowBytes) return grpc::Slice(view.data(), view.size());
  return grpc::Slice(
      const_cast<char*>(view.data()), view.size(), [](void* owner) { delete static_cast<Bytes*>(owner); },
      new Bytes(batch.bytes()));
}

}  // namespace

WireBuffer::WireBuffer(const PeerFrame& frame) {
  absl::InlinedVector<grpc::Slice, 8> slices;
  slices.reserve(1 + 2 * frame.batches.size());
  slices.emplace_back(frame.head.data(), frame.head.size());
  char prefix[kBatchPrefixBytesMax];
  for (const Batch& batch : frame.batches) {
    // Small enough for gRPC to keep it inside the slice, without an allocation.
    slices.emplace_back(prefix, WriteBatchPrefix(batch.size(), prefix));
    slices.push_back(ShareBatch(batch));
  }
  grpc::ByteBuffer(slices.data(), slices.size()).Swap(&buffer_);
}

grpc::ByteBuffer ToByteBuffer(std::string bytes) {
  auto* owner = new std::string(std::move(bytes));
  const grpc::Slice slice(
      owner->data(), owner->size(), [](void* data) { delete static_cast<std::string*>(data); }, owner);
  return grpc::ByteBuffer(&slice, 1);
}

absl::StatusOr<Message> TakeMessage(grpc::ByteBuffer* buffer, const StreamEnds& ends) {
  grpc::Slice slice;
  if (!buffer->TrySingleSlice(&slice).ok()) return DecodeMessage(Bytes::FromString(TakeString(buffer)), ends);
  buffer->Clear();
  const absl::string_view view(reinterpret_cast<const char*>(slice.begin()), slice.size());
  if (view.size() < kCopyBelowBytes) return DecodeMessage(view, ends);
  auto owner = std::make_shared<grpc::Slice>(std::move(slice));
  return DecodeMessage(Bytes(std::move(owner), view), ends);
}

std::string TakeString(grpc::ByteBuffer* buffer) {
  std::string out = CopyString(*buffer);
  buffer->Clear();
  return out;
}

std::string CopyString(const grpc::ByteBuffer& buffer) {
  std::string out;
  grpc::Slice slice;
  if (!buffer.Valid()) return out;
  if (buffer.TrySingleSlice(&slice).ok()) {
    out.assign(reinterpret_cast<const char*>(slice.begin()), slice.size());
    return out;
  }
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return out;
  out.reserve(buffer.Length());
  for (const grpc::Slice& one : slices) out.append(reinterpret_cast<const char*>(one.begin()), one.size());
  return out;
}

}  // namespace quorate::transport
