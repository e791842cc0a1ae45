#include "storage/file_election_state_store.h"

#include <mutex>

#include "absl/strings/str_cat.h"
#include "base/little_endian.h"
#include "base/simulation.h"
#include "quorate/status.h"
#include "storage/layout.h"

namespace quorate::storage {

std::string EncodeElectionState(const std::optional<ElectionState>& state) {
  const ElectionState value = state.value_or(ElectionState());
  std::string out;
  AppendLittleEndian(static_cast<uint8_t>(state.has_value()), &out);
  AppendLittleEndian(value.epoch.value(), &out);
  AppendLittleEndian(value.voted_for.id.value(), &out);
  AppendLittleEndian(value.voted_for.directory.value().high(), &out);
  AppendLittleEndian(value.voted_for.directory.value().low(), &out);
  AppendLittleEndian(value.leader.value(), &out);
  return out;
}

absl::StatusOr<std::optional<ElectionState>> ParseElectionState(absl::string_view value, absl::string_view path) {
  ByteReader reader(value);
  const auto present = reader.Take<uint8_t>();
  ElectionState state;
  state.epoch = Epoch(reader.Take<int32_t>());
  state.voted_for.id = NodeId(reader.Take<int32_t>());
  const auto high = reader.Take<uint64_t>();
  state.voted_for.directory = DirectoryId(Uuid(high, reader.Take<uint64_t>()));
  state.leader = NodeId(reader.Take<int32_t>());
  if (!reader.AtEnd() || present > 1 || state.epoch.value() < 0 || state.voted_for.id < kNoNode ||
      state.leader < kNoNode) {
    return CorruptionError(path, absl::StrCat("its values make no sense: epoch ", state.epoch.value(), ", vote for ",
                                              state.voted_for.id.value(), ", leader ", state.leader.value()));
  }
  if (present == 0) return std::optional<ElectionState>();
  return std::optional<ElectionState>(state);
}

FileElectionStateStore::FileElectionStateStore(FileSystem* files, std::string path, DirectoryId directory, Clock* clock,
                                               ExecutorFactory* executors, std::shared_ptr<LogSink> log_sink,
                                               StartLedger* ledger)
    : files_(files),
      path_(std::move(path)),
      directory_(directory),
      clock_(clock),
      log_sink_(std::move(log_sink)),
      ledger_(ledger),
      dead_(MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                      "the election state must be loaded before it is used")),
      executor_(executors->MakeSerial("quorate-vote")),
      runner_(executor_.get()) {}

FileElectionStateStore::~FileElectionStateStore() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  executor_.reset();
  // A callback may make further calls: they complete here as well, after it.
  while (true) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      calls_.swap(queue_);
    }
    if (calls_.empty()) break;
    const absl::Status status =
        dead_.ok() ? MakeError(Reason::kShuttingDown, Outcome::kUnknown, "the election state store is being closed")
                   : dead_;
    for (Call& call : calls_) std::move(call.done)(status);
    calls_.clear();
  }
  Mirror();
}

absl::StatusOr<std::optional<ElectionState>> FileElectionStateStore::Load() {
  absl::StatusOr<SlotFile> file = SlotFile::Open(files_, path_, kElectionStateMagic, directory_);
  if (!file.ok() && QUORATE_MUTANT("M-39")) {
    (void)SlotFile::Create(files_, path_, kElectionStateMagic, directory_, EncodeElectionState(std::nullopt));
    file = SlotFile::Open(files_, path_, kElectionStateMagic, directory_);
  }
  dead_ = file.status();
  if (!file.ok()) {
    ledger_->NoteTrouble();
    return file.status();
  }
  if (!file->damage().empty()) {
    QUORATE_MARK("C-04");
    log_sink_->Write(LogLevel::kWarning, "storage",
                     absl::StrCat("event=slot_repaired file=", path_, " damage=\"", file->damage(), "\""));
  }
  absl::StatusOr<std::optional<ElectionState>> state = ParseElectionState(file->value(), path_);
  dead_ = state.status();
  if (state.ok()) file_.emplace(*std::move(file));
  return state;
}

void FileElectionStateStore::Store(const ElectionState& state, absl::AnyInvocable<void(absl::Status) &&> done) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(Call{state, std::move(done)});
    if (scheduled_ || stopping_) return;  // the destructor works the rest off itself
    scheduled_ = true;
  }
  runner_->Post([this] { Drain(); });
}

void FileElectionStateStore::Drain() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    calls_.swap(queue_);
  }
  if (mirror_timer_ != Executor::kNoTimer) runner_->Cancel(mirror_timer_);
  if (dead_.ok()) Die(file_->Write(EncodeElectionState(calls_.back().state)));
  for (Call& call : calls_) std::move(call.done)(dead_);
  calls_.clear();
  mirror_timer_ = runner_->PostAt(clock_->Now() + kMirrorDelay, [this] { Mirror(); });
  {
    std::lock_guard<std::mutex> lock(mutex_);
    scheduled_ = !queue_.empty();
    if (!scheduled_ || stopping_) return;
  }
  runner_->Post([this] { Drain(); });
}

void FileElectionStateStore::Mirror() {
  mirror_timer_ = Executor::kNoTimer;
  if (dead_.ok()) Die(file_->Mirror());
}

void FileElectionStateStore::Die(const absl::Status& status) {
  if (status.ok()) return;
  dead_ = status;
  ledger_->NoteTrouble();
  QUORATE_MARK("C-05");
  log_sink_->Write(LogLevel::kError, "storage",
                   absl::StrCat("event=election_state_failed file=", path_, " error=\"", status.message(), "\""));
}

}  // namespace quorate::storage
