// A snapshot that is large: real threads, real files, and a link and nodes that break while it travels. It must go on
// where it stopped, arrive whole, and never hold the strand of either node.
//
// ctest sends 64 MiB; `test_quorum "[large]"` sends 1 GiB.

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/xoshiro.h"
#include "quorate/quorum_node.h"
#include "quorate/status.h"
#include "quorate/storage_adapters.h"
#include "quorate/system.h"
#include "quorate/transport_adapters.h"
#include "quorum/strand_meter.h"
#include "support/catch.h"

namespace quorate::quorum {
namespace {

constexpr std::chrono::minutes kPatience(2);
constexpr size_t kBlobBytes = 64u << 10;

std::string Blob(uint64_t number) {
  std::string blob(kBlobBytes, '\0');
  Xoshiro random(number + 1);
  for (size_t at = 0; at < kBlobBytes; at += sizeof(uint64_t)) {
    const uint64_t word = random.Next();
    blob.replace(at, sizeof(word), reinterpret_cast<const char*>(&word), sizeof(word));
  }
  return blob;
}

// "grow N": N more blobs. Their contents follow from their numbers, so that a state of any size costs no memory, and a
// loaded one can be checked byte by byte.
class BlobMachine final : public StateMachine {
 public:
  absl::Status Apply(absl::Span<const CommittedRecord> records) override {
    for (const CommittedRecord& record : records) {
      uint64_t more = 0;
      if (!absl::SimpleAtoi(record.data, &more)) return absl::InvalidArgumentError("not a number");
      blobs += more;
    }
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<SnapshotSource>> CaptureSnapshot() override {
    return std::make_unique<Source>(blobs.load());
  }
  absl::Status LoadSnapshot(SnapshotRecords& records, LogPosition) override {
    uint64_t number = 0;
    while (true) {
      absl::StatusOr<std::optional<absl::string_view>> record = records.Next();
      if (!record.ok()) return record.status();
      if (!record->has_value()) break;
      if (**record != Blob(number)) return absl::DataLossError(absl::StrCat("blob ", number, " is another one"));
      ++number;
    }
    blobs = number;
    ++loads;
    return absl::OkStatus();
  }

  std::atomic<uint64_t> blobs{0};
  std::atomic<int> loads{0};

 private:
  class Source final : public SnapshotSource {
   public:
    explicit Source(uint64_t blobs) : blobs_(blobs) {}
    absl::StatusOr<std::optional<std::string>> Next() override {
      if (next_ == blobs_) return std::nullopt;
      return Blob(next_++);
    }

   private:
    const uint64_t blobs_;
    uint64_t next_ = 0;
  };
};

// Counts the bytes of snapshots that arrive, over all lives of the node that it is of.
class Tally {
 public:
  void Add(uint64_t bytes) {
    std::lock_guard<std::mutex> lock(mutex_);
    bytes_ += bytes;
    changed_.notify_all();
  }
  uint64_t bytes() {
    std::lock_guard<std::mutex> lock(mutex_);
    return bytes_;
  }
  // True when `bytes` more came than `since`.
  bool AwaitMore(uint64_t since, uint64_t bytes) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return bytes_ >= since + bytes; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t bytes_ = 0;
};

class CountingTransport final : public Transport, private PeerHandler {
 public:
  CountingTransport(std::unique_ptr<Transport> inner, Tally* tally, StrandMeter* meter)
      : inner_(std::move(inner)), tally_(tally), meter_(meter) {}
  absl::Status Start(const TransportIdentity& identity, PeerHandler* handler) override {
    handler_ = handler;
    return inner_->Start(identity, this);
  }
  void SetPeer(NodeId id, const Endpoint& endpoint) override { inner_->SetPeer(id, endpoint); }
  void ForgetPeer(NodeId id) override { inner_->ForgetPeer(id); }
  void Send(Message message) override {
    meter_->Elsewhere([&] { inner_->Send(std::move(message)); });
  }
  void Stop() override { inner_->Stop(); }

 private:
  void OnMessage(Message message) override {
    if (const auto* piece = std::get_if<SnapshotResponse>(&message.body)) tally_->Add(piece->data.size());
    handler_->OnMessage(std::move(message));
  }
  void OnPeerConnected(NodeId peer) override { handler_->OnPeerConnected(peer); }
  void OnPeerDisconnected(NodeId peer) override { handler_->OnPeerDisconnected(peer); }

