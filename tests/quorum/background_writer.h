// Writes ones through whoever leads, one after the other, while a test does something else to the cluster; and keeps
// the account: what was acknowledged must be there at the end, what has an unknown fate may be.
#ifndef QUORATE_TESTS_QUORUM_BACKGROUND_WRITER_H_
#define QUORATE_TESTS_QUORUM_BACKGROUND_WRITER_H_

#include "quorum/quorum_cluster.h"

namespace quorate::quorum {

class BackgroundWriter {
 public:
  explicit BackgroundWriter(QuorumCluster* cluster) : cluster_(cluster), last_success_(Now()) { Tick(); }
  // The cluster outlives its writes: Stop before anything else is destroyed.
  ~BackgroundWriter() { Stop(); }

  // No more writes; returns when the last one is answered.
  void Stop();

  [[nodiscard]] int64_t acknowledged() const { return acknowledged_; }
  [[nodiscard]] int64_t unknown() const { return unknown_; }
  // The longest time between two acknowledgements.
  [[nodiscard]] absl::Duration longest_gap() const { return longest_gap_; }

 private:
  static constexpr absl::Duration kPause = absl::Milliseconds(5);
  Instant Now() const { return cluster_->executor().clock()->Now(); }
  void Tick();
  void Write(int leader);

  QuorumCluster* const cluster_;
  Instant last_success_;
  absl::Duration longest_gap_;
  int64_t acknowledged_ = 0;
  int64_t unknown_ = 0;
  bool in_flight_ = false;
  bool stopped_ = false;
  Executor::TimerId timer_ = Executor::kNoTimer;
};

}  // namespace quorate::quorum

#endif  // QUORATE_TESTS_QUORUM_BACKGROUND_WRITER_H_
