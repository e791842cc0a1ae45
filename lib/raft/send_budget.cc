#include "raft/send_budget.h"

#include <algorithm>

#include "quorate/limits.h"

namespace quorate::raft {
namespace {

constexpr int64_t kBurstNanos = 50'000'000;
constexpr uint64_t kPiecesPerSecond = 8;
constexpr uint64_t kPieceBytesMin = 4096;

}  // namespace

Instant SendBudget::ready_at() const {
  return rate_ == 0 ? Instant() : Instant::FromNanos(paid_at_.nanos() - kBurstNanos);
}

uint32_t SendBudget::PieceBytesMax() const {
  const uint64_t max = limits::kSnapshotChunkBytesMax;
  return static_cast<uint32_t>(rate_ == 0 ? max : std::clamp(rate_ / kPiecesPerSecond, kPieceBytesMin, max));
}

void SendBudget::Spend(Instant now, uint64_t bytes) {
  if (rate_ == 0) return;
  // absl divides in integers: the same on every machine.
  paid_at_ = std::max(paid_at_, now) + absl::Seconds(bytes) / static_cast<int64_t>(rate_);
}

}  // namespace quorate::raft
