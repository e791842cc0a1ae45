#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/xoshiro.h"
#include "testing/storage_conformance_support.h"

namespace quorate::testing {
namespace {

// Random calls against a vector, with restarts. The seed is fixed: the same calls for every adapter.
class ModelRun {
 public:
  explicit ModelRun(LogStoreFixture& fixture, uint64_t seed) : fixture_(fixture), random_(seed) {}

  absl::Status Run() {
    log_ = fixture_.Make();
    QUORATE_EXPECT_OK(OpenExpecting(*log_, {}));
    for (int step = 0; step < 200; ++step) {
      const uint64_t dice = random_.Below(100);
      absl::Status status = dice < 55   ? AppendSome()
                            : dice < 65 ? TruncateSome()
                            : dice < 70 ? TrimSome()
                            : dice < 71 ? ResetSome()
                            : dice < 95 ? ReadSome()
                                        : Restart();
      QUORATE_EXPECT(status.ok(), "step ", step, ": ", status.ToString());
    }
    return Restart();
  }

 private:
  LogPosition End() const {
    return model_.empty() ? start_ : LogPosition{model_.back().epoch(), model_.back().end_offset()};
  }

  absl::Status AppendSome() {
    std::vector<Batch> batches;
    for (uint64_t i = random_.Below(5); i > 0; --i) {
      const Epoch epoch = End().epoch + static_cast<int32_t>(random_.Below(10) == 0);
      const size_t size = random_.Below(random_.Below(4) == 0 ? 5000 : 50);
      std::string text(size, static_cast<char>('a' + random_.Below(26)));
      model_.push_back(MakeBatch(fixture_, End().end, epoch, std::move(text), 1 + static_cast<int>(random_.Below(3))));
      batches.push_back(model_.back());
    }
    absl::StatusOr<Offset> end = Append(fixture_, *log_, std::move(batches));
    QUORATE_EXPECT(end.ok() && *end == End().end, end.status().ToString());
    return absl::OkStatus();
  }

  absl::Status TruncateSome() {
    const size_t keep = model_.size() - std::min<size_t>(model_.size(), random_.Below(random_.Below(8) == 0 ? 100 : 6));
    model_.resize(keep);
    return Truncate(fixture_, *log_, End().end);
  }

  absl::Status TrimSome() {
    const size_t count = random_.Below(std::min<size_t>(model_.size(), 20) + 1);
    if (count > 0) start_ = LogPosition{model_[count - 1].epoch(), model_[count - 1].end_offset()};
    model_.erase(model_.begin(), model_.begin() + static_cast<ptrdiff_t>(count));
    return Trim(fixture_, *log_, start_);
  }

  // As a snapshot does it: ahead of the log, or into the middle of one that conflicts with it.
  absl::Status ResetSome() {
    const Offset end = End().end;
    start_.end = random_.Below(2) == 0 ? end + static_cast<int64_t>(random_.Below(100))
                                       : start_.end + static_cast<int64_t>(random_.Below(1 + (end - start_.end)));
    start_.epoch = End().epoch + 1;
    model_.clear();
    return Reset(fixture_, *log_, start_);
  }

  absl::Status ReadSome() {
    if (start_.end > Offset(0)) {
      const absl::Status below = Read(fixture_, *log_, start_.end - 1, 1000).status();
      QUORATE_EXPECT(absl::IsOutOfRange(below), "read below the start: ", below.ToString());
    }
    if (model_.empty()) return absl::OkStatus();
    const size_t from = random_.Below(model_.size());
    const size_t max_bytes = random_.Below(20'000);
    std::vector<Batch> expected;
    size_t bytes = 0;
    for (size_t i = from; i < model_.size(); ++i) {
      bytes += model_[i].size();
      if (!expected.empty() && bytes > max_bytes) break;
      expected.push_back(model_[i]);
    }
    absl::StatusOr<std::vector<Batch>> got = Read(fixture_, *log_, model_[from].base_offset(), max_bytes);
    QUORATE_EXPECT_OK(got.status());
    QUORATE_EXPECT(SameBytes(*got, expected), "read ", Describe(*got), " instead of ", Describe(expected));
    return absl::OkStatus();
  }

  absl::Status Restart() {
    if (!fixture_.survives_restart()) return absl::OkStatus();
    log_.reset();
    log_ = fixture_.Make();
    return OpenExpecting(*log_, model_, start_);
  }

  LogStoreFixture& fixture_;
  Xoshiro random_;
  std::unique_ptr<LogStore> log_;
  LogPosition start_;
  std::vector<Batch> model_;  // from start_ on
};

}  // namespace

std::vector<ConformanceCase<LogStoreFixture>> LogModelConformance() {
  std::vector<ConformanceCase<LogStoreFixture>> cases;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    cases.push_back({absl::StrCat("random calls against a model, seed ", seed),
                     [seed](LogStoreFixture& fixture) { return ModelRun(fixture, seed).Run(); }});
  }
  return cases;
}

}  // namespace quorate::testing
