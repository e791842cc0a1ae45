// The quorum is changed from the command line, on real processes, while topics are created all the time: what
// `quorate metadata-quorum` prints, what it refuses, and that writes go on.
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cluster/cluster.h"
#include "quorate/status.h"
#include "quorate/system.h"
#include "support/catch.h"
#include "support/wait.h"

namespace quorate::testing {
namespace {

using Catch::Matchers::Contains;
using Json = nlohmann::json;

// Small enough that every node writes snapshots and cuts its log while the test runs.
constexpr char kSmallSnapshots[] = "metadata.log.max.record.bytes.between.snapshots=20000\n";

// Creates topics one after the other through all nodes, on a thread of its own.
class Writer {
 public:
  Writer(Cluster* cluster, const std::vector<int>& through)
      : admin_(cluster->Admin(through, absl::Seconds(10))), thread_([this] { Run(); }) {}
  ~Writer() { Stop(); }

  // The names that were acknowledged.
  std::vector<std::string> Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return names_;
  }
  [[nodiscard]] size_t acknowledged() const { return acknowledged_; }
  // Between two acknowledgements; after Stop.
  [[nodiscard]] absl::Duration longest_pause() const { return longest_pause_; }

 private:
  void Run() {
    Instant last = SystemClock()->Now();
    for (int i = 0; !stop_; ++i) {
      NewTopic topic;
      topic.name = absl::StrCat("written-", i);
      topic.partitions = 1;
      topic.replication_factor = 1;
      const auto results = admin_->CreateTopics({topic}, false);
      const Instant now = SystemClock()->Now();
      longest_pause_ = std::max(longest_pause_, now - last);
      if (!results.ok() || !results->front().status.ok()) continue;
      last = now;
      names_.push_back(topic.name);
      ++acknowledged_;
    }
  }

