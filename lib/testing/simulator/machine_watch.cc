#include "testing/simulator/machine_watch.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "testing/simulator/message_digest.h"

namespace quorate::testing::simulator {
namespace {

// The state is looked at where an offset's hash says so: on all nodes at the same places.
constexpr uint64_t kStateEvery = 37;
// Of an answer, in a report.
constexpr size_t kAnswerShown = 60;

class StoredRecords final : public SnapshotRecords {
 public:
  explicit StoredRecords(const std::vector<std::string>* records) : records_(records) {}
  absl::StatusOr<std::optional<absl::string_view>> Next() override {
    if (at_ == records_->size()) return std::nullopt;
    return std::optional<absl::string_view>((*records_)[at_++]);
  }

 private:
  const std::vector<std::string>* const records_;
  size_t at_ = 0;
};

std::string Whose(const AnswerTable::Answer& answer) {
  const std::string node = absl::StrCat("node ", answer.node);
  if (answer.twin) return absl::StrCat("a copy made from a snapshot of ", node);
  return answer.loaded ? absl::StrCat(node, ", whose state began with a snapshot,") : node;
}

bool IsSampled(Offset end) {
  TraceHash hash;
  hash.Mix(static_cast<uint64_t>(end.value()));
  return hash.value() % kStateEvery == 0;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> RecordsOf(StateMachine* machine) {
  absl::StatusOr<std::unique_ptr<SnapshotSource>> source = machine->CaptureSnapshot();
  if (!source.ok()) return source.status();
  std::vector<std::string> records;
  if (*source == nullptr) return absl::UnimplementedError("this state machine takes no snapshots");
  while (true) {
    absl::StatusOr<std::optional<std::string>> next = (*source)->Next();
    if (!next.ok()) return next.status();
    if (!next->has_value()) return records;
    records.push_back(**std::move(next));
  }
}

absl::Status LoadRecords(StateMachine* machine, const std::vector<std::string>& records, LogPosition position) {
  StoredRecords stored(&records);
  return machine->LoadSnapshot(stored, position);
}

absl::Status MachineWatch::Apply(absl::Span<const CommittedRecord> records) {
  if (!detached_) CheckRecords(records);
  // Where nobody waits for a result one is asked for now and then, and always where it can be compared.
  std::vector<std::string> results(records.size());
  std::vector<CommittedRecord> shown(records.begin(), records.end());
  for (size_t i = 0; i < shown.size(); ++i) {
    if (shown[i].result == nullptr && random_.Below(2) == 0) shown[i].result = &results[i];
  }
  const absl::Status applied = machine_->Apply(shown);
  if (!applied.ok() || detached_) return applied;
  for (size_t i = 0; i < shown.size(); ++i) {
    if (shown[i].result != nullptr) CheckResult(shown[i].offset, *shown[i].result, /*twin=*/false);
  }
  end_ = records.back().offset + 1;
  FeedTwin(records);
  if (IsSampled(end_)) CheckState();
  return applied;
}

// I-23: what is committed, in order, without a gap.
void MachineWatch::CheckRecords(absl::Span<const CommittedRecord> records) {
  const std::vector<History::Committed>& committed = referee_->history().committed();
  for (const CommittedRecord& record : records) {
    while (next_ < committed.size() &&
           (committed[next_].entry.end <= end_ || committed[next_].batch.kind() == BatchKind::kControl)) {
      ++next_;
    }
    const Offset expected = next_ == committed.size() ? kNoOffset : std::max(end_, committed[next_].entry.base);
    if (record.offset != expected) {
      return referee_->Fail("I-23",
                            absl::StrCat("node ", node_, " applies the record at offset ", record.offset.value(),
                                         ", the next committed one is at ", expected.value()));
    }
    const History::Committed& batch = committed[next_];
    const auto index = static_cast<size_t>(record.offset - batch.entry.base);
    if (batch.records[index] != record.data || batch.entry.epoch != record.epoch) {
      return referee_->Fail("I-23", absl::StrCat("node ", node_, " applies other bytes at offset ",
                                                 record.offset.value(), " than were committed"));
    }
    end_ = record.offset + 1;
  }
}

void MachineWatch::CheckResult(Offset offset, const std::string& result, bool twin) {
  const auto index = static_cast<size_t>(offset.value());
  if (answers_->results.size() <= index) answers_->results.resize(index + 1);
  AnswerTable::Answer& known = answers_->results[index];
  const uint64_t digest = BytesDigest(result);
  if (known.node >= 0 && known.digest == digest) return;
  const AnswerTable::Answer answer{digest, result.substr(0, kAnswerShown), node_, loaded_, twin};
  if (known.node < 0) {
    known = answer;
    return;
  }
  referee_->Fail(twin || loaded_ ? "I-18" : "I-17",
                 absl::StrCat("the state machine's answer to the record at offset ", offset.value(),
                              " isn't a function of the records: ", Whose(answer), " answers \"", answer.beginning,
                              "\", ", Whose(known), " answered \"", known.beginning, "\""));
}

void MachineWatch::FeedTwin(absl::Span<const CommittedRecord> records) {
  if (twin_ == nullptr) return;
  std::vector<std::string> results(records.size());
  std::vector<CommittedRecord> shown(records.begin(), records.end());
  for (size_t i = 0; i < shown.size(); ++i) shown[i].result = &results[i];
  const absl::Status applied = twin_->Apply(shown);
  if (!applied.ok()) {
    return referee_->Fail("I-18", absl::StrCat("a copy made from a snapshot refuses the record at offset ",
                                               records.front().offset.value(), ": ", applied.message()));
  }
  for (size_t i = 0; i < shown.size(); ++i) {
    CheckResult(shown[i].offset, results[i], /*twin=*/true);
  }
}

void MachineWatch::CheckState() {
  if (!takes_snapshots_ || detached_) return;
  absl::StatusOr<std::vector<std::string>> records = RecordsOf(machine_.get());
  takes_snapshots_ = records.status().code() != absl::StatusCode::kUnimplemented;
  if (!takes_snapshots_) return;
  if (!records.ok()) {
    return referee_->Fail("I-18", absl::StrCat("the state machine can't be captured: ", records.status().message()));
  }
  uint64_t digest = records->size();
  for (const std::string& record : *records) digest = BytesDigest(record, digest);
  referee_->StateDigest(node_, end_, digest, loaded_ ? "loaded" : "applied");
  if (twin_ != nullptr) {
    absl::StatusOr<std::vector<std::string>> twins = RecordsOf(twin_.get());
    if (!twins.ok() || *twins != *records) {
      return referee_->Fail("I-18", absl::StrCat("at offset ", end_.value(), " the state of node ", node_,
                                                 " and that of a copy made from a snapshot of it differ"));
    }
  }
  twin_ = make_twin_();
  const absl::Status loaded = LoadRecords(twin_.get(), *records, LogPosition{leadership_.epoch, end_});
  if (!loaded.ok()) {
    referee_->Fail("I-18", absl::StrCat("the state machine can't load its own snapshot: ", loaded.message()));
  }
}

absl::Status MachineWatch::LoadSnapshot(SnapshotRecords& records, LogPosition position) {
  absl::Status loaded = machine_->LoadSnapshot(records, position);
  if (!loaded.ok() || detached_) return loaded;
  loaded_ = true;
  // Counted in records that state machines see: what the quorum wrote for itself after the last of them is no news.
  const std::vector<History::Committed>& committed = referee_->history().committed();
  next_ = referee_->history().IndexOf(position.end);
  while (next_ > 0 && committed[next_ - 1].batch.kind() == BatchKind::kControl) --next_;
  end_ = next_ == 0 ? Offset(0) : committed[next_ - 1].entry.end;
  twin_.reset();
  if (IsSampled(end_)) CheckState();
  return loaded;
}

// I-23: whoever is told that it leads has applied all that was committed in earlier epochs.
void MachineWatch::CheckCaughtUp() {
  const std::vector<History::Committed>& committed = referee_->history().committed();
  for (size_t i = next_; i < committed.size() && committed[i].entry.epoch < leadership_.epoch; ++i) {
    if (committed[i].entry.end <= end_ || committed[i].batch.kind() == BatchKind::kControl) continue;
    return referee_->Fail("I-23",
                          absl::StrCat("node ", node_, " is told that it leads epoch ", leadership_.epoch.value(),
                                       " before it has applied offset ", committed[i].entry.base.value()));
  }
}

void MachineWatch::OnLeadership(const Leadership& leadership) {
  if (!detached_) {
    if (leadership.epoch < leadership_.epoch) {
      referee_->Fail("I-23", absl::StrCat("node ", node_, " tells of epoch ", leadership.epoch.value(), " after ",
                                          leadership_.epoch.value()));
    }
    leadership_ = leadership;
    if (leadership.is_self) CheckCaughtUp();
  }
  machine_->OnLeadership(leadership);
}

}  // namespace quorate::testing::simulator
