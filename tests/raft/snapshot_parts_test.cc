// The parts of snapshots that can be looked at alone: the rate at which they are sent, whose turn it is, and which
// piece fits.
#include <algorithm>
#include <map>

#include "base/crc32c.h"
#include "base/xoshiro.h"
#include "quorate/limits.h"
#include "raft/one_core.h"
#include "raft/send_budget.h"
#include "raft/snapshot_download.h"
#include "raft/snapshot_reads.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

constexpr LogPosition kId{Epoch(4), Offset(40)};

TEST_CASE("send budget: over any span no more than the rate allows, plus a burst and one piece") {
  Xoshiro random(21);
  for (int i = 0; i < 200; ++i) {
    const uint64_t rate = 1 + random.Below(10'000'000);
    SendBudget budget(rate);
    std::vector<std::pair<Instant, uint64_t>> sent;
    Instant now = Instant::FromNanos(1'000'000'000);
    for (int step = 0; step < 200; ++step) {
      now = random.Below(20) == 0 ? now + absl::Milliseconds(random.Below(3'000)) : std::max(now, budget.ready_at());
      if (now < budget.ready_at()) continue;
      const uint64_t bytes = 1 + random.Below(budget.PieceBytesMax());
      budget.Spend(now, bytes);
      sent.emplace_back(now, bytes);
    }
    for (size_t from = 0; from < sent.size(); from += 7) {
      uint64_t bytes = 0;
      for (size_t to = from; to < sent.size(); ++to) {
        bytes += sent[to].second;
        const double seconds = absl::ToDoubleSeconds(sent[to].first - sent[from].first) + 0.05;
        REQUIRE(static_cast<double>(bytes) <=
                seconds * static_cast<double>(rate) + budget.PieceBytesMax() + static_cast<double>(sent.size()));
      }
    }
  }
}

TEST_CASE("send budget: who asks as soon as he may gets the whole rate; without a limit nobody waits") {
  SendBudget budget(1'000'000);
  const Instant begin = Instant::FromNanos(5'000'000'000);
  Instant now = begin;
  uint64_t bytes = 0;
  while (now - begin < absl::Seconds(10)) {
    now = std::max(now, budget.ready_at());
    budget.Spend(now, budget.PieceBytesMax());
    bytes += budget.PieceBytesMax();
  }
  CHECK(bytes > 9'900'000);
  CHECK(budget.PieceBytesMax() == 125'000);
  SendBudget unlimited(0);
  unlimited.Spend(begin, 1ull << 40);
  CHECK(unlimited.ready_at() <= begin);
  CHECK(unlimited.PieceBytesMax() == limits::kSnapshotChunkBytesMax);
  CHECK(SendBudget(1).PieceBytesMax() >= 1024);
}

Message Question(int from, uint64_t request, uint64_t position) {
  Message message;
  message.from = OneCore::Key(from);
  message.from_incarnation = IncarnationId(Uuid(8, static_cast<uint64_t>(from)));
  message.request_id = request;
  message.body = SnapshotRequest{Epoch(4), kId, position, 10, 0};
  return message;
}

TEST_CASE("F-N16: snapshot reads stay bounded, go round, and answer each newest question once") {
  Xoshiro random(22);
  for (int i = 0; i < 300; ++i) {
    SnapshotReads reads;
    uint64_t next_id = 0;
    uint64_t next_request = 0;
    std::map<uint64_t, ReplicaKey> running;
    std::map<ReplicaKey, uint64_t> wanted;    // the newest request of each
    std::map<ReplicaKey, uint64_t> answered;  // the newest answer
    const auto begin = [&] {
      while (const Message* next = reads.Next()) {
        REQUIRE(next->request_id == wanted[next->from]);
        running[++next_id] = next->from;
        reads.Begin(next_id);
      }
      REQUIRE(running.size() <= SnapshotReads::kRunningMax);
    };
    const auto finish = [&] {
      const auto read = std::next(running.begin(), static_cast<int64_t>(random.Below(running.size())));
      if (const auto message = reads.Finish(read->first)) {
        REQUIRE(message->request_id == wanted[message->from]);
        REQUIRE(answered[message->from] < message->request_id);
        answered[message->from] = message->request_id;
      }
      REQUIRE_FALSE(reads.Finish(read->first).has_value());
      running.erase(read);
    };
    for (int step = 0; step < 100; ++step) {
      if (random.Below(2) == 0 || running.empty()) {
        const int from = static_cast<int>(1 + random.Below(9));
        const uint64_t known = wanted[OneCore::Key(from)];
        const bool repeats = known > answered[OneCore::Key(from)] && random.Below(2) == 0;
        const Message question = Question(from, repeats ? known : ++next_request, 0);
        wanted[question.from] = question.request_id;
        reads.Ask(question);
      } else {
        finish();
      }
      begin();
    }
    while (!running.empty()) {
      finish();
      begin();
    }
    REQUIRE(answered == wanted);
  }
}

TEST_CASE("snapshot reads: what needs no read is dropped, and a new leader begins with none") {
  SnapshotReads reads;
  reads.Ask(Question(2, 1, 0));
  reads.Ask(Question(3, 1, 0));
  CHECK(reads.Drop().from == OneCore::Key(2));
  REQUIRE(reads.Next() != nullptr);
  CHECK(reads.Next()->from == OneCore::Key(3));
  reads.Begin(1);
  reads.Clear();
  CHECK(reads.Next() == nullptr);
  CHECK_FALSE(reads.Finish(1).has_value());
  CHECK_FALSE(reads.Finish(0).has_value());
}

SnapshotResponse Piece(uint64_t position, const std::string& data, uint64_t total = 20, uint64_t digest = 7) {
  SnapshotResponse piece;
  piece.snapshot = kId;
  piece.position = position;
  piece.total = total;
  piece.digest = digest;
  piece.data_crc = Crc32c(data);
  piece.data = Bytes::FromString(data);
  return piece;
}

TEST_CASE("M-23: a download takes pieces of one file in order, and tells damage from another file") {
  using Verdict = SnapshotDownload::Verdict;
  SnapshotDownload file(kId);
  CHECK(file.Request(Epoch(5), 10).digest == 0);
  CHECK(file.Check(Piece(5, "hello")) == Verdict::kNotNow);
  CHECK(file.Check(Piece(0, "0123456789", 5)) == Verdict::kDamaged);
  CHECK(file.Check(Piece(0, "")) == Verdict::kDamaged);
  CHECK(file.info().bytes == 0);  // nothing was learnt from these
  REQUIRE(file.Check(Piece(0, "0123456789")) == Verdict::kFits);
  CHECK(file.Begin());
  file.Written(10);
  CHECK_FALSE(file.complete());
  CHECK(file.Request(Epoch(5), 10).position == 10);
  CHECK(file.Request(Epoch(5), 10).digest == 7);
  CHECK(file.Check(Piece(0, "0123456789")) == Verdict::kNotNow);
  CHECK(file.Check(Piece(10, "0123456789", 21)) == Verdict::kOtherFile);
  CHECK(file.Check(Piece(10, "0123456789", 20, 8)) == Verdict::kOtherFile);
  CHECK(file.Check(Piece(10, "0123456789a")) == Verdict::kDamaged);
  SnapshotResponse damaged = Piece(10, "0123456789");
  damaged.data_crc ^= 1u << 31;
  CHECK(file.Check(damaged) == Verdict::kDamaged);
  REQUIRE(file.Check(Piece(10, "0123456789")) == Verdict::kFits);
  CHECK_FALSE(file.Begin());
  file.Written(10);
  CHECK(file.complete());
  CHECK(file.Check(Piece(20, "0")) == Verdict::kDamaged);
}

}  // namespace
}  // namespace quorate::raft
