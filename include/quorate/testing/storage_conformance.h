// File: quorate/testing/storage_conformance.h
//
// The contract of quorate/storage.h as tests that any adapter can be put through. They know nothing of a test
// framework: a case is a name and a function that returns OK or says what was promised and what happened.
// With Catch2:
//
//   class MyFixture : public quorate::testing::LogStoreFixture { … };
//
//   TEST_CASE("my log store keeps the contract") {
//     for (const auto& test : quorate::testing::LogStoreConformance()) {
//       MyFixture fixture;                       // a fresh, empty log for each case
//       INFO(test.name);
//       CHECK(test.run(fixture) == absl::OkStatus());
//     }
//   }
//
// A fixture stands for one place where a log (an election state, snapshots) is kept: Make opens it again after the
// store before was destroyed. Crashes aren't part of the suite, because only the adapter's author can cause them.
#ifndef QUORATE_TESTING_STORAGE_CONFORMANCE_H_
#define QUORATE_TESTING_STORAGE_CONFORMANCE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "quorate/storage.h"

namespace quorate::testing {

class StorageFixture {
 public:
  virtual ~StorageFixture() = default;
  // Whether what a store was told is there when the next one is made.
  [[nodiscard]] virtual bool survives_restart() const = 0;
  // Lets callbacks happen until `condition` holds. False when it still doesn't after a generous time.
  virtual bool RunUntil(absl::FunctionRef<bool()> condition) = 0;
};

class LogStoreFixture : public StorageFixture {
 public:
  // A store that isn't open yet. At most one lives at a time.
  virtual std::unique_ptr<LogStore> Make() = 0;
  // What batches carry as their cluster's id (Batch::Header::cluster_hash).
  [[nodiscard]] virtual uint64_t cluster_hash() const = 0;
};

class ElectionStateFixture : public StorageFixture {
 public:
  virtual std::unique_ptr<ElectionStateStore> Make() = 0;
};

// Its calls block, so there is nothing to wait for.
class SnapshotStoreFixture {
 public:
  virtual ~SnapshotStoreFixture() = default;
  [[nodiscard]] virtual bool survives_restart() const = 0;
  // A store that isn't open yet. At most one lives at a time.
  virtual std::unique_ptr<SnapshotStore> Make() = 0;
};

template <typename Fixture>
struct ConformanceCase {
  std::string name;
  std::function<absl::Status(Fixture&)> run;
};

std::vector<ConformanceCase<LogStoreFixture>> LogStoreConformance();
std::vector<ConformanceCase<ElectionStateFixture>> ElectionStateConformance();
std::vector<ConformanceCase<SnapshotStoreFixture>> SnapshotStoreConformance();

}  // namespace quorate::testing

#endif  // QUORATE_TESTING_STORAGE_CONFORMANCE_H_
