// The host's state machine, watched: it gets what is committed, in order, once (I-23), answers the same everywhere
// (I-17), and can be told from its snapshot (I-18).
//
// Results are compared by offset with those of every other node and life. Now and then a snapshot is captured: its
// digest is compared likewise, a *twin* is made from it, and from then on the twin gets the same records and has to
// give the same answers: a field that the snapshot forgets shows there, in its answers or in its next snapshot.
// A record's `result` is sometimes null where nobody waits and sometimes not, because nothing may depend on it.
//
// One thread.
#ifndef QUORATE_TESTING_SIMULATOR_MACHINE_WATCH_H_
#define QUORATE_TESTING_SIMULATOR_MACHINE_WATCH_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/xoshiro.h"
#include "quorate/state_machine.h"
#include "testing/simulator/referee.h"

namespace quorate::testing::simulator {

// What the records of the committed history answered, and what they led to; shared by all nodes.
struct AnswerTable {
  struct Answer {
    uint64_t digest = 0;
    std::string beginning;
    int node = -1;  // whose it was; -1: nobody has answered yet
    bool loaded = false;
    bool twin = false;
  };
  std::vector<Answer> results;  // by offset
};

// The records of a snapshot as one digest; what a source says that fails is an error.
absl::StatusOr<std::vector<std::string>> RecordsOf(StateMachine* machine);
absl::Status LoadRecords(StateMachine* machine, const std::vector<std::string>& records, LogPosition position);

class MachineWatch final : public StateMachine {
 public:
  using MakeTwin = std::function<std::unique_ptr<StateMachine>()>;
  MachineWatch(std::unique_ptr<StateMachine> machine, MakeTwin make_twin, Referee* referee, AnswerTable* answers,
               int node, uint64_t seed)
      : machine_(std::move(machine)),
        make_twin_(std::move(make_twin)),
        referee_(referee),
        answers_(answers),
        node_(node),
        random_(seed) {}

  absl::Status Apply(absl::Span<const CommittedRecord> records) override;
  absl::StatusOr<std::unique_ptr<SnapshotSource>> CaptureSnapshot() override { return machine_->CaptureSnapshot(); }
  absl::Status LoadSnapshot(SnapshotRecords& records, LogPosition position) override;
  void OnLeadership(const Leadership& leadership) override;

  [[nodiscard]] StateMachine* machine() { return machine_.get(); }
  // The end of the last record that was applied, or is in the snapshot that was loaded.
  [[nodiscard]] Offset end() const { return end_; }
  [[nodiscard]] const Leadership& leadership() const { return leadership_; }
  // The state's digest, taken and compared now.
  void CheckState();
  // The process is gone, whatever still runs.
  void Detach() { detached_ = true; }

 private:
  void CheckRecords(absl::Span<const CommittedRecord> records);
  void CheckResult(Offset offset, const std::string& result, bool twin);
  void CheckCaughtUp();
  void FeedTwin(absl::Span<const CommittedRecord> records);

  std::unique_ptr<StateMachine> machine_;
  const MakeTwin make_twin_;
  Referee* const referee_;
  AnswerTable* const answers_;
  const int node_;
  Xoshiro random_;
  bool detached_ = false;
  bool loaded_ = false;  // the state came from a snapshot, in this life
  bool takes_snapshots_ = true;
  Offset end_;
  size_t next_ = 0;  // index of the committed batch in which the next record is looked for
  Leadership leadership_;
  std::unique_ptr<StateMachine> twin_;
};

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_MACHINE_WATCH_H_
