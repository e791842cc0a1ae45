#include "quorum/background_writer.h"

#include <algorithm>

#include "quorate/status.h"
#include "support/catch.h"

namespace quorate::quorum {

void BackgroundWriter::Tick() {
  timer_ = cluster_->executor().PostAt(Now() + kPause, [this] { Tick(); });
  const int leader = cluster_->Leader();
  if (!in_flight_ && !stopped_ && leader != 0) Write(leader);
}

void BackgroundWriter::Write(int leader) {
  in_flight_ = true;
  cluster_->At(leader).node->Propose({{"1"}, std::nullopt, absl::Seconds(5)}, [this](absl::StatusOr<Proposed> result) {
    in_flight_ = false;
    if (result.ok()) {
      ++acknowledged_;
      longest_gap_ = std::max(longest_gap_, Now() - last_success_);
      last_success_ = Now();
    } else if (OutcomeOf(result.status()) == Outcome::kUnknown) {
      ++unknown_;
    }
  });
}

void BackgroundWriter::Stop() {
  if (stopped_) return;
  stopped_ = true;
  cluster_->Await([this] { return !in_flight_; });
  cluster_->executor().Cancel(timer_);
}

}  // namespace quorate::quorum
