// The conformance suites on the adapters that quorate brings: memory, files on a simulated disk, files on a
// real disk with real threads.

#include <stdlib.h>

#include <chrono>
#include <thread>

#include "quorate/storage_adapters.h"
#include "quorate/system.h"
#include "quorate/testing/storage_conformance.h"
#include "storage/fixtures.h"
#include "support/catch.h"

namespace quorate::storage {
namespace {

using testing::ElectionStateFixture;
using testing::LogStoreFixture;

constexpr absl::Duration kVirtualLimit = absl::Minutes(1);

class MemoryLogFixture final : public LogStoreFixture {
 public:
  std::unique_ptr<LogStore> Make() override { return NewMemoryLogStore(&executor_); }
  [[nodiscard]] uint64_t cluster_hash() const override { return 77; }
  [[nodiscard]] bool survives_restart() const override { return false; }
  bool RunUntil(absl::FunctionRef<bool()> condition) override {
    return executor_.RunUntilTrue(condition, kVirtualLimit);
  }

 private:
  testing::ManualClock clock_;
  testing::ManualExecutor executor_{&clock_};
};

class MemoryElectionFixture final : public ElectionStateFixture {
 public:
  std::unique_ptr<ElectionStateStore> Make() override { return NewMemoryElectionStateStore(&executor_); }
  [[nodiscard]] bool survives_restart() const override { return false; }
  bool RunUntil(absl::FunctionRef<bool()> condition) override {
    return executor_.RunUntilTrue(condition, kVirtualLimit);
  }

 private:
  testing::ManualClock clock_;
  testing::ManualExecutor executor_{&clock_};
};

template <typename Fixture>
class SimFixture : public Fixture {
 public:
  SimFixture() {
    REQUIRE(machine_.Format() == absl::OkStatus());
    REQUIRE(machine_.OpenDirectory() == absl::OkStatus());
  }
  [[nodiscard]] bool survives_restart() const override { return true; }
  bool RunUntil(absl::FunctionRef<bool()> condition) override {
    return machine_.executor.RunUntilTrue(condition, kVirtualLimit);
  }

 protected:
  Machine machine_;
};

class SimLogFixture final : public SimFixture<LogStoreFixture> {
 public:
  std::unique_ptr<LogStore> Make() override { return machine_.directory->MakeLogStore(); }
  [[nodiscard]] uint64_t cluster_hash() const override { return kCluster.value().low(); }
};

class SimElectionFixture final : public SimFixture<ElectionStateFixture> {
 public:
  std::unique_ptr<ElectionStateStore> Make() override { return machine_.directory->MakeElectionStateStore(); }
};

// Real files below /tmp, real threads.
template <typename Fixture>
class PosixFixture : public Fixture {
 public:
  PosixFixture() {
    std::string name = "/tmp/quorate-storage-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
    REQUIRE(FormatDirectory(PosixFileSystem(), path_, TestIdentity()) == absl::OkStatus());
    FileStorageOptions options;
    options.path = path_;
    options.segment_bytes = 64u << 10;
    directory_ = DataDirectory::Open(options).value();
  }
  ~PosixFixture() override {
    directory_.reset();
    const std::vector<std::string> names = *PosixFileSystem()->List(path_);
    for (const std::string& name : names) CHECK(PosixFileSystem()->Remove(JoinPath(path_, name)).ok());
    CHECK(PosixFileSystem()->Remove(path_).ok());
  }
  [[nodiscard]] bool survives_restart() const override { return true; }
  bool RunUntil(absl::FunctionRef<bool()> condition) override {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }

 protected:
  std::string path_;
  std::unique_ptr<DataDirectory> directory_;
};

class PosixLogFixture final : public PosixFixture<LogStoreFixture> {
 public:
  std::unique_ptr<LogStore> Make() override { return directory_->MakeLogStore(); }
  [[nodiscard]] uint64_t cluster_hash() const override { return kCluster.value().low(); }
};

class PosixElectionFixture final : public PosixFixture<ElectionStateFixture> {
 public:
  std::unique_ptr<ElectionStateStore> Make() override { return directory_->MakeElectionStateStore(); }
};

template <typename Fixture, typename Cases>
void RunAll(const Cases& cases) {
  for (const auto& test : cases) {
    INFO(test.name);
    Fixture fixture;
    CHECK(test.run(fixture) == absl::OkStatus());
  }
}

TEST_CASE("the memory log keeps the contract") { RunAll<MemoryLogFixture>(testing::LogStoreConformance()); }
TEST_CASE("the file log keeps the contract") { RunAll<SimLogFixture>(testing::LogStoreConformance()); }
TEST_CASE("the file log keeps the contract on a real disk") { RunAll<PosixLogFixture>(testing::LogStoreConformance()); }

TEST_CASE("the memory election state keeps the contract") {
  RunAll<MemoryElectionFixture>(testing::ElectionStateConformance());
}
TEST_CASE("the file election state keeps the contract") {
  RunAll<SimElectionFixture>(testing::ElectionStateConformance());
}
TEST_CASE("the file election state keeps the contract on a real disk") {
  RunAll<PosixElectionFixture>(testing::ElectionStateConformance());
}

}  // namespace
}  // namespace quorate::storage
