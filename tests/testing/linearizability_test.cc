#include "quorate/testing/linearizability.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "base/xoshiro.h"
#include "support/catch.h"

namespace quorate::testing {
namespace {

Operation Op(std::string input, std::optional<std::string> output, int64_t called, int64_t returned) {
  Operation operation;
  operation.input = std::move(input);
  operation.output = std::move(output);
  operation.called = Instant::FromNanos(called);
  operation.returned = returned < 0 ? Instant::Infinite() : Instant::FromNanos(returned);
  return operation;
}

bool Linearizable(const std::vector<Operation>& history) {
  const LinearizabilityVerdict verdict = CheckLinearizable(history, RegisterModel());
  REQUIRE(verdict.decided);
  CHECK(verdict.explanation.empty() == verdict.linearizable);
  return verdict.linearizable;
}

// The dumb twin: every order of every choice of open calls.
bool LinearizableByTrial(const std::vector<Operation>& history) {
  const RegisterModel model;
  std::vector<size_t> open;
  for (size_t i = 0; i < history.size(); ++i) {
    if (!history[i].output.has_value()) open.push_back(i);
  }
  for (uint32_t choice = 0; choice < (1u << open.size()); ++choice) {
    std::vector<size_t> order;
    for (size_t i = 0; i < history.size(); ++i) {
      const auto at = std::find(open.begin(), open.end(), i);
      if (at == open.end() || (choice >> (at - open.begin()) & 1) != 0) order.push_back(i);
    }
    do {
      bool fits = true;
      for (size_t i = 0; fits && i < order.size(); ++i) {
        for (size_t j = i + 1; fits && j < order.size(); ++j) {
          const Operation& later = history[order[j]];
          if (later.output.has_value() && later.returned < history[order[i]].called) fits = false;
        }
      }
      std::optional<std::string> state = model.InitialState();
      for (size_t i = 0; fits && i < order.size(); ++i) {
        state = model.Apply(*state, history[order[i]]);
        fits = state.has_value();
      }
      if (fits) return true;
    } while (std::next_permutation(order.begin(), order.end()));
  }
  return false;
}

TEST_CASE("one call after the other must agree with a single copy", "[testing][linearizability]") {
  CHECK(Linearizable({}));
  CHECK(Linearizable({Op("write 1", "", 0, 1), Op("read", "1", 2, 3)}));
  CHECK_FALSE(Linearizable({Op("write 1", "", 0, 1), Op("read", "", 2, 3)}));  // a stale read
  CHECK(Linearizable({Op("write 1", "", 0, 1), Op("cas 1 2", "1", 2, 3), Op("read", "2", 4, 5)}));
  CHECK_FALSE(Linearizable({Op("write 1", "", 0, 1), Op("cas 2 3", "1", 2, 3)}));
}

TEST_CASE("calls that overlap may have happened in either order, but only in one", "[testing][linearizability]") {
  CHECK(Linearizable({Op("write 1", "", 0, 10), Op("read", "", 1, 2), Op("read", "1", 3, 4)}));
  // Seen, and then not seen any more.
  CHECK_FALSE(Linearizable({Op("write 1", "", 0, 10), Op("read", "1", 1, 2), Op("read", "", 3, 4)}));
  CHECK(Linearizable({Op("write 1", "", 0, 10), Op("write 2", "", 0, 10), Op("read", "1", 11, 12)}));
  CHECK_FALSE(Linearizable(
      {Op("write 1", "", 0, 10), Op("write 2", "", 0, 10), Op("read", "1", 11, 12), Op("read", "2", 13, 14)}));
}

TEST_CASE("a call with an unknown outcome may take effect late, or never", "[testing][linearizability]") {
  CHECK(Linearizable({Op("write 1", std::nullopt, 0, 5), Op("read", "", 10, 11), Op("read", "1", 12, 13)}));
  CHECK(Linearizable({Op("write 1", std::nullopt, 0, -1), Op("read", "", 10, 11)}));
  CHECK_FALSE(Linearizable({Op("read", "1", 0, 1), Op("write 1", std::nullopt, 2, 3)}));  // not before it began
  CHECK_FALSE(Linearizable({Op("write 1", std::nullopt, 0, 5), Op("read", "1", 10, 11), Op("read", "", 12, 13)}));
}

TEST_CASE("keys are independent, and the culprit is named", "[testing][linearizability]") {
  std::vector<Operation> history = {Op("write 1", "", 0, 1), Op("read", "", 2, 3)};
  history[1].key = "other";
  CHECK(Linearizable(history));
  history[1].key = "";
  CHECK(CheckLinearizable(history, RegisterModel()).explanation.find("read -> ") != std::string::npos);
}

TEST_CASE("the search agrees with trying every order", "[testing][linearizability]") {
  Xoshiro random(5);
  int positive = 0;
  for (int run = 0; run < 3000; ++run) {
    std::vector<Operation> history;
    const size_t count = 1 + random.Below(6);
    for (size_t i = 0; i < count; ++i) {
      const auto called = static_cast<int64_t>(random.Below(20));
      const int64_t returned = called + 1 + static_cast<int64_t>(random.Below(10));
      const bool open = random.Below(5) == 0;
      const uint64_t kind = random.Below(3);
      const std::string value = absl::StrCat(1 + random.Below(2));
      std::optional<std::string> output;
      std::string input = "read";
      if (kind == 0) {
        output = random.Below(3) == 0 ? "" : value;
      } else if (kind == 1) {
        input = "write " + value;
        output = "";
      } else {
        input = absl::StrCat("cas ", value, " ", 1 + random.Below(2));
        output = absl::StrCat(random.Below(2));
      }
      if (open) output.reset();
      history.push_back(Op(input, output, called, returned));
    }
    const bool expected = LinearizableByTrial(history);
    positive += expected ? 1 : 0;
    INFO("run " << run);
    REQUIRE(Linearizable(history) == expected);
  }
  CHECK(positive > 300);  // both answers occur
  CHECK(positive < 2700);
}

TEST_CASE("a long history of few clients is checked quickly", "[testing][linearizability]") {
  Xoshiro random(9);
  std::vector<Operation> history;
  std::string value;
  for (int64_t i = 0; i < 5000; ++i) {
    // Three clients take turns and overlap; effects happen in the middle of each call.
    const bool writes = random.Below(2) == 0;
    if (writes) value = absl::StrCat(i);
    history.push_back(Op(writes ? "write " + value : "read", writes ? "" : value, i * 10 - 12, i * 10 + 12));
  }
  CHECK(Linearizable(history));
  history[4000].output = "never written";
  history[4000].input = "read";
  CHECK_FALSE(Linearizable(history));
}

// What a node that stood still leaves behind: it answers all at once what it was asked meanwhile.
TEST_CASE("reads that wait for long and writes that nobody knows about don't drown the search",
          "[testing][linearizability]") {
  Xoshiro random(11);
  std::vector<Operation> history;
  for (int64_t i = 0; i < 60; ++i) history.push_back(Op(absl::StrCat("write u", i), std::nullopt, i, -1));
  for (int64_t i = 0; i < 400; ++i) history.push_back(Op("read", "799", i, 9000));
  for (int64_t i = 0; i < 800; ++i) {
    const int64_t at = 1000 + i * 10;
    history.push_back(Op(absl::StrCat("write ", i), "", at - 12, at + 12));
    history.push_back(Op("read", absl::StrCat(i), at + 2, at + 8));
  }
  CHECK(Linearizable(history));
  history.push_back(Op("read", "u7", 9100, 9101));  // one of them took effect after all
  CHECK(Linearizable(history));
  history.erase(history.begin(), history.begin() + 57);       // 57 to 59 are left
  history.erase(history.begin() + 3, history.begin() + 383);  // and 20 of the reads
  history.back() = Op("read", "u57", 9100, 9101);
  CHECK(Linearizable(history));
  history.push_back(Op("read", "799", 9102, 9103));  // and then it wasn't there any more
  CHECK_FALSE(Linearizable(history));
}

}  // namespace
}  // namespace quorate::testing
