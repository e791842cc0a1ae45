// The snapshot thread's work, step by step: what is long is cut into slices that end when the node does, and what was
// found out about one file is not done to another of the same name.
#include "quorum/snapshot_worker.h"

#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "quorate/status.h"
#include "quorate/storage_adapters.h"
#include "quorate/testing/manual_executor.h"
#include "storage/snapshot_digest.h"
#include "support/catch.h"
#include "testing/sim_file_system.h"

namespace quorate::quorum {
namespace {

constexpr uint64_t kMebibyte = 1u << 20;
const ClusterId kCluster{Uuid(1, 2)};
const LogPosition kAt{Epoch(3), Offset(100)};

// `count` records of a mebibyte each.
class Mebibytes final : public SnapshotSource {
 public:
  explicit Mebibytes(int count) : left_(count) {}
  absl::StatusOr<std::optional<std::string>> Next() override {
    if (left_-- == 0) return std::nullopt;
    return std::string(kMebibyte, 'x');
  }

 private:
  int left_;
};

class ToString final : public SnapshotWriter {
 public:
  explicit ToString(std::string* out) : out_(out) {}
  [[nodiscard]] uint64_t size() const override { return out_->size(); }
  absl::Status Append(absl::string_view bytes) override {
    absl::StrAppend(out_, bytes);
    return absl::OkStatus();
  }
  absl::Status Finish() override { return absl::OkStatus(); }

 private:
  std::string* const out_;
};

SnapshotHead Head() { return {kAt, 7, {kNoOffset, {}, {}}}; }

// A whole snapshot file, as another node would send it.
std::string FileOf(int mebibytes) {
  std::string bytes;
  SnapshotFileWriter file(std::make_unique<ToString>(&bytes), Head(), kCluster);
  Mebibytes source(mebibytes);
  while (true) {
    const auto record = source.Next();
    if (!record->has_value()) break;
    REQUIRE(file.Add(**record).ok());
  }
  REQUIRE(file.Finish().ok());
  return bytes;
}

class Bench {
 public:
  Bench() {
    DirectoryIdentity identity;
    identity.cluster_id = kCluster;
    identity.node_id = NodeId(1);
    identity.directory_id = DirectoryId(Uuid(5, 1));
    REQUIRE(FormatDirectory(&files, "/data", identity).ok());
    FileStorageOptions storage;
    storage.path = "/data";
    storage.files = &files;
    storage.executors = &executors_;
    storage.clock = &clock_;
    directory_ = *DataDirectory::Open(std::move(storage));
    std::unique_ptr<SnapshotStore> store = directory_->MakeSnapshotStore();
    REQUIRE(store->Open().ok());
    worker = std::make_unique<SnapshotWorker>(kCluster, std::move(store), &executors_, &clock_, NullLogSink());
  }
  ~Bench() {
    worker.reset();
    executor.RunUntilIdle();
  }

  // All of it arrives, with the digest that its sender says it has.
  SnapshotInfo Receive(const std::string& bytes) {
    storage::SnapshotDigest digest;
    digest.Add(bytes);
    const SnapshotInfo info{kAt, bytes.size(), digest.value()};
    for (uint64_t at = 0; at < bytes.size(); at += kMebibyte) {
      std::optional<absl::Status> written;
      worker->WriteChunk({1, info, at == 0, at, Bytes::FromString(bytes.substr(at, kMebibyte))},
                         [&](absl::Status status) { written = std::move(status); });
      executor.RunUntilIdle();
      REQUIRE(written->ok());
    }
    return info;
  }
  void Verify(const SnapshotInfo& info) {
    worker->Verify(info, [this](absl::StatusOr<SnapshotWorker::VotersAt> voters) {
      CHECK_FALSE(verified.has_value());
      verified = voters.status();
    });
  }
  void Write(int mebibytes) {
    worker->Write(Head(), std::make_unique<Mebibytes>(mebibytes), [this](absl::StatusOr<SnapshotInfo> info) {
      CHECK_FALSE(written.has_value());
      written = std::move(info);
    });
  }
  absl::StatusOr<raft::SnapshotChunk> FirstBytes() {
    std::optional<absl::StatusOr<raft::SnapshotChunk>> chunk;
    worker->ReadChunk(kAt, 0, 100, [&](absl::StatusOr<raft::SnapshotChunk> c) { chunk = std::move(c); });
    executor.RunUntilIdle();
    return *std::move(chunk);
  }
  bool HasFile(absl::string_view part) {
    const auto names = files.List("/data");
    return std::any_of(names->begin(), names->end(),
                       [&](const std::string& name) { return absl::StrContains(name, part); });
  }

