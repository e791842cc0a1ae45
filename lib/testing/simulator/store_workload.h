// The state machine and the clients that quorate's own runs use: a few keys, each with a value that is a register, a
// sum and a chain at once, so that every order of two writes shows in somebody's answer.
//
//   w X     the value is X now                     answers ""
//   c X Y   if the value is X, it is Y now         answers 1 or 0
//   i N     adds N to the value                    answers the sum
//   a X     the value is hash(value, X) now        answers it
//
// One thread.
#ifndef QUORATE_TESTING_SIMULATOR_STORE_WORKLOAD_H_
#define QUORATE_TESTING_SIMULATOR_STORE_WORKLOAD_H_

#include <map>
#include <memory>
#include <string>

#include "quorate/testing/simulator.h"

namespace quorate::testing::simulator {

// Captures in O(1): the map is shared until the next write.
class StoreMachine final : public StateMachine {
 public:
  absl::Status Apply(absl::Span<const CommittedRecord> records) override;
  absl::StatusOr<std::unique_ptr<SnapshotSource>> CaptureSnapshot() override;
  absl::Status LoadSnapshot(SnapshotRecords& records, LogPosition position) override;
  [[nodiscard]] std::string Read(const std::string& key) const;

 private:
  using Values = std::map<std::string, std::string>;
  std::shared_ptr<Values> values_ = std::make_shared<Values>();
};

class StoreWorkload final : public Workload {
 public:
  StoreWorkload(int keys, int reads_permille) : keys_(keys), reads_permille_(reads_permille) {}
  WorkloadCall Next(int client, uint64_t serial, Random* random) override;
  std::string Answer(StateMachine* machine, const WorkloadCall& call) override;
  [[nodiscard]] const SequentialModel* model() const override { return &model_; }

 private:
  class Model final : public SequentialModel {
   public:
    [[nodiscard]] std::string InitialState() const override { return ""; }
    [[nodiscard]] std::optional<std::string> Apply(absl::string_view state, const Operation& operation) const override;
  };
  const int keys_;
  const int reads_permille_;
  const Model model_;
};

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_STORE_WORKLOAD_H_