  const std::unique_ptr<AdminClient> admin_;
  std::atomic<bool> stop_{false};
  std::atomic<size_t> acknowledged_{0};
  std::vector<std::string> names_;  // of thread_ until Stop
  absl::Duration longest_pause_ = absl::ZeroDuration();
  std::thread thread_;
};

CommandOutput Quorum(Cluster& cluster, int through, const std::vector<std::string>& args) {
  std::vector<std::string> all = {Program(), "metadata-quorum", "--bootstrap-server",
                                  absl::StrCat("localhost:", cluster.broker_port(through))};
  all.insert(all.end(), args.begin(), args.end());
  return RunCommand(all);
}

CommandOutput Add(Cluster& cluster, int through, int id, std::vector<std::string> more = {}) {
  std::vector<std::string> args = {"--command-config", cluster.config(id), "add-controller"};
  args.insert(args.end(), more.begin(), more.end());
  return Quorum(cluster, through, args);
}

CommandOutput Remove(Cluster& cluster, int through, int id, const std::string& directory,
                     std::vector<std::string> more = {}) {
  std::vector<std::string> args = {"remove-controller", "--controller-id", absl::StrCat(id),
                                   "--controller-directory-id", directory};
  args.insert(args.end(), more.begin(), more.end());
  return Quorum(cluster, through, args);
}

#define REQUIRE_DONE(expression, words)          \
  do {                                           \
    const CommandOutput output_ = expression;    \
    INFO(output_.text);                          \
    REQUIRE(output_.exit_code == 0);             \
    REQUIRE_THAT(output_.text, Contains(words)); \
  } while (false)

#define CHECK_REFUSED(expression, words)           \
  do {                                             \
    const CommandOutput output_ = expression;      \
    INFO(output_.text);                            \
    CHECK(output_.exit_code == 1);                 \
    CHECK_THAT(output_.text, Contains("error: ")); \
    CHECK_THAT(output_.text, Contains(words));     \
  } while (false)

Json Status(Cluster& cluster, int through) {
  const CommandOutput output = Quorum(cluster, through, {"describe", "--status", "--output", "json"});
  INFO(output.text);
  REQUIRE(output.exit_code == 0);
  return Json::parse(output.text);
}

std::vector<int> Ids(const Json& replicas) {
  std::vector<int> ids;
  for (const Json& replica : replicas) ids.push_back(replica["id"]);
  std::sort(ids.begin(), ids.end());
  return ids;
}

void StartAll(Cluster& cluster, const std::vector<int>& ids) {
  for (const int id : ids) cluster.Start(id);
  const bool in_service = cluster.WaitUntilInService(ids);
  INFO(ReadText(cluster.log(1)));
  REQUIRE(in_service);
}

// Every acknowledged topic is on every node of `ids`.
void CheckNothingLost(Cluster& cluster, const std::vector<std::string>& names, const std::vector<int>& ids) {
  for (const int id : ids) {
    const auto listed = cluster.Admin({id})->ListTopics();
    REQUIRE(listed.ok());
    CHECK_FALSE(listed->stale);
    for (const std::string& name : names) {
      if (!std::binary_search(listed->names.begin(), listed->names.end(), name)) {
        FAIL_CHECK("node " << id << " lost " << name);
      }
    }
  }
}

TEST_CASE("1 -> 3 -> 5 -> 3 voters from the command line, the leader removed among them, and writes go on",
          "[cluster]") {
  Cluster cluster(5, 1, kSmallSnapshots);
  StartAll(cluster, {1, 2, 3, 4, 5});
  CHECK(Ids(Status(cluster, 3)["currentVoters"]) == std::vector<int>{1});
  REQUIRE(WaitUntil(
      [&] {
        return Ids(Status(cluster, 3)["currentObservers"]) == std::vector<int>{2, 3, 4, 5};
      },
      absl::Seconds(10)));
  Writer writer(&cluster, {1, 2, 3, 4, 5});
  for (const int id : {2, 3, 4, 5}) {
    REQUIRE_DONE(Add(cluster, id == 2 ? 1 : id, id, {"--dry-run"}), absl::StrCat("DRY RUN of adding controller ", id));
    REQUIRE_DONE(Add(cluster, id == 2 ? 1 : id, id),
                 absl::StrCat("Added controller ", id, " with directory id ", cluster.directory_id(id),
                              " and endpoints: CONTROLLER://localhost:", cluster.controller_port(id), "\n"));
  }
  Json status = Status(cluster, 1);
  CHECK(Ids(status["currentVoters"]) == std::vector<int>{1, 2, 3, 4, 5});
  CHECK(status["pendingChange"].is_null());
  CHECK(status["committedVoters"].is_null());

  const int leader = status["leaderId"];
  const int other = leader == 5 ? 4 : 5;
  REQUIRE_DONE(Remove(cluster, other, leader, cluster.directory_id(leader), {"--dry-run"}),
               "It is safe to remove it, and to stop it");
  REQUIRE_DONE(Remove(cluster, other, leader, cluster.directory_id(leader)),
               absl::StrCat("Removed KRaft controller ", leader, " with directory id ", cluster.directory_id(leader)));
  REQUIRE_DONE(Remove(cluster, leader, other, cluster.directory_id(other)), "Removed KRaft controller ");
  // What is so already is no error.
  REQUIRE_DONE(Remove(cluster, 1, other, cluster.directory_id(other)), "Removed KRaft controller ");
  std::vector<int> rest;
  for (int id = 1; id <= 5; ++id) {
    if (id != leader && id != other) rest.push_back(id);
  }
  status = Status(cluster, leader);
  CHECK(Ids(status["currentVoters"]) == rest);
  CHECK(status["leaderId"] != leader);
  const size_t before = writer.acknowledged();
  CHECK(WaitUntil([&] { return writer.acknowledged() > before + 20; }, absl::Seconds(20)));
  const std::vector<std::string> names = writer.Stop();
  INFO("longest pause: " << absl::FormatDuration(writer.longest_pause()) << ", " << names.size() << " topics");
  CHECK(writer.longest_pause() < absl::Seconds(5));
  CheckNothingLost(cluster, names, {1, 2, 3, 4, 5});

  // Three voters again: one of them may die, and the removed ones may stop.
  REQUIRE(cluster.Stop(leader)->exit_code == 0);
  REQUIRE(cluster.Stop(other)->exit_code == 0);
  cluster.Kill(rest[0]);
  const absl::Status created = cluster.CreateThroughFailover("after", {rest[1], rest[2]});
  INFO(created.ToString());
  CHECK(created.ok());
}

TEST_CASE("A controller whose disk was wiped is replaced: formatted anew, the old key removed, the new one added",
          "[cluster]") {
  Cluster cluster(3, 3, kSmallSnapshots);
  StartAll(cluster, {1, 2, 3});
  Writer writer(&cluster, {1, 2});
  const std::string old = cluster.directory_id(3);
  cluster.Kill(3);
  cluster.ReplaceDisk(3);
  REQUIRE(cluster.directory_id(3) != old);
  cluster.Start(3);
  REQUIRE(
      WaitUntil([&] { return Ids(Status(cluster, 1)["currentObservers"]) == std::vector<int>{3}; }, absl::Seconds(20)));
  CHECK_REFUSED(Add(cluster, 3, 3), "remove the voter with the old directory id first");
  CHECK_REFUSED(Remove(cluster, 1, 3, cluster.directory_id(3)), "there is no voter 3");
  REQUIRE_DONE(Remove(cluster, 1, 3, old), absl::StrCat("Removed KRaft controller 3 with directory id ", old));
  REQUIRE_DONE(Add(cluster, 3, 3), "Added controller 3 with directory id " + cluster.directory_id(3));
  REQUIRE_DONE(Add(cluster, 1, 3), "Added controller 3");  // what is so already
  const Json status = Status(cluster, 1);
  REQUIRE(Ids(status["currentVoters"]) == std::vector<int>{1, 2, 3});
  for (const Json& voter : status["currentVoters"]) CHECK(voter["directoryId"] != old);
  const std::vector<std::string> names = writer.Stop();
  INFO("longest pause: " << absl::FormatDuration(writer.longest_pause()));
  CHECK(writer.longest_pause() < absl::Seconds(5));
  CheckNothingLost(cluster, names, {3});
  // The new one counts: without node 1 the quorum goes on.
  cluster.Kill(1);
  CHECK(cluster.CreateThroughFailover("after", {2, 3}).ok());
}

TEST_CASE("Auto-join makes a controller a voter; one that was removed doesn't come back by itself", "[cluster]") {
  Cluster cluster(4, 3, absl::StrCat(kSmallSnapshots, "controller.quorum.auto.join.enable=true\n"));
  StartAll(cluster, {1, 2, 3, 4});
  REQUIRE(WaitUntil(
      [&] {
        return Ids(Status(cluster, 1)["currentVoters"]) == std::vector<int>{1, 2, 3, 4};
      },
      absl::Seconds(20)));
  REQUIRE_DONE(Remove(cluster, 4, 4, cluster.directory_id(4)), "Removed KRaft controller 4");
  // It runs on, as an observer, and would ask within a second or two if it could.
  REQUIRE(cluster.Stop(4)->exit_code == 0);
  cluster.Start(4);
  REQUIRE(cluster.WaitUntilInService({4}));
  const size_t writes = 300;
  for (size_t i = 0; i < writes; ++i) REQUIRE(cluster.Create(absl::StrCat("t", i), {1, 2, 3}).ok());
  const Instant until = SystemClock()->Now() + absl::Seconds(4);
  REQUIRE(WaitUntil([&] { return SystemClock()->Now() > until; }, absl::Seconds(10)));
  CHECK(Ids(Status(cluster, 1)["currentVoters"]) == std::vector<int>{1, 2, 3});
  // By hand it may.
  REQUIRE_DONE(Add(cluster, 4, 4), "Added controller 4");
  CHECK(Ids(Status(cluster, 1)["currentVoters"]) == std::vector<int>{1, 2, 3, 4});
}

TEST_CASE("Refusals have a reason, a remedy, and exit code 1; dry runs tell what would happen", "[cluster]") {
  Cluster cluster(4, 3);
  StartAll(cluster, {1, 2, 3});
  // Formatted, and not running.
  CHECK_REFUSED(Add(cluster, 1, 4, {"--dry-run"}), "doesn't fetch from the leader");
  CHECK_REFUSED(Add(cluster, 1, 4), "Check that a node runs there");
  CHECK_REFUSED(Remove(cluster, 1, 7, cluster.directory_id(1)), "describe --status shows the voters");
  CHECK_REFUSED(Remove(cluster, 1, 1, "nonsense"), "isn't a directory id");
  CHECK_REFUSED(Quorum(cluster, 1, {"transfer-leadership", "--to", "7"}), "node 7 is no voter");

  const int leader = Status(cluster, 1)["leaderId"];
  const int follower = leader % 3 + 1;
  const int third = 6 - leader - follower;
  REQUIRE_DONE(Quorum(cluster, third, {"transfer-leadership", "--to", absl::StrCat(follower)}),
               absl::StrCat("Controller ", follower, " leads epoch "));
  REQUIRE_DONE(Remove(cluster, third, leader, cluster.directory_id(leader), {"--dry-run"}), "It is safe to remove it");
  cluster.Kill(third);
  const absl::Duration silence = absl::Seconds(10);
  REQUIRE(WaitUntil(
      [&] { return Remove(cluster, leader, leader, cluster.directory_id(leader), {"--dry-run"}).exit_code == 1; },
      silence));
  CHECK_REFUSED(Remove(cluster, leader, leader, cluster.directory_id(leader), {"--dry-run"}),
                "Start the controllers that are down");
  CHECK_REFUSED(Remove(cluster, leader, leader, cluster.directory_id(leader)), "a majority is 2");
  CHECK(Ids(Status(cluster, leader)["currentVoters"]).size() == 3);
  // The one that is down may go; a controller's port does as well for asking.
  const CommandOutput removed =
      RunCommand({Program(), "metadata-quorum", "--bootstrap-controller",
                  absl::StrCat("localhost:", cluster.controller_port(leader)), "remove-controller", "-i",
                  absl::StrCat(third), "-d", cluster.directory_id(third), "--output", "json"});
  INFO(removed.text);
  REQUIRE(removed.exit_code == 0);
  CHECK(Json::parse(removed.text)["controllerId"] == third);
}

}  // namespace
}  // namespace quorate::testing
