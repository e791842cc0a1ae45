// What clients saw, and whether one copy of the data could have answered so.
//
// Recording is thread-safe; the checks are for when all clients have stopped.
#ifndef QUORATE_TESTS_BLACKBOX_HISTORY_H_
#define QUORATE_TESTS_BLACKBOX_HISTORY_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "blackbox/host_names.h"
#include "quorate/testing/linearizability.h"

namespace quorate::blackbox {

// The registers of the host, as a function of one key. Understands RegisterModel's operations, and "append X", which
// answers the value's length, and "add N", which answers the sum.
class HostModel final : public testing::SequentialModel {
 public:
  [[nodiscard]] std::string InitialState() const override { return ""; }
  [[nodiscard]] std::optional<std::string> Apply(absl::string_view state,
                                                 const testing::Operation& operation) const override;
  [[nodiscard]] bool NeverChanges(const testing::Operation& operation) const override {
    return testing::RegisterModel().NeverChanges(operation);
  }
};

class History {
 public:
  // What became of a call. `answer` null: none came, so its outcome is unknown. `sent` false: it never left.
  void Record(const Command& command, Instant called, Instant returned, const Answer* answer, bool sent = true);

  [[nodiscard]] size_t calls() const;
  // Writes that were acknowledged, so far.
  [[nodiscard]] uint64_t acknowledged() const;
  // Answered calls, refusals included.
  [[nodiscard]] uint64_t unknown() const;
  [[nodiscard]] std::set<std::string> keys() const;

  // One line for each call, by key and time, for somebody to look at.
  void WriteTo(const std::string& file) const;

  // Empty when it is linearizable; else why not.
  [[nodiscard]] std::string Check() const;
  // What is missing in the values at the end, although it was acknowledged, or is there twice. Says more plainly than
  // a search for an order what was lost. Empty: nothing.
  [[nodiscard]] std::string Missing(const std::map<std::string, std::string>& final_values) const;
  // Two stale reads of one key at one position that differ: nodes that applied different records. Empty: none.
  [[nodiscard]] std::string StaleContradiction() const;

 private:
  void RecordStale(const Command& command, const Answer& answer);

  mutable std::mutex mutex_;
  std::vector<testing::Operation> operations_;
  std::vector<std::pair<std::string, std::string>> appended_;  // acknowledged: key and token
  std::map<std::pair<std::string, int64_t>, std::string> stale_;
  std::string stale_contradiction_;
  uint64_t acknowledged_ = 0;
  uint64_t unknown_ = 0;
};

}  // namespace quorate::blackbox

#endif  // QUORATE_TESTS_BLACKBOX_HISTORY_H_
