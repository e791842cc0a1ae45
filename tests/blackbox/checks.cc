#include "blackbox/checks.h"

#include "quorate/system.h"
#include "support/catch.h"
#include "support/process.h"
#include "support/wait.h"

namespace quorate::blackbox {

void RequireSound(Hosts& hosts, History& history, const std::vector<int>& ids) {
  hosts.WaitUntilServing(ids);
  history.WriteTo(hosts.path("history"));
  const std::set<std::string> keys = history.keys();
  std::map<std::string, std::string> first;
  for (const int id : ids) {
    const Instant called = SystemClock()->Now();
    const auto values = hosts.ReadAll(id, {keys.begin(), keys.end()});
    const Instant returned = SystemClock()->Now();
    for (const auto& [key, value] : values) {
      Command read;
      read.key = key;
      const Answer answer{0, Result::kOk, value};
      history.Record(read, called, returned, &answer);
    }
    if (first.empty()) first = values;
    INFO("node " << id << " and node " << ids.front() << " don't have the same values");
    REQUIRE((values == first));
  }
  REQUIRE(history.Missing(first) == "");
  REQUIRE(history.StaleContradiction() == "");
  REQUIRE(history.Check() == "");
}

void RequireLogged(const std::string& file, const std::string& text) {
  const bool found =
      testing::WaitUntil([&] { return testing::ReadText(file).find(text) != std::string::npos; }, absl::Seconds(30));
  INFO("'" << text << "' isn't in " << file);
  REQUIRE(found);
}

}  // namespace quorate::blackbox
