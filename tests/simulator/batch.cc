#include "simulator/batch.h"

#include <fstream>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "simulator/cover.h"
#include "simulator/replay.h"
#include "simulator/sections.h"
#include "simulator/tally.h"

namespace quorate::testing::simulator {
namespace {

class Batch {
 public:
  Batch(const Arguments& arguments, uint64_t first, uint64_t last)
      : arguments_(arguments), first_(first), next_(first), last_(last), start_(WallClock::now()) {}

  int Go() {
    std::vector<std::thread> threads;
    for (int i = 0; i < arguments_.jobs; ++i) threads.emplace_back([this] { Work(); });
    for (std::thread& thread : threads) thread.join();
    const std::string report =
        tally_.Report(arguments_.commit, first_, absl::Seconds(SecondsSince(start_)), arguments_.jobs);
    std::printf("\n%s", report.c_str());
    bool written = arguments_.report.empty() || WriteSection(arguments_.report, "run", report);
    if (!arguments_.cover.empty()) written = cover_.WritePlans(arguments_.cover) && written;
    return tally_.failures.empty() && written ? 0 : 1;
  }

 private:
  std::optional<uint64_t> TakeSeed() {
    const std::lock_guard<std::mutex> lock(mutex_);
    const bool late = arguments_.minutes > 0 && SecondsSince(start_) > arguments_.minutes * 60;
    if (next_ > last_ || late || tally_.failures.size() >= arguments_.failures_max) return std::nullopt;
    return next_++;
  }

  void Work() {
    while (const std::optional<uint64_t> seed = TakeSeed()) {
      const SimulationPlan plan = DrawPlan(*seed);
      if (arguments_.trace) std::puts(PrintPlan(plan).c_str());
      Note(plan, RunOwn(plan, OptionsOf(arguments_)));
    }
  }

  void Note(const SimulationPlan& plan, const RunResult& result) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      tally_.Add(result);
      if (!arguments_.cover.empty()) cover_.Add(plan, result);
      if (arguments_.hashes) {
        std::printf("seed %llu hash %016llx events %llu\n", static_cast<unsigned long long>(plan.seed),
                    static_cast<unsigned long long>(result.trace_hash), static_cast<unsigned long long>(result.events));
      }
      if (result.violation.has_value()) {
        tally_.failures.push_back(
            {plan.seed, result.violation->invariant, result.violation->what, ReplayCommand(arguments_, plan.seed)});
      }
      TellProgress();
    }
    if (!result.violation.has_value()) return;
    const std::lock_guard<std::mutex> lock(print_mutex_);
    PrintFailure(plan, result, arguments_, ReplayCommand(arguments_, plan.seed));
  }

  void TellProgress() {
    const double now = SecondsSince(start_);
    if (now - told_ <= 2) return;
    told_ = now;
    std::fprintf(stderr, "%llu seeds, %.1f virtual hours, %.0f s, %zu failures\n",
                 static_cast<unsigned long long>(tally_.seeds), absl::ToDoubleHours(tally_.simulated), now,
                 tally_.failures.size());
  }

  const Arguments& arguments_;
  std::mutex mutex_;
  std::mutex print_mutex_;
  const uint64_t first_;
  uint64_t next_;  // guarded by mutex_
  const uint64_t last_;
  const WallClock::time_point start_;
  double told_ = 0;  // guarded by mutex_
  Tally tally_;      // guarded by mutex_
  Cover cover_;      // guarded by mutex_
};

}  // namespace

int RunBatch(const Arguments& arguments, uint64_t first, uint64_t last) { return Batch(arguments, first, last).Go(); }

}  // namespace quorate::testing::simulator
