// When a high watermark waits for the next batch: the rule alone, and what followers make of it.
#include "raft/watermark_pace.h"

#include "raft/running_cluster.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

constexpr absl::Duration kSoon = absl::Microseconds(100);

struct Row {
  WatermarkPace pace;
  Instant now = Instant::FromNanos(1'000'000'000);

  void Pass(absl::Duration span) { now = now + span; }
  void Commit() { pace.Moved(now); }
  // So many batches, each soon upon the commit of the one before; the last is committed.
  void Write(int batches) {
    for (int i = 0; i < batches; ++i) {
      pace.Appended(now);
      Pass(kSoon);
      Commit();
      if (i + 1 < batches) Pass(kSoon);
    }
  }
};

TEST_CASE("the first commits of a row, and lone ones, don't wait", "[raft][watermark]") {
  Row row;
  for (int batches = 1; batches <= WatermarkPace::kRow; ++batches) {
    row.Write(1);
    CHECK_FALSE(row.pace.waits());
    row.Pass(kSoon);
  }
  Row lone;
  for (int i = 0; i < 3 * WatermarkPace::kRow; ++i) {
    lone.Write(1);
    CHECK_FALSE(lone.pace.waits());
    CHECK(lone.pace.due().is_infinite());
    lone.Pass(2 * WatermarkPace::kWait);
  }
}

TEST_CASE("in a row a commit waits for the next batch", "[raft][watermark]") {
  Row row;
  row.Write(WatermarkPace::kRow + 1);
  CHECK(row.pace.waits());
  CHECK(row.pace.due() == row.now + WatermarkPace::kWait);
  row.Pass(kSoon);
  CHECK_FALSE(row.pace.Tick(row.now));
  row.pace.Appended(row.now);
  CHECK_FALSE(row.pace.waits());
  row.Pass(kSoon);
  row.Commit();
  CHECK(row.pace.waits());
}

TEST_CASE("when no batch comes the commit is told, and the row is over", "[raft][watermark]") {
  Row row;
  row.Write(WatermarkPace::kRow + 1);
  row.Pass(WatermarkPace::kWait);
  CHECK(row.pace.Tick(row.now));
  CHECK_FALSE(row.pace.waits());
  CHECK(row.pace.due().is_infinite());
  CHECK_FALSE(row.pace.Tick(row.now + absl::Hours(1)));
  row.Write(1);
  CHECK_FALSE(row.pace.waits());
}

TEST_CASE("no commit waits longer because others follow", "[raft][watermark]") {
  Row row;
  row.Write(WatermarkPace::kRow + 1);
  const Instant due = row.pace.due();
  row.Pass(kSoon);
  row.Commit();
  CHECK(row.pace.due() == due);
}

// ---- On cores ------------------------------------------------------------------------------------------

struct Writing : RunningCluster {
  Writing() : RunningCluster() { RunFor(absl::Seconds(1)); }
  // A write, until its leader knows it committed.
  void Write() {
    const absl::StatusOr<Offset> offset = Propose(Leader(), "x");
    REQUIRE(offset.ok());
    REQUIRE(RunUntil([&] { return HighWatermark(Leader()) > *offset; }, absl::Seconds(1)));
  }
  Offset HighWatermark(int id) { return core(id).high_watermark(); }
  // How long until all followers know what the leader does.
  absl::Duration UntilKnown() {
    const Instant start = now();
    REQUIRE(RunUntil(
        [&] {
          return HighWatermark(Follower(0)) == HighWatermark(Leader()) &&
                 HighWatermark(Follower(1)) == HighWatermark(Leader());
        },
        absl::Seconds(1)));
    return now() - start;
  }
};

TEST_CASE("a lone write's commit is known to the followers as fast as the network is", "[raft][watermark]") {
  Writing cluster;
  for (int i = 0; i < 3 * WatermarkPace::kRow; ++i) {
    cluster.Write();
    CHECK(cluster.UntilKnown() <= absl::Microseconds(200));
    cluster.RunFor(absl::Milliseconds(10));
  }
}

TEST_CASE("in a row the next batch tells of the commit, and the last one's is told a little later",
          "[raft][watermark]") {
  Writing cluster;
  for (int i = 0; i < 3 * WatermarkPace::kRow; ++i) cluster.Write();
  const Offset before = cluster.HighWatermark(cluster.Follower(0));
  CHECK(before + 1 == cluster.HighWatermark(cluster.Leader()));
  const absl::Duration late = cluster.UntilKnown();
  CHECK(late > absl::Microseconds(500));
  CHECK(late <= WatermarkPace::kWait + absl::Microseconds(200));
  CHECK(cluster.violations().empty());
}

TEST_CASE("a linearizable read at a follower doesn't wait for the end of a row", "[raft][watermark]") {
  Writing cluster;
  for (int i = 0; i < 3 * WatermarkPace::kRow; ++i) cluster.Write();
  const int follower = cluster.Follower(0);
  REQUIRE(cluster.HighWatermark(follower) < cluster.HighWatermark(cluster.Leader()));
  cluster.Read(follower);
  // To the leader, and the round's message back.
  cluster.RunFor(absl::Microseconds(300));
  CHECK(cluster.HighWatermark(follower) == cluster.HighWatermark(cluster.Leader()));
}

}  // namespace
}  // namespace quorate::raft
