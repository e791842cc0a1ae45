#include "transport/grpc_bytes.h"

#include <grpcpp/support/slice.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"

namespace quorate::transport {
namespace {

// Below this a copy is cheaper than what sharing costs and keeps alive.
constexpr size_t kCopyBelowBytes = 4096;

grpc::Slice ShareBatch(const Batch& batch) {
  const absl::string_view view = batch.bytes().view();
  if (view.size() < kCopyBelowBytes / 8) return grpc::Slice(view.data(), view.size());
  return grpc::Slice(
      const_cast<char*>(view.data()), view.size(), [](void* owner) { delete static_cast<Bytes*>(owner); },
      new Bytes(batch.bytes()));
}

}  // namespace

grpc::ByteBuffer ToByteBuffer(const PeerFrame& frame) {
  absl::InlinedVector<grpc::Slice, 8> slices;
  slices.reserve(1 + 2 * frame.batches.size());
  slices.emplace_back(frame.head.data(), frame.head.size());
  char prefix[kBatchPrefixBytesMax];
  for (const Batch& batch : frame.batches) {
    // Small enough for gRPC to keep it inside the slice, without an allocation.
    slices.emplace_back(prefix, WriteBatchPrefix(batch.size(), prefix));
    slices.push_back(ShareBatch(batch));
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

grpc::ByteBuffer ToByteBuffer(std::string bytes) {
  auto* owner = new std::string(std::move(bytes));
  const grpc::Slice slice(
      owner->data(), owner->size(), [](void* data) { delete static_cast<std::string*>(data); }, owner);
  return grpc::ByteBuffer(&slice, 1);
}

Bytes TakeBytes(grpc::ByteBuffer* buffer) {
  if (buffer->Length() >= kCopyBelowBytes) {
    auto slice = std::make_shared<grpc::Slice>();
    if (buffer->TrySingleSlice(slice.get()).ok()) {
      buffer->Clear();
      const absl::string_view view(reinterpret_cast<const char*>(slice->begin()), slice->size());
      return Bytes(std::move(slice), view);
    }
  }
  return Bytes::FromString(TakeString(buffer));
}

std::string TakeString(grpc::ByteBuffer* buffer) {
  std::string out;
  std::vector<grpc::Slice> slices;
  if (!buffer->Valid() || !buffer->Dump(&slices).ok()) return out;
  out.reserve(buffer->Length());
  for (const grpc::Slice& slice : slices) out.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  buffer->Clear();
  return out;
}

}  // namespace quorate::transport
