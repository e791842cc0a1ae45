// Log and election state in memory: the contract of quorate/storage.h without the disk.
//
// Everything takes effect inside the call, which is allowed, since only callbacks tell; reads hand out what
// was there at the time of the call. No lock guards the data: the contract has one caller at a time.

#include <algorithm>
#include <deque>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "quorate/status.h"
#include "quorate/storage_adapters.h"
#include "storage/ordered_callbacks.h"

namespace quorate {
namespace storage {
namespace {

absl::Status Refuse(absl::string_view what) { return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, what); }

absl::Status Closing() { return MakeError(Reason::kShuttingDown, Outcome::kUnknown, "the store is being closed"); }

class MemoryLogStore final : public LogStore {
 public:
  explicit MemoryLogStore(Executor* executor) : callbacks_(executor) {}

  absl::StatusOr<LogBounds> Open(absl::FunctionRef<absl::Status(const Batch&)> visit) override {
    for (const Batch& batch : batches_) {
      if (absl::Status status = visit(batch); !status.ok()) return status;
    }
    return LogBounds{start_, End()};
  }

  void Append(std::vector<Batch> batches, AppendDone done) override {
    const size_t old_size = batches_.size();
    absl::StatusOr<Offset> result = Offset(0);
    for (Batch& batch : batches) {
      const LogPosition end = End();
      if (batch.size() == 0 || batch.base_offset() != end.end || batch.epoch() < end.epoch) {
        result = Refuse(absl::StrCat("the log ends at offset ", end.end.value(), " in epoch ", end.epoch.value(),
                                     "; a batch at offset ", batch.base_offset().value(), " in epoch ",
                                     batch.epoch().value(), " doesn't continue it"));
        batches_.resize(old_size);
        break;
      }
      batches_.push_back(std::move(batch));
    }
    if (result.ok()) result = End().end;
    callbacks_.Post([done = std::move(done), result = std::move(result)](bool closing) mutable {
      std::move(done)(closing ? absl::StatusOr<Offset>(Closing()) : std::move(result));
    });
  }

  void TruncateSuffix(Offset new_end, Done done) override { Complete(Truncate(new_end), std::move(done)); }
  void TrimPrefix(LogPosition start, Done done) override { Complete(Trim(start), std::move(done)); }
  void ResetTo(LogPosition start, Done done) override { Complete(Reset(start), std::move(done)); }

  void Read(Offset from, size_t max_bytes, ReadDone done) override {
    absl::StatusOr<std::vector<Batch>> result = ReadNow(from, max_bytes);
    callbacks_.Post([done = std::move(done), result = std::move(result)](bool closing) mutable {
      std::move(done)(closing ? absl::StatusOr<std::vector<Batch>>(Closing()) : std::move(result));
    });
  }

 private:
  void Complete(absl::Status status, Done done) {
    callbacks_.Post([done = std::move(done), status = std::move(status)](bool closing) mutable {
      std::move(done)(closing ? Closing() : std::move(status));
    });
  }

  LogPosition End() const {
    if (batches_.empty()) return start_;
    return LogPosition{batches_.back().epoch(), batches_.back().end_offset()};
  }

  // The batch that holds `offset`, or the end.
  std::deque<Batch>::const_iterator Find(Offset offset) const {
    return std::upper_bound(batches_.begin(), batches_.end(), offset,
                            [](Offset wanted, const Batch& batch) { return wanted < batch.end_offset(); });
  }

  absl::Status Truncate(Offset new_end) {
    const Offset end = End().end;
    if (new_end == end) return absl::OkStatus();
    if (absl::Status status = CheckBoundary(new_end); !status.ok()) return status;
    batches_.erase(Find(new_end), batches_.end());
    return absl::OkStatus();
  }

  absl::Status Trim(LogPosition start) {
    if (start.end <= start_.end) return absl::OkStatus();
    if (absl::Status status = CheckBoundary(start.end); !status.ok()) return status;
    const auto first = Find(start.end);
    const Epoch epoch = std::prev(first)->epoch();
    if (epoch != start.epoch) {
      return Refuse(absl::StrCat("the log can't start at offset ", start.end.value(), " behind epoch ",
                                 start.epoch.value(), ": the record before it is of epoch ", epoch.value()));
    }
    batches_.erase(batches_.begin(), first);
    start_ = start;
    return absl::OkStatus();
  }

  absl::Status Reset(LogPosition start) {
    if (start.end.value() < 0 || start.epoch.value() < 0) {
      return Refuse(absl::StrCat("a log can't begin at offset ", start.end.value(), " in epoch ", start.epoch.value(),
                                 "; both count from 0"));
    }
    batches_.clear();
    start_ = start;
    return absl::OkStatus();
  }

  absl::Status CheckBoundary(Offset offset) const {
    const Offset end = End().end;
    if (offset < start_.end || offset > end) {
      return Refuse(absl::StrCat("the log can't be cut at offset ", offset.value(), ": it reaches from ",
                                 start_.end.value(), " to ", end.value()));
    }
    const auto batch = Find(offset);
    if (batch == batches_.end() || batch->base_offset() == offset) return absl::OkStatus();
    return Refuse(absl::StrCat("offset ", offset.value(), " is inside a batch; a log is cut at a batch boundary"));
  }

  absl::StatusOr<std::vector<Batch>> ReadNow(Offset from, size_t max_bytes) const {
    const Offset end = End().end;
    if (from < start_.end || from >= end) {
      return absl::OutOfRangeError(absl::StrCat("offset ", from.value(), " is not in the log, which reaches from ",
                                                start_.end.value(), " to ", end.value()));
    }
    auto batch = Find(from);
    if (batch->base_offset() != from) {
      return Refuse(absl::StrCat("offset ", from.value(), " is inside a batch; reads begin at a batch boundary"));
    }
    std::vector<Batch> out;
    size_t bytes = 0;
    for (; batch != batches_.end() && (out.empty() || bytes + batch->size() <= max_bytes); ++batch) {
      bytes += batch->size();
      out.push_back(*batch);
    }
    return out;
  }

  LogPosition start_;
  std::deque<Batch> batches_;
  OrderedCallbacks callbacks_;  // last: its callbacks may still call us
};

class MemoryElectionStateStore final : public ElectionStateStore {
 public:
  explicit MemoryElectionStateStore(Executor* executor) : callbacks_(executor) {}

  absl::StatusOr<std::optional<ElectionState>> Load() override { return state_; }

  void Store(const ElectionState& state, absl::AnyInvocable<void(absl::Status) &&> done) override {
    state_ = state;
    callbacks_.Post(
        [done = std::move(done)](bool closing) mutable { std::move(done)(closing ? Closing() : absl::OkStatus()); });
  }

 private:
  std::optional<ElectionState> state_;
  OrderedCallbacks callbacks_;  // last: its callbacks may still call us
};

}  // namespace
}  // namespace storage

std::unique_ptr<LogStore> NewMemoryLogStore(Executor* executor) {
  return std::make_unique<storage::MemoryLogStore>(executor);
}

std::unique_ptr<ElectionStateStore> NewMemoryElectionStateStore(Executor* executor) {
  return std::make_unique<storage::MemoryElectionStateStore>(executor);
}

}  // namespace quorate
