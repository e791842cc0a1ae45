#include "testing/simulator/tamper.h"

#include <string>
#include <utility>

namespace quorate::testing::simulator {
namespace {

// One to three bits of the batch are flipped on the way. Only what passes the parser arrives.
bool FlipBits(Batch* batch, Random* random) {
  std::string bytes(batch->bytes().view());
  for (uint64_t flips = 1 + random->Below(3); flips > 0; --flips) {
    const uint64_t bit = random->Below(bytes.size() * 8);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
  }
  absl::StatusOr<Batch> parsed = Batch::Parse(Bytes::FromString(std::move(bytes)));
  if (!parsed.ok()) return false;
  *batch = *std::move(parsed);
  return true;
}

// The same records under another header: whole and well-formed, and wrong.
Batch Remake(const Batch& batch, const Batch::Header& header) {
  const std::vector<absl::string_view> records = batch.Records();
  absl::StatusOr<Batch> made = Batch::Make(header, records);
  return made.ok() ? *std::move(made) : batch;
}

// False: it doesn't decode any more.
bool TamperWithBatches(FetchResponse* fetch, Random* random) {
  const uint64_t index = random->Below(fetch->batches.size());
  Batch& batch = fetch->batches[index];
  Batch::Header header = batch.header();
  switch (random->Below(5)) {
    case 0:  // newer than the answer (M-16, KAFKA-18723)
      header.epoch = fetch->epoch + static_cast<int32_t>(1 + random->Below(3));
      batch = Remake(batch, header);
      return true;
    case 1:  // a gap. (An overlap would claim that what is committed is something else: then a node has to stop, M-25.)
      header.base_offset += 1;
      batch = Remake(batch, header);
      return true;
    case 2:  // one is missing
      fetch->batches.erase(fetch->batches.begin() + static_cast<ptrdiff_t>(index));
      return true;
    default:
      return FlipBits(&batch, random);
  }
}

}  // namespace

std::optional<Message> Tamper(Message message, Random* random) {
  auto* fetch = std::get_if<FetchResponse>(&message.body);
  if (fetch != nullptr && !fetch->batches.empty() && random->Below(4) != 0) {
    if (!TamperWithBatches(fetch, random)) return std::nullopt;
    return message;
  }
  switch (random->Below(6)) {
    case 0:  // F-N09
      message.cluster_id = ClusterId(Uuid(message.cluster_id.value().high(), message.cluster_id.value().low() + 1));
      return message;
    case 1:  // F-N10
      message.to.id = message.to.id + 1;
      return message;
    case 2:  // F-N10: the same id on another disk
      message.to.directory = DirectoryId(Uuid(0xbad, 0xd15c));
      return message;
    case 3:  // F-N11
      message.from = message.to;
      return message;
    case 4:
      std::visit([](auto& body) { body.epoch = Epoch(-7); }, message.body);
      return message;
    default:
      return std::nullopt;
  }
}

}  // namespace quorate::testing::simulator
