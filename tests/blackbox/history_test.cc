// The checks themselves: that they find what they are for.
#include "blackbox/history.h"

#include "support/catch.h"

namespace quorate::blackbox {
namespace {

void Say(History* history, Operation operation, std::string argument, std::string answer, int64_t called,
         Result result = Result::kOk) {
  Command command;
  command.operation = operation;
  command.key = "k";
  command.argument = argument;
  const Answer given{1, result, std::move(answer)};
  history->Record(command, Instant::FromNanos(called), Instant::FromNanos(called + 5), &given);
}

TEST_CASE("A history is judged by the host's own operations", "[blackbox]") {
  History history;
  Say(&history, Operation::kAppend, "a;", "2", 0);
  Say(&history, Operation::kAppend, "b;", "4", 10);
  Say(&history, Operation::kRead, "", "a;b;", 20);
  Say(&history, Operation::kWrite, "7", "", 30);
  Say(&history, Operation::kAdd, "5", "12", 40);
  Say(&history, Operation::kWrite, "lost", EncodeRefusal(Result::kNotApplied, {}).substr(1), 50, Result::kNotApplied);
  CHECK(history.Check() == "");
  CHECK(history.acknowledged() == 4);
  Say(&history, Operation::kRead, "", "7", 60);  // before the addition
  CHECK(history.Check().find("not linearizable") != std::string::npos);
}

TEST_CASE("An acknowledged append that is gone, or there twice, is named", "[blackbox]") {
  History history;
  Say(&history, Operation::kAppend, "a;", "2", 0);
  Say(&history, Operation::kAppend, "b;", "4", 10);
  CHECK(history.Missing({{"k", "a;b;"}}) == "");
  CHECK(history.Missing({{"k", "a;"}}).find("'b;' was acknowledged") == 0);
  CHECK(history.Missing({{"k", "a;b;a;"}}).find("'a;' is twice") == 0);
  CHECK(history.Missing({}).find("nobody read 'k'") == 0);
}

TEST_CASE("A write that nobody answered may have happened or not, but not half", "[blackbox]") {
  for (const std::string seen : {"", "new"}) {
    History history;
    Command write;
    write.operation = Operation::kWrite;
    write.key = "k";
    write.argument = "new";
    history.Record(write, Instant::FromNanos(0), Instant::FromNanos(5), nullptr);
    Say(&history, Operation::kRead, "", seen, 10);
    CHECK(history.Check() == "");
    CHECK(history.unknown() == 1);
    Say(&history, Operation::kRead, "", "ne", 20);
    CHECK(history.Check() != "");
  }
}

TEST_CASE("Nodes that show different values at one position contradict each other", "[blackbox]") {
  History history;
  const auto stale = [&](int64_t end, const std::string& value) {
    Say(&history, Operation::kReadStale, "", EncodeStaleValue({{Epoch(1), Offset(end)}, value}).substr(1), end);
  };
  stale(5, "x");
  stale(6, "y");
  stale(5, "x");
  CHECK(history.StaleContradiction() == "");
  CHECK(history.calls() == 0);
  stale(6, "x");
  CHECK(history.StaleContradiction().find("at offset 6 was 'y'") != std::string::npos);
}

}  // namespace
}  // namespace quorate::blackbox
