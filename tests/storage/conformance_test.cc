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
using testing::SnapshotStoreFixture;

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

class MemorySnapshotFixture final : public SnapshotStoreFixture {
 public:
  std::unique_ptr<SnapshotStore> Make() override { return NewMemorySnapshotStore(); }
  [[nodiscard]] bool survives_restart() const override { return false; }
};

class SimSnapshotFixture final : public SnapshotStoreFixture {
 public:
  explicit SimSnapshotFixture(uint64_t sync_bytes) {
    machine_.snapshot_sync_bytes = sync_bytes;
    REQUIRE(machine_.Format() == absl::OkStatus());
    REQUIRE(machine_.OpenDirectory() == absl::OkStatus());
  }
  std::unique_ptr<SnapshotStore> Make() override { return machine_.directory->MakeSnapshotStore(); }
  [[nodiscard]] bool survives_restart() const override { return true; }

 private:
  Machine machine_;
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

// A directory below /tmp.
class PosixDirectory {
 public:
  PosixDirectory() {
    std::string name = "/tmp/quorate-storage-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
    REQUIRE(FormatDirectory(PosixFileSystem(), path_, TestIdentity()) == absl::OkStatus());
    FileStorageOptions options;
    options.path = path_;
    options.segment_bytes = 64u << 10;
    options.snapshot_sync_bytes = 16u << 10;
    directory_ = DataDirectory::Open(options).value();
  }
  ~PosixDirectory() {
    directory_.reset();
    const std::vector<std::string> names = *PosixFileSystem()->List(path_);
    for (const std::string& name : names) CHECK(PosixFileSystem()->Remove(JoinPath(path_, name)).ok());
    CHECK(PosixFileSystem()->Remove(path_).ok());
  }
  DataDirectory& operator*() { return *directory_; }

 private:
  std::string path_;
  std::unique_ptr<DataDirectory> directory_;
};

// Real files, real threads.
template <typename Fixture>
class PosixFixture : public Fixture {
 public:
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
  PosixDirectory directory_;
};

class PosixSnapshotFixture final : public SnapshotStoreFixture {
 public:
  std::unique_ptr<SnapshotStore> Make() override { return (*directory_).MakeSnapshotStore(); }
  [[nodiscard]] bool survives_restart() const override { return true; }

 private:
  PosixDirectory directory_;
};

class PosixLogFixture final : public PosixFixture<LogStoreFixture> {
 public:
  std::unique_ptr<LogStore> Make() override { return (*directory_).MakeLogStore(); }
  [[nodiscard]] uint64_t cluster_hash() const override { return kCluster.value().low(); }
};

class PosixElectionFixture final : public PosixFixture<ElectionStateFixture> {
 public:
  std::unique_ptr<ElectionStateStore> Make() override { return (*directory_).MakeElectionStateStore(); }
};

template <typename Fixture, typename Cases, typename... Arguments>
void RunAll(const Cases& cases, Arguments... arguments) {
  for (const auto& test : cases) {
    INFO(test.name);
    Fixture fixture(arguments...);
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

TEST_CASE("the memory snapshot store keeps the contract") {
  RunAll<MemorySnapshotFixture>(testing::SnapshotStoreConformance());
}
TEST_CASE("the file snapshot store keeps the contract, whatever its steps are") {
  for (uint64_t sync_bytes : {1000u, 4096u, 20'000u, 4u << 20}) {
    RunAll<SimSnapshotFixture>(testing::SnapshotStoreConformance(), sync_bytes);
  }
}
TEST_CASE("the file snapshot store keeps the contract on a real disk") {
  RunAll<PosixSnapshotFixture>(testing::SnapshotStoreConformance());
}

}  // namespace
}  // namespace quorate::storage
