// File: quorate/testing/linearizability.h
//
// Is a history of calls linearizable: is there one order of them, each between its call and its return, that a
// single copy of the data could have answered so? (Herlihy and Wing 1990)
//
//   std::vector<Operation> history = …;               // what clients saw
//   auto verdict = CheckLinearizable(history, RegisterModel());
//   if (!verdict.linearizable) std::cerr << verdict.explanation;
//
// A call whose outcome is unknown (a deadline that passed, a leader that was lost) may have taken effect at any moment
// after it began, or never: it stays open to the end of the history.
//
// Algorithm: the search of Wing and Gong in Lowe's form, with memory of what was tried: a set of operations that were
// put in order and the state that they led to are never looked at twice. A read is put in order as soon as it fits, and
// never taken back; what has no answer is tried last. Histories of several keys are checked key by key, which is sound
// (locality) and what makes it fast. The search is exponential in the number of writes that overlap, not in the length
// of the history; `steps_max` bounds it.
//
// Pure functions; any thread.
#ifndef QUORATE_TESTING_LINEARIZABILITY_H_
#define QUORATE_TESTING_LINEARIZABILITY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "quorate/environment.h"

namespace quorate::testing {

struct Operation {
  std::string key;                    // operations on different keys don't concern each other
  std::string input;                  // what was asked, in the model's terms
  std::optional<std::string> output;  // what was answered; nullopt: unknown
  Instant called;
  Instant returned = Instant::Infinite();  // Infinite: never, as far as the client knows
};

// One copy of the data of one key, as a function.
class SequentialModel {
 public:
  virtual ~SequentialModel() = default;
  [[nodiscard]] virtual std::string InitialState() const = 0;
  // The state after `operation` in `state`, or nullopt when it could not have been answered so. An operation without an
  // output agrees with every answer.
  [[nodiscard]] virtual std::optional<std::string> Apply(absl::string_view state, const Operation& operation) const = 0;
  // Whether an operation that was answered as this one was leaves the state as it is, whatever that is: a read. False
  // is always right; true spares the search most of its work.
  [[nodiscard]] virtual bool NeverChanges(const Operation& operation) const {
    (void)operation;
    return false;
  }
};

// A register: "read" answers its value, "write X" answers "", "cas X Y" answers "1" and makes Y of X, or "0". Starts
// empty.
class RegisterModel final : public SequentialModel {
 public:
  [[nodiscard]] std::string InitialState() const override { return ""; }
  [[nodiscard]] std::optional<std::string> Apply(absl::string_view state, const Operation& operation) const override;
  [[nodiscard]] bool NeverChanges(const Operation& operation) const override;
};

struct LinearizabilityVerdict {
  bool linearizable = false;
  bool decided = true;      // false: gave up after `steps_max` steps; `linearizable` says nothing then
  std::string explanation;  // why not: the key, and the operations around which every order fails
};

LinearizabilityVerdict CheckLinearizable(const std::vector<Operation>& history, const SequentialModel& model,
                                         uint64_t steps_max = 10'000'000);

}  // namespace quorate::testing

#endif  // QUORATE_TESTING_LINEARIZABILITY_H_
