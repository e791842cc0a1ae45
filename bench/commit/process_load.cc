#include "process_load.h"

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "quorate/system.h"

namespace quorate::bench {
namespace {

constexpr uint64_t kFailuresMax = 1000;

// One call with a command; `done` runs on the node's apply thread.
void Call(QuorumNode* node, const host::Command& command, CallDone done) {
  if (command.operation == host::Operation::kRead) {
    return node->ReadBarrier(kCallTimeout,
                             [done = std::move(done)](absl::StatusOr<Offset> read) { done(read.status()); });
  }
  Proposal proposal;
  proposal.timeout = kCallTimeout;
  proposal.records.emplace_back();
  host::AppendCommand(command, &proposal.records.back());
  node->Propose(std::move(proposal),
                [done = std::move(done)](const absl::StatusOr<Proposed>& proposed) { done(proposed.status()); });
}

void Count(const absl::Status& status, Instant called, LoadMeter* meter) {
  if (status.ok()) {
    meter->Succeeded(called, SystemClock()->Now());
  } else {
    meter->Failed(status.message());
  }
}

// ---- Threads that wait --------------------------------------------------------------------------------

// One caller, for as long as the load lasts.
void RunCaller(const LoadSpec& spec, QuorumNode* node, uint64_t stream, LoadMeter* meter) {
  CommandSource source(spec, stream);
  std::mutex mutex;
  std::condition_variable answered;
  while (SystemClock()->Now() < meter->end() && meter->failed() <= kFailuresMax) {
    const host::Command& command = source.Next();
    std::optional<absl::Status> result;  // guarded by mutex
    const Instant called = SystemClock()->Now();
    Call(node, command, [&](absl::Status status) {
      std::lock_guard<std::mutex> lock(mutex);
      result = std::move(status);
      answered.notify_one();
    });
    std::unique_lock<std::mutex> lock(mutex);
    answered.wait(lock, [&] { return result.has_value(); });
    Count(*result, called, meter);
  }
}

LoadResult RunThreads(const LoadSpec& spec, QuorumNode* node) {
  std::vector<LoadMeter> meters(static_cast<size_t>(spec.callers), LoadMeter(spec, SystemClock()->Now()));
  std::vector<std::thread> threads;
  for (size_t i = 0; i < meters.size(); ++i) {
    threads.emplace_back([&spec, node, i, meter = &meters[i]] { RunCaller(spec, node, i, meter); });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 1; i < meters.size(); ++i) meters[0].Merge(meters[i]);
  return meters[0].Result();
}

// ---- Calls under way ----------------------------------------------------------------------------------

// Few threads, each with its share of the calls under way. What was answered is taken in one go, and as many calls are
// begun; so a thread is woken once for a batch.
class Submitter {
 public:
  Submitter(const LoadSpec& spec, const Caller* caller, uint64_t stream, int share, double rate, Instant start)
      : caller_(caller), rate_(rate), share_(share), start_(start), meter_(spec, start), source_(spec, stream) {}

  void Run();
  [[nodiscard]] const LoadMeter& meter() const { return meter_; }

 private:
  struct Answer {
    absl::Status status;
    Instant called;
    Instant returned;
  };

  [[nodiscard]] Instant DueAt(uint64_t call) const {
    return Instant::FromNanos(start_.nanos() + static_cast<int64_t>(static_cast<double>(call) * 1e9 / rate_));
  }
  void BeginDue(Instant now);
  void Begin(Instant called);
  // Waits for answers, or until the next call is due.
  void TakeAnswers();

  const Caller* const caller_;
  const double rate_;
  const int share_;
  const Instant start_;
  LoadMeter meter_;
  CommandSource source_;
  uint64_t begun_ = 0;
  int under_way_ = 0;
  std::mutex mutex_;
  std::condition_variable answered_;
  std::vector<Answer> answers_;  // guarded by mutex_
  std::vector<Answer> taken_;
};

void Submitter::Begin(Instant called) {
  ++begun_;
  ++under_way_;
  (*caller_)(source_.Next(), [this, called](absl::Status status) {
    const Instant now = SystemClock()->Now();
    std::lock_guard<std::mutex> lock(mutex_);
    answers_.push_back({std::move(status), called, now});
    if (answers_.size() == 1) answered_.notify_one();
  });
}

void Submitter::BeginDue(Instant now) {
  while (under_way_ < share_ && (rate_ == 0 || DueAt(begun_) <= now)) Begin(rate_ == 0 ? now : DueAt(begun_));
}

void Submitter::TakeAnswers() {
  taken_.clear();
  {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto some = [this] { return !answers_.empty(); };
    if (rate_ == 0 || under_way_ >= share_) {
      answered_.wait(lock, some);
    } else {
      const absl::Duration left = DueAt(begun_) - SystemClock()->Now();
      answered_.wait_for(lock, absl::ToChronoNanoseconds(std::max(left, absl::ZeroDuration())), some);
    }
    taken_.swap(answers_);
  }
  for (const Answer& answer : taken_) {
    --under_way_;
    if (answer.status.ok()) {
      meter_.Succeeded(answer.called, answer.returned);
    } else {
      meter_.Failed(answer.status.message());
    }
  }
}

void Submitter::Run() {
  for (Instant now = SystemClock()->Now(); now < meter_.end() && meter_.failed() <= kFailuresMax;
       now = SystemClock()->Now()) {
    BeginDue(now);
    TakeAnswers();
  }
  std::unique_lock<std::mutex> lock(mutex_);
  while (under_way_ > 0) {
    answered_.wait(lock, [this] { return !answers_.empty(); });
    for (const Answer& answer : answers_) {
      --under_way_;
      if (answer.status.ok()) meter_.Succeeded(answer.called, answer.returned);
    }
    answers_.clear();
  }
}

}  // namespace

LoadResult RunAsyncLoad(const LoadSpec& spec, const Caller& caller) {
  constexpr int kThreads = 2;
  const int threads_wanted = std::min(kThreads, spec.callers);
  const Instant start = SystemClock()->Now();
  std::vector<std::unique_ptr<Submitter>> submitters;
  for (int i = 0; i < threads_wanted; ++i) {
    const int share = spec.callers / threads_wanted + (i < spec.callers % threads_wanted ? 1 : 0);
    submitters.push_back(
        std::make_unique<Submitter>(spec, &caller, static_cast<uint64_t>(i), share, spec.rate / threads_wanted, start));
  }
  std::vector<std::thread> threads;
  for (const auto& submitter : submitters) threads.emplace_back([&submitter] { submitter->Run(); });
  for (std::thread& thread : threads) thread.join();
  LoadMeter all(spec, start);
  for (const auto& submitter : submitters) all.Merge(submitter->meter());
  return all.Result();
}

LoadResult RunProcessLoad(const LoadSpec& spec, QuorumNode* node) {
  if (spec.threads && spec.rate == 0) return RunThreads(spec, node);
  return RunAsyncLoad(spec,
                      [node](const host::Command& command, CallDone done) { Call(node, command, std::move(done)); });
}

}  // namespace quorate::bench
