#include "quorate/testing/linearizability.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace quorate::testing {
namespace {

// The beginning or the end of an operation, in a list in the order of time. Putting an operation in order takes both of
// its entries out of the list; going back puts them in again.
struct Entry {
  size_t operation = 0;
  bool is_return = false;
  size_t previous = 0;
  size_t next = 0;
  size_t partner = 0;  // the return of a call; 0: it has none
};

// The search over the operations of one key.
class Search {
 public:
  Search(const std::vector<const Operation*>& operations, const SequentialModel& model, uint64_t steps_max)
      : operations_(operations), model_(model), steps_left_(steps_max), state_(model.InitialState()) {
    ordered_.resize((operations.size() + 63) / 64);
    BuildList();
  }

  LinearizabilityVerdict Run();

 private:
  static constexpr size_t kHead = 0;
  static constexpr size_t kEnd = 0;  // the list is a ring through its head

  // In which turn a call is tried at a point of the order. First those that never change anything: what fits is put
  // there for good, since moving it here from a later place changes nothing for anybody. Calls without an answer come
  // last: most of them need not have happened, and each that is tried in vain doubles the work.
  enum Turn : uint8_t { kHarmless, kAnswered, kOpen, kTurns };

  void BuildList();
  void Remove(size_t entry) {
    entries_[entries_[entry].previous].next = entries_[entry].next;
    entries_[entries_[entry].next].previous = entries_[entry].previous;
  }
  void Restore(size_t entry) {
    entries_[entries_[entry].previous].next = entry;
    entries_[entries_[entry].next].previous = entry;
  }
  bool TryOrder(size_t call);
  size_t Undo();
  [[nodiscard]] Turn TurnOf(const Operation& operation) const;
  [[nodiscard]] LinearizabilityVerdict GiveUp() const;
  [[nodiscard]] LinearizabilityVerdict Failure() const;

