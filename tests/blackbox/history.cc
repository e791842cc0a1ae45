#include "blackbox/history.h"

#include <algorithm>
#include <fstream>
#include <tuple>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace quorate::blackbox {
namespace {

std::string Describe(const Command& command) {
  switch (command.operation) {
    case Operation::kWrite:
      return absl::StrCat("write ", command.argument);
    case Operation::kCompareSet:
      return absl::StrCat("cas ", command.expected, " ", command.argument);
    case Operation::kAppend:
      return absl::StrCat("append ", command.argument);
    case Operation::kAdd:
      return absl::StrCat("add ", command.argument);
    default:
      return "read";
  }
}

}  // namespace

std::optional<std::string> HostModel::Apply(absl::string_view state, const testing::Operation& operation) const {
  const absl::string_view input = operation.input;
  std::string next(state);
  std::string answer;
  if (input.substr(0, 7) == "append ") {
    absl::StrAppend(&next, input.substr(7));
    answer = absl::StrCat(next.size());
  } else if (input.substr(0, 4) == "add ") {
    int64_t sum = 0, amount = 0;
    if ((!state.empty() && !absl::SimpleAtoi(state, &sum)) || !absl::SimpleAtoi(input.substr(4), &amount)) {
      return std::nullopt;
    }
    answer = next = absl::StrCat(sum + amount);
  } else {
    return testing::RegisterModel().Apply(state, operation);
  }
  if (operation.output && *operation.output != answer) return std::nullopt;
  return next;
}

void History::Record(const Command& command, Instant called, Instant returned, const Answer* answer, bool sent) {
  if (!sent || (answer != nullptr && (answer->result == Result::kNotApplied || answer->result == Result::kRejected))) {
    return;  // certainly without effect
  }
  std::lock_guard<std::mutex> lock(mutex_);
  const bool known = answer != nullptr && answer->result == Result::kOk;
  if (command.operation == Operation::kReadStale) {
    if (known) RecordStale(command, *answer);
    return;
  }
  testing::Operation operation;
  operation.key = std::string(command.key);
  operation.input = Describe(command);
  operation.called = called;
  if (known) {
    operation.output = answer->payload;
    operation.returned = returned;
  } else if (command.operation == Operation::kRead) {
    return;  // saw nothing and changed nothing
  } else {
    ++unknown_;
  }
  if (known && command.operation != Operation::kRead) ++acknowledged_;
  if (known && command.operation == Operation::kAppend) {
    appended_.emplace_back(operation.key, std::string(command.argument));
  }
  operations_.push_back(std::move(operation));
}

void History::RecordStale(const Command& command, const Answer& answer) {
  const std::optional<StaleValue> value = ParseStaleValue(answer.payload);
  if (!value) {
    stale_contradiction_ = "a stale read was answered with nonsense";
    return;
  }
  const auto [at, is_new] =
      stale_.emplace(std::make_pair(std::string(command.key), value->position.end.value()), value->value);
  if (is_new || at->second == value->value || !stale_contradiction_.empty()) return;
  stale_contradiction_ = absl::StrCat("key '", command.key, "' at offset ", value->position.end.value(), " was '",
                                      at->second, "' for one reader and '", value->value, "' for another");
}

size_t History::calls() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return operations_.size();
}

uint64_t History::acknowledged() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return acknowledged_;
}

uint64_t History::unknown() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return unknown_;
}

std::set<std::string> History::keys() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::set<std::string> keys;
  for (const testing::Operation& operation : operations_) keys.insert(operation.key);
  return keys;
}

void History::WriteTo(const std::string& file) const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<const testing::Operation*> ordered;
  for (const testing::Operation& operation : operations_) ordered.push_back(&operation);
  std::sort(ordered.begin(), ordered.end(),
            [](const auto* a, const auto* b) { return std::tie(a->key, a->called) < std::tie(b->key, b->called); });
  std::ofstream out(file);
  for (const testing::Operation* operation : ordered) {
    out << operation->key << '\t' << operation->called.nanos() << '\t'
        << (operation->output ? absl::StrCat(operation->returned.nanos()) : "unknown") << '\t' << operation->input
        << '\t' << operation->output.value_or("") << '\n';
  }
}

std::string History::Check() const {
  std::lock_guard<std::mutex> lock(mutex_);
  const testing::LinearizabilityVerdict verdict = testing::CheckLinearizable(operations_, HostModel());
  return verdict.linearizable ? "" : verdict.explanation;
}

std::string History::Missing(const std::map<std::string, std::string>& final_values) const {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [key, token] : appended_) {
    const auto value = final_values.find(key);
    if (value == final_values.end()) return absl::StrCat("nobody read '", key, "' at the end");
    const size_t first = value->second.find(token);
    if (first == std::string::npos) {
      return absl::StrCat("'", token, "' was acknowledged and isn't in '", key, "', which is '", value->second, "'");
    }
    if (value->second.find(token, first + 1) != std::string::npos) {
      return absl::StrCat("'", token, "' is twice in '", key, "', which is '", value->second, "'");
    }
  }
  return "";
}

std::string History::StaleContradiction() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return stale_contradiction_;
}

}  // namespace quorate::blackbox
