// The callers and the prober of bench/compare, with a system that does what the test says.
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "compare/closed_loop.h"
#include "compare/failover.h"
#include "support/catch.h"

namespace quorate::compare {
namespace {

// Answers each write with what `judge` says, at the next Poll.
class FakeClient final : public PutClient {
 public:
  struct Seen {
    uint64_t token;
    std::string key;
    bool create;
  };
  using Judge = std::function<PutEnd(const Seen&)>;

  FakeClient(int lanes, Judge judge) : lanes_(lanes), judge_(std::move(judge)) {}
  [[nodiscard]] int lanes() const override { return lanes_; }
  void Put(uint64_t token, absl::string_view key, absl::string_view) override {
    Take({token, std::string(key), false});
  }
  void Create(uint64_t token, absl::string_view key, absl::string_view) override {
    Take({token, std::string(key), true});
  }
  void Poll(absl::Duration, PutSink* sink) override {
    std::deque<std::pair<uint64_t, PutEnd>> now;
    now.swap(answers_);
    for (const auto& [token, end] : now) {
      under_way_.erase(token);
      sink->Done(token, end);
    }
  }

  std::vector<Seen> seen;
  size_t most_under_way = 0;

 private:
  void Take(Seen write) {
    CHECK(under_way_.insert(write.token).second);
    most_under_way = std::max(most_under_way, under_way_.size());
    answers_.emplace_back(write.token, judge_(write));
    seen.push_back(std::move(write));
  }

  const int lanes_;
  const Judge judge_;
  std::set<uint64_t> under_way_;
  std::deque<std::pair<uint64_t, PutEnd>> answers_;
};

TEST_CASE("filling writes every entry once, creates each key the first time, and repeats what was refused") {
  std::map<uint64_t, int> attempts;
  int acknowledged = 0;
  FakeClient client(2, [&](const FakeClient::Seen& write) {
    // Every third attempt of a caller is refused.
    if (++attempts[write.token] % 3 == 0) return PutEnd::kRefused;
    ++acknowledged;
    return PutEnd::kAcknowledged;
  });
  REQUIRE(Fill(client, 1000, 100, 10).ok());
  CHECK(acknowledged == 1000);
  CHECK(client.seen.size() > 1000);
  std::set<std::string> created, put;
  for (const FakeClient::Seen& write : client.seen) (write.create ? created : put).insert(write.key);
  CHECK(created.size() == 100);
  CHECK(put == created);
  CHECK(client.most_under_way <= 256);
}

// Writes to two nodes of which the second takes over after a while.
TEST_CASE("the prober's time ends with the first acknowledgement, wherever it comes from") {
  int refusals = 0;
  std::set<std::string> keys;
  FakeClient client(2, [&](const FakeClient::Seen& write) {
    CHECK(write.create);
    CHECK(keys.insert(write.key).second);
    if (write.token % 2 == 1 && refusals >= 20) return PutEnd::kAcknowledged;
    ++refusals;
    return write.token % 2 == 0 ? PutEnd::kLost : PutEnd::kRefused;
  });
  bool disturbed = false;
  const auto took = TimeToFirstWrite(client, "probe", absl::Seconds(20), [&] {
    CHECK(client.seen.empty());
    disturbed = true;
    return absl::OkStatus();
  });
  REQUIRE(took.ok());
  CHECK(disturbed);
  CHECK(refusals >= 20);
  // A refusal is followed a quarter of a millisecond later at the earliest, and there were two lanes to refuse.
  CHECK(*took >= absl::Microseconds(250) * 5);
}

TEST_CASE("the prober gives up in time, and passes on what went wrong before it began") {
  FakeClient deaf(1, [](const FakeClient::Seen&) { return PutEnd::kRefused; });
  CHECK(absl::IsDeadlineExceeded(
      TimeToFirstWrite(deaf, "probe", absl::Milliseconds(20), [] { return absl::OkStatus(); }).status()));
  CHECK(absl::IsInternal(
      TimeToFirstWrite(deaf, "probe", absl::Seconds(20), [] { return absl::InternalError("can't start"); }).status()));
}

}  // namespace
}  // namespace quorate::compare
