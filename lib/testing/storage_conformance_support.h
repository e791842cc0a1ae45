// What the cases of the log store's conformance suite have in common: batches to append, and each call as one that
// waits.
#ifndef QUORATE_TESTING_STORAGE_CONFORMANCE_SUPPORT_H_
#define QUORATE_TESTING_STORAGE_CONFORMANCE_SUPPORT_H_

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "quorate/testing/storage_conformance.h"
#include "testing/conformance_support.h"

namespace quorate::testing {

// The text of a batch's only record tells which batch it is.
inline Batch MakeBatch(const LogStoreFixture& fixture, Offset base, Epoch epoch, std::string text, int records = 1) {
  Batch::Header header;
  header.base_offset = base;
  header.epoch = epoch;
  header.cluster_hash = fixture.cluster_hash();
  const std::vector<absl::string_view> views(records, text);
  return Batch::Make(header, views).value();
}

inline bool SameBytes(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Batch& x, const Batch& y) { return x.bytes().view() == y.bytes().view(); });
}

inline std::string Describe(const std::vector<Batch>& batches) {
  std::string out = absl::StrCat(batches.size(), " batches:");
  for (const Batch& batch : batches) {
    absl::StrAppend(&out, " [", batch.base_offset().value(), ",", batch.end_offset().value(), ")@",
                    batch.epoch().value());
  }
  return out;
}

inline absl::StatusOr<Offset> Append(LogStoreFixture& fixture, LogStore& log, std::vector<Batch> batches) {
  Waiter<absl::StatusOr<Offset>> waiter;
  log.Append(std::move(batches), waiter.Done());
  fixture.RunUntil([&] { return waiter.done(); });
  return waiter.result();
}

inline absl::Status Truncate(LogStoreFixture& fixture, LogStore& log, Offset end) {
  Waiter<absl::Status> waiter;
  log.TruncateSuffix(end, waiter.Done());
  fixture.RunUntil([&] { return waiter.done(); });
  return waiter.result();
}

inline absl::Status Trim(LogStoreFixture& fixture, LogStore& log, LogPosition start) {
  Waiter<absl::Status> waiter;
  log.TrimPrefix(start, waiter.Done());
  fixture.RunUntil([&] { return waiter.done(); });
  return waiter.result();
}

inline absl::Status Reset(LogStoreFixture& fixture, LogStore& log, LogPosition start) {
  Waiter<absl::Status> waiter;
  log.ResetTo(start, waiter.Done());
  fixture.RunUntil([&] { return waiter.done(); });
  return waiter.result();
}

inline absl::StatusOr<std::vector<Batch>> Read(LogStoreFixture& fixture, LogStore& log, Offset from, size_t max_bytes) {
  Waiter<absl::StatusOr<std::vector<Batch>>> waiter;
  log.Read(from, max_bytes, waiter.Done());
  fixture.RunUntil([&] { return waiter.done(); });
  return waiter.result();
}

// Opens the log and checks that it begins at `start` and holds exactly `expected`.
inline absl::Status OpenExpecting(LogStore& log, const std::vector<Batch>& expected, LogPosition start = {}) {
  std::vector<Batch> visited;
  absl::StatusOr<LogBounds> bounds = log.Open([&](const Batch& batch) {
    visited.push_back(batch);
    return absl::OkStatus();
  });
  QUORATE_EXPECT_OK(bounds.status());
  QUORATE_EXPECT(SameBytes(visited, expected), "Open visited ", Describe(visited), " instead of ", Describe(expected));
  QUORATE_EXPECT(bounds->start == start, "it begins at ", bounds->start.end.value(), " behind epoch ",
                 bounds->start.epoch.value());
  const LogPosition end = expected.empty() ? start : LogPosition{expected.back().epoch(), expected.back().end_offset()};
  QUORATE_EXPECT(bounds->end == end, "it ends at ", bounds->end.end.value(), " in epoch ", bounds->end.epoch.value());
  return absl::OkStatus();
}

// The parts of the suite.
std::vector<ConformanceCase<LogStoreFixture>> LogTrimConformance();
std::vector<ConformanceCase<LogStoreFixture>> LogModelConformance();

}  // namespace quorate::testing

#endif  // QUORATE_TESTING_STORAGE_CONFORMANCE_SUPPORT_H_