  const std::vector<const Operation*>& operations_;
  const SequentialModel& model_;
  uint64_t steps_left_;
  std::vector<Entry> entries_;
  std::vector<Turn> turns_;  // by operation
  std::string state_;
  std::vector<uint64_t> ordered_;  // a bit for each operation that has its place
  std::set<std::pair<std::vector<uint64_t>, std::string>> seen_;
  std::vector<std::pair<size_t, std::string>> stack_;  // calls that were put in order, with the state before
  size_t deepest_ = 0;
  std::vector<size_t> deepest_order_;
};

Search::Turn Search::TurnOf(const Operation& operation) const {
  if (!operation.output.has_value() || operation.returned.is_infinite()) return kOpen;
  return model_.NeverChanges(operation) ? kHarmless : kAnswered;
}

void Search::BuildList() {
  struct Moment {
    Instant when;
    bool is_return;
    size_t operation;
  };
  std::vector<Moment> moments;
  for (size_t i = 0; i < operations_.size(); ++i) {
    moments.push_back({operations_[i]->called, false, i});
    turns_.push_back(TurnOf(*operations_[i]));
    if (turns_[i] != kOpen) moments.push_back({operations_[i]->returned, true, i});
  }
  // At the same instant a call comes before a return: they overlap, which allows more orders, never fewer.
  std::stable_sort(moments.begin(), moments.end(), [](const Moment& a, const Moment& b) {
    return std::make_pair(a.when, a.is_return) < std::make_pair(b.when, b.is_return);
  });
  entries_.resize(moments.size() + 1);
  std::vector<size_t> call_of(operations_.size());
  for (size_t i = 0; i < moments.size(); ++i) {
    Entry& entry = entries_[i + 1];
    entry.operation = moments[i].operation;
    entry.is_return = moments[i].is_return;
    if (entry.is_return) {
      entries_[call_of[entry.operation]].partner = i + 1;
    } else {
      call_of[entry.operation] = i + 1;
    }
  }
  for (size_t i = 0; i < entries_.size(); ++i) {
    entries_[i].previous = i == 0 ? entries_.size() - 1 : i - 1;
    entries_[i].next = i + 1 == entries_.size() ? kHead : i + 1;
  }
}

// Lets the operation of `call` happen next, unless its answer contradicts the state or this was tried before.
bool Search::TryOrder(size_t call) {
  const size_t operation = entries_[call].operation;
  std::optional<std::string> next = model_.Apply(state_, *operations_[operation]);
  if (!next.has_value()) return false;
  std::vector<uint64_t> ordered = ordered_;
  ordered[operation / 64] |= uint64_t{1} << (operation % 64);
  if (turns_[operation] != kHarmless && !seen_.emplace(ordered, *next).second) return false;
  ordered_ = std::move(ordered);
  stack_.emplace_back(call, std::exchange(state_, *std::move(next)));
  Remove(call);
  if (entries_[call].partner != 0) Remove(entries_[call].partner);
  if (stack_.size() > deepest_) {
    deepest_ = stack_.size();
    deepest_order_.clear();
    for (const auto& [ordered_call, before] : stack_) deepest_order_.push_back(entries_[ordered_call].operation);
  }
  return true;
}

// Takes the last call out of the order, and returns it.
size_t Search::Undo() {
  auto [call, before] = std::move(stack_.back());
  stack_.pop_back();
  if (entries_[call].partner != 0) Restore(entries_[call].partner);
  Restore(call);
  const size_t operation = entries_[call].operation;
  ordered_[operation / 64] &= ~(uint64_t{1} << (operation % 64));
  state_ = std::move(before);
  return call;
}

LinearizabilityVerdict Search::Run() {
  size_t at = entries_[kHead].next;
  int turn = kHarmless;
  while (at != kEnd) {
    if (!entries_[at].is_return) {
      if (turns_[entries_[at].operation] != turn) {
        at = entries_[at].next;
        continue;
      }
      if (steps_left_-- == 0) return GiveUp();
      const size_t previous = entries_[at].previous;
      if (!TryOrder(at)) {
        at = entries_[at].next;
      } else if (turn == kHarmless) {
        at = entries_[previous].next;  // what didn't fit before doesn't fit now
      } else {
        turn = kHarmless;
        at = entries_[kHead].next;
      }
      continue;
    }
    // Somebody saw an answer before this point, so that what is behind it has to wait.
    if (++turn < kTurns) {
      at = entries_[kHead].next;
      continue;
    }
    // No order explains it from here: go back to the last choice.
    while (!stack_.empty() && turns_[entries_[stack_.back().first].operation] == kHarmless) Undo();
    if (stack_.empty()) return Failure();
    const size_t call = Undo();
    turn = turns_[entries_[call].operation];
    at = entries_[call].next;
  }
  return {true, true, ""};  // what is left has an unknown outcome and need not have happened
}

LinearizabilityVerdict Search::GiveUp() const {
  const auto open = std::count(turns_.begin(), turns_.end(), kOpen);
  return {
      false, false,
      absl::StrCat("undecided: key '", operations_[0]->key, "' has ", operations_.size(), " calls, ", open,
                   " of them with an unknown outcome; ", deepest_, " could be put in order before the search ended")};
}

LinearizabilityVerdict Search::Failure() const {
  auto shown = [this](size_t i) {
    const Operation& operation = *operations_[i];
    return absl::StrCat("  ", operation.input, " -> ", operation.output.value_or("(unknown)"), "  [",
                        operation.called.nanos(), ", ",
                        operation.returned.is_infinite() ? "…" : absl::StrCat(operation.returned.nanos()), "]\n");
  };
  std::set<size_t> placed(deepest_order_.begin(), deepest_order_.end());
  std::string text =
      absl::StrCat("not linearizable: key '", operations_[0]->key, "'. The longest order that works ends with\n");
  const size_t tail = deepest_order_.size() > 5 ? deepest_order_.size() - 5 : 0;
  for (size_t i = tail; i < deepest_order_.size(); ++i) text += shown(deepest_order_[i]);
  text += "after which none of these fits:\n";
  size_t listed = 0;
  for (size_t i = 0; i < operations_.size() && listed < 5; ++i) {
    if (placed.contains(i)) continue;
    text += shown(i);
    ++listed;
  }
  return {false, true, text};
}

}  // namespace

bool RegisterModel::NeverChanges(const Operation& operation) const {
  return operation.input == "read" || (absl::StartsWith(operation.input, "cas ") && operation.output == "0");
}

std::optional<std::string> RegisterModel::Apply(absl::string_view state, const Operation& operation) const {
  const std::vector<absl::string_view> words = absl::StrSplit(operation.input, ' ');
  const auto answers = [&](absl::string_view answer) {
    return !operation.output.has_value() || *operation.output == answer;
  };
  std::string next(state);
  if (words[0] == "read") return answers(state) ? std::optional(next) : std::nullopt;
  if (words[0] == "write" && words.size() == 2) {
    return answers("") ? std::optional(std::string(words[1])) : std::nullopt;
  }
  if (words[0] == "cas" && words.size() == 3) {
    if (state == words[1]) return answers("1") ? std::optional(std::string(words[2])) : std::nullopt;
    return answers("0") ? std::optional(next) : std::nullopt;
  }
  return std::nullopt;
}

LinearizabilityVerdict CheckLinearizable(const std::vector<Operation>& history, const SequentialModel& model,
                                         uint64_t steps_max) {
  std::map<std::string, std::vector<const Operation*>> by_key;
  for (const Operation& operation : history) by_key[operation.key].push_back(&operation);
  for (const auto& [key, operations] : by_key) {
    LinearizabilityVerdict verdict = Search(operations, model, steps_max).Run();
    if (!verdict.linearizable) return verdict;
  }
  return {true, true, ""};
}

}  // namespace quorate::testing