  const std::unique_ptr<Transport> inner_;
  Tally* const tally_;
  StrandMeter* const meter_;
  PeerHandler* handler_ = nullptr;
};

// A sole voter and an observer that comes late.
class LatePair {
 public:
  // All of it takes three seconds or more, so that an interruption isn't late.
  explicit LatePair(uint64_t mebibytes) : bytes_per_second_((mebibytes << 20) / 3) {
    root_ = std::filesystem::temp_directory_path() / absl::StrCat("quorate-large-", SystemRandom()->Next());
    wire_ = ThreadExecutorFactory()->MakeSerial("wire");
    network_ = InProcessNetwork::Create(wire_.get(), SystemClock());
    for (int index = 0; index < 2; ++index) {
      Member& member = members_[index];
      member.key = {NodeId(index + 1), DirectoryId(Uuid(9, 1001 + static_cast<uint64_t>(index)))};
      member.endpoint = {"CONTROLLER", absl::StrCat("node-", index + 1), 1};
      member.path = root_ / absl::StrCat(index + 1);
      DirectoryIdentity identity{cluster_id_, member.key.id, member.key.directory, std::nullopt};
      if (index == 0) identity.initial_voters = {{member.key, {member.endpoint}, 0, 1}};
      REQUIRE(FormatDirectory(PosixFileSystem(), member.path, identity).ok());
    }
  }
  ~LatePair() {
    Stop(1);
    Stop(0);
    network_.reset();
    wire_.reset();
    std::filesystem::remove_all(root_);
  }

  void Start(int index) {
    Member& member = members_[index];
    FileStorageOptions storage;
    storage.path = member.path;
    storage.segment_bytes = 1u << 20;
    absl::StatusOr<std::unique_ptr<DataDirectory>> directory = DataDirectory::Open(std::move(storage));
    INFO(directory.status());
    REQUIRE(directory.ok());
    member.directory = *std::move(directory);
    QuorumOptions options;
    options.cluster_id = cluster_id_;
    options.self = member.key;
    if (index == 0) options.initial_voters = {{member.key, {member.endpoint}, 0, 1}};
    if (index == 1) options.bootstrap_servers = {members_[0].endpoint};
    options.snapshots.log_bytes = 0;
    options.snapshots.send_bytes_per_second = bytes_per_second_;
    options.snapshots.interval = absl::ZeroDuration();
    QuorumDependencies dependencies;
    dependencies.log = member.directory->MakeLogStore();
    dependencies.election_state = member.directory->MakeElectionStateStore();
    dependencies.snapshots = member.directory->MakeSnapshotStore();
    dependencies.transport =
        std::make_unique<CountingTransport>(network_->MakeTransport(member.endpoint), &member.received, &member.meter);
    dependencies.state_machine = &member.machine;
    dependencies.observer = &member.meter;
    dependencies.on_fault = [](const absl::Status& fault) { FAIL(fault); };
    absl::StatusOr<std::unique_ptr<QuorumNode>> node = QuorumNode::Create(std::move(options), std::move(dependencies));
    INFO(node.status());
    REQUIRE(node.ok());
    member.node = *std::move(node);
    const absl::Status started = member.node->Start();
    INFO(started);
    REQUIRE(started.ok());
  }
  void Stop(int index) {
    members_[index].node.reset();
    members_[index].directory.reset();
  }
  void Restart(int index) {
    Stop(index);
    Start(index);
  }
  void Link(bool up) {
    network_->SetLink(members_[0].endpoint.Address(), members_[1].endpoint.Address(), up);
    network_->SetLink(members_[1].endpoint.Address(), members_[0].endpoint.Address(), up);
  }

  // Runs a call of the leader to its end, again while it isn't the leader yet.
  template <typename Result>
  Result Call(absl::FunctionRef<void(QuorumNode&, absl::AnyInvocable<void(Result) &&>)> call) {
    while (true) {
      std::mutex mutex;
      std::condition_variable changed;
      std::optional<Result> result;
      call(*members_[0].node, [&](Result r) {
        std::lock_guard<std::mutex> lock(mutex);
        result = std::move(r);
        changed.notify_all();
      });
      std::unique_lock<std::mutex> lock(mutex);
      REQUIRE(changed.wait_for(lock, kPatience, [&] { return result.has_value(); }));
      if (result->ok() || !IsRetriable(result->status())) return *std::move(result);
      lock.unlock();
      std::this_thread::yield();
    }
  }
  void Grow(uint64_t blobs) {
    const auto grown = Call<absl::StatusOr<Proposed>>([&](QuorumNode& node, auto done) {
      node.Propose({{absl::StrCat(blobs)}, std::nullopt, absl::Seconds(60)}, std::move(done));
    });
    INFO(grown.status());
    REQUIRE(grown.ok());
  }
  LogPosition TakeSnapshot() {
    const auto taken =
        Call<absl::StatusOr<LogPosition>>([&](QuorumNode& node, auto done) { node.TakeSnapshot(std::move(done)); });
    INFO(taken.status());
    REQUIRE(taken.ok());
    return *taken;
  }
  uint64_t SnapshotBytes(int index) {
    uint64_t largest = 0;
    for (const auto& entry : std::filesystem::directory_iterator(members_[index].path)) {
      if (entry.path().extension() == ".checkpoint") largest = std::max<uint64_t>(largest, entry.file_size());
    }
    return largest;
  }