 private:
  testing::ManualClock clock_;

 public:
  testing::ManualExecutor executor{&clock_};
  testing::SimFileSystem files;

 private:
  testing::ManualExecutorFactory executors_{&executor};
  std::unique_ptr<DataDirectory> directory_;

 public:
  std::unique_ptr<SnapshotWorker> worker;
  std::optional<absl::Status> verified;
  std::optional<absl::StatusOr<SnapshotInfo>> written;
};

// Another state under the same name, and not readable to its end: the footer counts other records.
std::string BadFile(int mebibytes) {
  std::string bytes = FileOf(mebibytes);
  bytes[bytes.size() - kMebibyte / 2] ^= 1;
  return bytes;
}

TEST_CASE("a received file that doesn't verify takes no snapshot of this node's own with it (M-23, F-D03)",
          "[quorum][snapshot]") {
  Bench bench;
  const SnapshotInfo bad = bench.Receive(BadFile(4));
  SECTION("that was there before") {
    bench.Write(2);
    bench.executor.RunUntilIdle();
    REQUIRE(bench.written->ok());
    bench.Verify(bad);
  }
  SECTION("that is taken while the received one is verified") {
    bench.Verify(bad);
    while (!bench.HasFile("100-0000000003.checkpoint")) REQUIRE(bench.executor.RunOne());
    bench.Write(1);
  }
  bench.executor.RunUntilIdle();
  REQUIRE(bench.verified.has_value());
  CHECK_FALSE(bench.verified->ok());
  REQUIRE(bench.written.has_value());
  REQUIRE(bench.written->ok());
  const absl::StatusOr<raft::SnapshotChunk> chunk = bench.FirstBytes();
  INFO(chunk.status());
  REQUIRE(chunk.ok());
  CHECK(chunk->info == **bench.written);
  CHECK_FALSE(bench.HasFile("part"));
}

TEST_CASE("the same snapshot, received and taken, is one", "[quorum][snapshot]") {
  Bench bench;
  const SnapshotInfo received = bench.Receive(FileOf(3));
  SECTION("received first") {
    bench.Verify(received);
    bench.executor.RunUntilIdle();
    bench.Write(3);
  }
  SECTION("taken first") {
    bench.Write(3);
    bench.executor.RunUntilIdle();
    bench.Verify(received);
  }
  bench.executor.RunUntilIdle();
  CHECK(bench.verified->ok());
  REQUIRE(bench.written->ok());
  CHECK(**bench.written == received);
  CHECK(bench.FirstBytes()->info == received);
}

TEST_CASE("a bad received file is removed when it is alone", "[quorum][snapshot]") {
  Bench bench;
  bench.Verify(bench.Receive(BadFile(2)));
  bench.executor.RunUntilIdle();
  CHECK(ReasonOf(*bench.verified) == Reason::kCorruption);
  CHECK_FALSE(bench.HasFile("00000000000000000100-"));
}

TEST_CASE("a large received file is checked in slices, and a node that stops waits for one (F-H06)",
          "[quorum][snapshot]") {
  Bench bench;
  const SnapshotInfo info = bench.Receive(FileOf(8));
  uint64_t read = 0;
  uint64_t longest = 0;
  bench.files.SetHook([&](const testing::FileCallInfo& call) {
    if (call.call == testing::FileCall::kRead) read += call.length;
    return absl::OkStatus();
  });
  const auto step = [&] {
    read = 0;
    const bool more = bench.executor.RunOne();
    longest = std::max(longest, read);
    return more;
  };
  bench.Verify(info);
  SECTION("to its end") {
    while (!bench.verified.has_value()) REQUIRE(step());
    CHECK(bench.verified->ok());
    // A slice reads a mebibyte, or what is left of a batch of the file's.
    CHECK(longest >= kMebibyte);
    CHECK(longest <= 4 * kMebibyte);
  }
  SECTION("until the node stops") {
    for (int i = 0; i < 3; ++i) REQUIRE(step());
    REQUIRE_FALSE(bench.verified.has_value());
    bench.worker->StopReading();
    read = 0;
    while (!bench.verified.has_value()) REQUIRE(bench.executor.RunOne());
    CHECK(ReasonOf(*bench.verified) == Reason::kShuttingDown);
    CHECK(read == 0);
    CHECK(bench.HasFile("part"));  // to be resumed after the restart
  }
}

}  // namespace
}  // namespace quorate::quorum
