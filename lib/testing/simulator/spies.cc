#include "testing/simulator/spies.h"

#include <utility>

#include "testing/simulator/message_digest.h"

namespace quorate::testing::simulator {
namespace {

class LogSpy final : public LogStore {
 public:
  LogSpy(std::unique_ptr<LogStore> store, Referee* referee, int node)
      : store_(std::move(store)), referee_(referee), node_(node) {}

  absl::StatusOr<LogBounds> Open(absl::FunctionRef<absl::Status(const Batch&)> visit) override {
    std::vector<Batch> batches;
    absl::StatusOr<LogBounds> bounds = store_->Open([&](const Batch& batch) {
      batches.push_back(batch);
      return visit(batch);
    });
    if (bounds.ok()) referee_->LogOpened(node_, *bounds, batches);
    return bounds;
  }

  void Append(std::vector<Batch> batches, AppendDone done) override {
    const uint64_t truncations = referee_->At(node_).truncations;
    store_->Append(std::move(batches), [this, truncations, done = std::move(done)](absl::StatusOr<Offset> end) mutable {
      if (end.ok()) referee_->BecameDurable(node_, *end, truncations);
      std::move(done)(std::move(end));
    });
  }

  void TruncateSuffix(Offset new_end, Done done) override {
    store_->TruncateSuffix(new_end, [this, new_end, done = std::move(done)](absl::Status truncated) mutable {
      if (truncated.ok()) referee_->Truncated(node_, new_end);
      std::move(done)(std::move(truncated));
    });
  }
  void TrimPrefix(LogPosition start, Done done) override {
    referee_->Trims(node_, start);
    store_->TrimPrefix(start, std::move(done));
  }
  void ResetTo(LogPosition start, Done done) override {
    referee_->ResetsLog(node_, start);
    store_->ResetTo(start, std::move(done));
  }
  void Read(Offset from, size_t max_bytes, ReadDone done) override { store_->Read(from, max_bytes, std::move(done)); }

 private:
  std::unique_ptr<LogStore> store_;
  Referee* const referee_;
  const int node_;
};

class ElectionSpy final : public ElectionStateStore {
 public:
  ElectionSpy(std::unique_ptr<ElectionStateStore> store, Referee* referee, int node)
      : store_(std::move(store)), referee_(referee), node_(node) {}

  absl::StatusOr<std::optional<ElectionState>> Load() override {
    absl::StatusOr<std::optional<ElectionState>> state = store_->Load();
    if (state.ok()) referee_->ElectionStateLoaded(node_, *state);
    return state;
  }
  void Store(const ElectionState& state, absl::AnyInvocable<void(absl::Status) &&> done) override {
    store_->Store(state, [this, state, done = std::move(done)](absl::Status stored) mutable {
      if (stored.ok()) referee_->ElectionStatePersisted(node_, state);
      std::move(done)(std::move(stored));
    });
  }

 private:
  std::unique_ptr<ElectionStateStore> store_;
  Referee* const referee_;
  const int node_;
};

// Takes the digest of what is written, piece by piece. The rest of a received file that was begun in an earlier life is
// read back at the end instead.
class SnapshotWriterSpy final : public SnapshotWriter {
 public:
  SnapshotWriterSpy(std::unique_ptr<SnapshotWriter> writer, SnapshotStore* store, LogPosition id, Referee* referee,
                    int node)
      : writer_(std::move(writer)), store_(store), id_(id), referee_(referee), node_(node) {}

  [[nodiscard]] uint64_t size() const override { return writer_->size(); }
  absl::Status Append(absl::string_view bytes) override { return writer_->Append(bytes); }
  absl::StatusOr<bool> CheckSome(uint64_t bytes_max) override { return writer_->CheckSome(bytes_max); }
  absl::Status Finish() override {
    absl::Status finished = writer_->Finish();
    if (!finished.ok()) return finished;
    absl::StatusOr<std::unique_ptr<SnapshotReader>> reader = store_->OpenReader(id_);
    std::string bytes;
    // One that can't be read back now will be found out by whoever has to use it.
    if (reader.ok() && (*reader)->ReadAt(0, (*reader)->size(), &bytes).ok()) {
      referee_->SnapshotFinished(node_, id_, BytesDigest(bytes));
    }
    return finished;
  }

 private:
  std::unique_ptr<SnapshotWriter> writer_;
  SnapshotStore* const store_;
  const LogPosition id_;
  Referee* const referee_;
  const int node_;
};

class SnapshotSpy final : public SnapshotStore {
 public:
  SnapshotSpy(std::unique_ptr<SnapshotStore> store, Referee* referee, int node)
      : store_(std::move(store)), referee_(referee), node_(node) {}

  absl::StatusOr<Contents> Open() override { return store_->Open(); }
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> Create(LogPosition id) override {
    return Watch(store_->Create(id), id);
  }
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> Receive(const SnapshotInfo& expected) override {
    return Watch(store_->Receive(expected), expected.id);
  }
  absl::StatusOr<std::unique_ptr<SnapshotReader>> OpenReader(LogPosition id) override { return store_->OpenReader(id); }
  absl::Status Remove(LogPosition id) override { return store_->Remove(id); }
  absl::Status RemovePartial() override { return store_->RemovePartial(); }
  [[nodiscard]] std::string NameOf(LogPosition id) const override { return store_->NameOf(id); }

 private:
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> Watch(absl::StatusOr<std::unique_ptr<SnapshotWriter>> writer,
                                                        LogPosition id) {
    if (!writer.ok()) return writer;
    return std::make_unique<SnapshotWriterSpy>(*std::move(writer), store_.get(), id, referee_, node_);
  }

  std::unique_ptr<SnapshotStore> store_;
  Referee* const referee_;
  const int node_;
};

}  // namespace

std::unique_ptr<LogStore> WatchLogStore(std::unique_ptr<LogStore> store, Referee* referee, int node) {
  return std::make_unique<LogSpy>(std::move(store), referee, node);
}

std::unique_ptr<ElectionStateStore> WatchElectionStateStore(std::unique_ptr<ElectionStateStore> store, Referee* referee,
                                                            int node) {
  return std::make_unique<ElectionSpy>(std::move(store), referee, node);
}

std::unique_ptr<SnapshotStore> WatchSnapshotStore(std::unique_ptr<SnapshotStore> store, Referee* referee, int node) {
  if (store == nullptr) return nullptr;
  return std::make_unique<SnapshotSpy>(std::move(store), referee, node);
}

}  // namespace quorate::testing::simulator