  struct Member {
    ReplicaKey key;
    Endpoint endpoint;
    std::filesystem::path path;
    BlobMachine machine;
    Tally received;
    StrandMeter meter;
    std::unique_ptr<DataDirectory> directory;
    std::unique_ptr<QuorumNode> node;
  };
  Member& At(int index) { return members_[index]; }

 private:
  const uint64_t bytes_per_second_;
  std::filesystem::path root_;
  ClusterId cluster_id_{Uuid(31, 32)};
  std::unique_ptr<Executor> wire_;
  std::unique_ptr<InProcessNetwork> network_;
  Member members_[2];
};

// Cuts the link, perhaps stops and starts one of its ends, writes on, and lets them go on.
void Interrupt(LatePair& pair, uint64_t kind) {
  pair.Link(false);
  if (kind % 3 == 1) pair.Restart(0);
  if (kind % 3 == 2) pair.Restart(1);
  pair.Grow(0);
  pair.Link(true);
}

void SendInterrupted(uint64_t mebibytes, uint64_t seed) {
  constexpr int kInterruptions = 10;
  // What is fetched a second time, at worst, for each interruption: what wasn't synced yet, and what was on its way.
  constexpr uint64_t kLostMax = 12u << 20;
  LatePair pair(mebibytes);
  pair.Start(0);
  pair.Grow(1);
  pair.TakeSnapshot();
  const uint64_t blobs = mebibytes * ((1u << 20) / kBlobBytes);
  pair.Grow(blobs - 1);
  pair.TakeSnapshot();  // the log begins behind the first one now
  const uint64_t file_bytes = pair.SnapshotBytes(0);
  REQUIRE(file_bytes > mebibytes << 20);

  Xoshiro random(seed);
  pair.Start(1);
  Tally& received = pair.At(1).received;
  for (int i = 0; i < kInterruptions; ++i) {
    // Three quarters of the file at most, in pieces of random size: each interruption falls into the transfer.
    const uint64_t piece = file_bytes / 200 + random.Below(file_bytes * 7 / 100);
    REQUIRE(received.AwaitMore(received.bytes(), piece));
    Interrupt(pair, random.Next());
  }
  // It ends with the state machine loaded, after which the rest of the log follows.
  std::mutex mutex;
  std::condition_variable changed;
  bool applied = false;
  for (int attempt = 0; attempt < 100 && !applied; ++attempt) {
    std::optional<absl::Status> ended;
    pair.At(1).node->ReadBarrier(absl::Seconds(30), [&](const absl::StatusOr<Offset>& read) {
      std::lock_guard<std::mutex> lock(mutex);
      ended = read.status();
      changed.notify_all();
    });
    std::unique_lock<std::mutex> lock(mutex);
    REQUIRE(changed.wait_for(lock, kPatience, [&] { return ended.has_value(); }));
    applied = ended->ok();
  }
  REQUIRE(applied);
  CHECK(pair.At(1).machine.blobs == blobs);
  CHECK(pair.At(1).machine.loads == 1);
  CHECK(pair.SnapshotBytes(1) == file_bytes);
  const QuorumDescription leader = pair.At(0).node->Describe();
  const QuorumDescription late = pair.At(1).node->Describe();
  CHECK(late.snapshot == leader.snapshot);
  WARN(mebibytes << " MiB: " << received.bytes() - file_bytes << " bytes were sent again; the strands were held for "
                 << absl::FormatDuration(pair.At(0).meter.longest()) << " and "
                 << absl::FormatDuration(pair.At(1).meter.longest()) << " at most");
  CHECK(received.bytes() >= file_bytes);
  CHECK(received.bytes() < file_bytes + kInterruptions * kLostMax);
  for (int index = 0; index < 2; ++index) CHECK(pair.At(index).meter.longest() < absl::Milliseconds(5));
}

TEST_CASE("a transfer of 64 MiB, interrupted ten times, goes on each time and holds no strand (F-N16, M-23)",
          "[quorum][snapshot][threads]") {
  SendInterrupted(64, SystemRandom()->Next());
}

TEST_CASE("a transfer of 1 GiB, interrupted ten times, goes on each time and holds no strand (F-N16, M-23)",
          "[.][large]") {
  SendInterrupted(1024, SystemRandom()->Next());
}

}  // namespace
}  // namespace quorate::quorum
