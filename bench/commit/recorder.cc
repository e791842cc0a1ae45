#include "recorder.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/status.h"
#include "quorate/system.h"

namespace quorate::bench {

Caller Recorder::Recording(Caller caller) {
  return [this, caller = std::move(caller)](const host::Command& command, CallDone done) {
    const size_t call = Began(command);
    caller(command, [this, call, done = std::move(done)](absl::Status status) {
      Ended(call, status);
      done(std::move(status));
    });
  };
}

size_t Recorder::Began(const host::Command& command) {
  testing::Operation operation;
  operation.key = std::string(command.key);
  operation.input = absl::StrCat("write ", command.argument);
  std::lock_guard<std::mutex> lock(mutex_);
  operation.called = SystemClock()->Now();
  history_.push_back(std::move(operation));
  return history_.size() - 1;
}

void Recorder::Ended(size_t call, const absl::Status& status) {
  const Instant now = SystemClock()->Now();
  std::lock_guard<std::mutex> lock(mutex_);
  testing::Operation& operation = history_[call];
  if (status.ok()) {
    operation.output = "";
    operation.returned = now;
  } else if (OutcomeOf(status) == Outcome::kNotApplied) {
    operation.key.clear();  // as if it had never been; a write of unknown fate stays open
  }
}

std::vector<testing::Operation> Recorder::TakeHistory() {
  std::lock_guard<std::mutex> lock(mutex_);
  std::erase_if(history_, [](const testing::Operation& operation) { return operation.key.empty(); });
  return std::move(history_);
}

}  // namespace quorate::bench
