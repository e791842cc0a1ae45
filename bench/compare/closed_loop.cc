#include "compare/closed_loop.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/xoshiro.h"
#include "quorate/system.h"

namespace quorate::compare {
namespace {

// Nothing was acknowledged for so long: nobody leads here any more.
constexpr absl::Duration kSilenceMax = absl::Seconds(10);
// Before what was refused is asked again: etcd refuses while it is too far behind, and asking at once only adds to it.
constexpr absl::Duration kAgain = absl::Milliseconds(1);
constexpr int kFillers = 256;

std::string Key(uint64_t n) { return absl::StrCat("key-", n); }

// What a caller writes next.
struct Write {
  std::string key;
  bool create = false;
};
// False: there is nothing more to write.
using Source = std::function<bool(Write* next)>;

class Loop final : public PutSink {
 public:
  Loop(PutClient& client, int callers, size_t bytes, Source source)
      : client_(client), value_(bytes, 'v'), source_(std::move(source)), callers_(static_cast<size_t>(callers)) {}

  void Begin() {
    for (size_t caller = 0; caller < callers_.size(); ++caller) BeginNext(caller);
  }

  void Done(uint64_t token, PutEnd end) override {
    --under_way_;
    if (end != PutEnd::kAcknowledged) {
      // The caller still waits for its write: its clock runs on.
      if (!over_) refused_.push_back(token);
      return;
    }
    last_success_ = SystemClock()->Now();
    if (latency_ != nullptr) latency_->Record(absl::ToInt64Nanoseconds(last_success_ - callers_[token].began));
    if (!over_) BeginNext(token);
  }

  // Goes on until then, or until the source has nothing more and all was answered.
  absl::Status RunUntil(Instant until, bench::Histogram* latency) {
    latency_ = latency;
    last_success_ = SystemClock()->Now();
    Instant now = last_success_;
    Instant again = now;
    while (under_way_ + static_cast<int64_t>(refused_.size()) > 0 && now < until) {
      client_.Poll(refused_.empty() ? absl::Milliseconds(10) : kAgain, this);
      now = SystemClock()->Now();
      if (now - last_success_ > kSilenceMax) {
        return absl::UnavailableError(
            absl::StrCat("no write was acknowledged for ", absl::FormatDuration(kSilenceMax)));
      }
      if (now < again) continue;
      again = now + kAgain;
      for (const uint64_t caller : std::exchange(refused_, {})) Send(caller);
    }
    latency_ = nullptr;
    return absl::OkStatus();
  }

  // Begins nothing more, and waits for what is under way.
  absl::Status End() {
    over_ = true;
    refused_.clear();
    return RunUntil(Instant::Infinite(), nullptr);
  }

 private:
  struct Caller {
    Instant began;
    Write write;
  };

  void BeginNext(uint64_t caller) {
    if (!source_(&callers_[caller].write)) return;
    callers_[caller].began = SystemClock()->Now();
    Send(caller);
  }
  void Send(uint64_t caller) {
    ++under_way_;
    const Write& write = callers_[caller].write;
    if (write.create) {
      client_.Create(caller, write.key, value_);
    } else {
      client_.Put(caller, write.key, value_);
    }
  }

  PutClient& client_;
  const std::string value_;
  const Source source_;
  std::vector<Caller> callers_;
  bench::Histogram* latency_ = nullptr;  // null: not measured now
  Instant last_success_;
  int64_t under_way_ = 0;
  std::vector<uint64_t> refused_;  // callers whose write is to be sent again
  bool over_ = false;
};

}  // namespace

void CommitResult::Merge(const CommitResult& other) {
  latency.Merge(other.latency);
  seconds += other.seconds;
  cpu_ms += other.cpu_ms;
}

absl::Status MakeKeys(PutClient& client) { return Fill(client, kKeys, kKeys, 100); }

absl::Status Fill(PutClient& client, int64_t entries, int64_t keys, size_t bytes) {
  int64_t n = 0;
  Loop loop(client, kFillers, bytes, [&](Write* next) {
    if (n == entries) return false;
    *next = {Key(static_cast<uint64_t>(n % keys)), n < keys};
    ++n;
    return true;
  });
  loop.Begin();
  return loop.RunUntil(Instant::Infinite(), nullptr);
}

absl::StatusOr<CommitResult> RunClosedLoop(System& system, PutClient& client, const CommitCell& cell,
                                           absl::Duration warm_up, absl::Duration duration) {
  Xoshiro random(4711);
  Loop loop(client, cell.callers, cell.bytes, [&random](Write* next) {
    *next = {Key(random.Below(kKeys)), false};
    return true;
  });
  loop.Begin();
  if (absl::Status s = loop.RunUntil(SystemClock()->Now() + warm_up, nullptr); !s.ok()) return s;
  const absl::StatusOr<bench::Usage> before = system.TotalUsage();
  if (!before.ok()) return before.status();
  CommitResult result;
  const Instant began = SystemClock()->Now();
  if (absl::Status s = loop.RunUntil(began + duration, &result.latency); !s.ok()) return s;
  result.seconds = absl::ToDoubleSeconds(SystemClock()->Now() - began);
  const absl::StatusOr<bench::Usage> after = system.TotalUsage();
  if (!after.ok()) return after.status();
  result.cpu_ms = after->cpu_ms - before->cpu_ms;
  if (absl::Status s = loop.End(); !s.ok()) return s;
  if (result.latency.count() == 0) return absl::UnavailableError("nothing was committed");
  return result;
}

}  // namespace quorate::compare
