// What users do wrong first. Each case: one clear sentence, a non-zero exit code, in good time, and nothing harmed.
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cluster/cluster.h"
#include "quorate/system.h"
#include "support/catch.h"
#include "support/wait.h"

namespace quorate::testing {
namespace {

using Catch::Matchers::Contains;

// Starts a server that is expected to refuse, and checks how.
CommandOutput Refused(const std::string& config, const std::vector<std::string>& more = {}) {
  std::vector<std::string> args = {Program(), "server", config};
  args.insert(args.end(), more.begin(), more.end());
  CommandOutput result = RunCommand(args, absl::Seconds(40));
  CAPTURE(result.text);
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.text, Contains("error: "));
  return result;
}

CommandOutput Topics(const Cluster& cluster, int id, std::vector<std::string> args) {
  args.insert(args.begin(),
              {Program(), "topics", "--bootstrap-server", absl::StrCat("localhost:", cluster.broker_port(id))});
  return RunCommand(args);
}

TEST_CASE("A server says what is wrong with its configuration or directory", "[cluster]") {
  Cluster cluster;
  SECTION("no such file") { CHECK_THAT(Refused(cluster.path("missing.properties")).text, Contains("doesn't exist")); }
  SECTION("unformatted directory") {
    const std::string config = cluster.WriteConfig("fresh.properties", 1, cluster.path("fresh"));
    CHECK_THAT(Refused(config).text, Contains("format") && Contains(cluster.path("fresh")));
    CHECK_FALSE(std::filesystem::exists(cluster.path("fresh")));
  }
  SECTION("another node's directory") {
    const std::string config = cluster.WriteConfig("thief.properties", 1, cluster.data(2));
    CHECK_THAT(Refused(config).text, Contains("node.id") || Contains("node 2"));
  }
  SECTION("bad value") {
    const std::string config = cluster.WriteConfig("bad.properties", 1, cluster.data(1), "num.partitions=many\n");
    CHECK_THAT(Refused(config).text, Contains("bad.properties:9: num.partitions=many"));
  }
  SECTION("bad override") {
    CHECK_THAT(Refused(cluster.config(1), {"--override", "num.partitions"}).text, Contains("KEY=VALUE"));
    CHECK_THAT(Refused(cluster.config(1), {"--override", "num.partitions=-7"}).text, Contains("num.partitions"));
  }
  SECTION("torn identity") {
    std::ofstream(cluster.data(1) + "/meta.properties") << "version=1\ncluster.id=";
    CHECK_THAT(Refused(cluster.config(1)).text, Contains("meta.properties"));
  }
}

TEST_CASE("A key that nobody knows is refused with its line; one of Kafka's without effect is only named",
          "[cluster]") {
  Cluster cluster;
  cluster.WriteConfig("slip.properties", 1, cluster.data(1), "num.partitons=3\n");
  CHECK_THAT(Refused(cluster.path("slip.properties")).text,
             Contains("slip.properties:9") && Contains("num.partitons") && Contains("did you mean 'num.partitions'?"));
  cluster.WriteConfig("node-1.properties", 1, cluster.data(1), "log.retention.hours=168\n");
  for (int id = 1; id <= 2; ++id) cluster.Start(id);
  REQUIRE(cluster.WaitUntilInService({1, 2}));
  CHECK_THAT(ReadText(cluster.log(1)), Contains("node-1.properties:9") && Contains("log.retention.hours"));
}

TEST_CASE("A directory or a port that is in use is refused, and its holder isn't disturbed", "[cluster]") {
  Cluster cluster;
  for (int id = 1; id <= 3; ++id) cluster.Start(id);
  REQUIRE(cluster.WaitUntilInService({1, 2, 3}));
  REQUIRE(cluster.Create("before", {1}).ok());

  const std::vector<int> ports = FreePorts(2);
  // The directory of node 1, on other ports.
  const std::string listeners =
      absl::StrCat("listeners=PLAINTEXT://localhost:", ports[0], ",CONTROLLER://localhost:", ports[1]);
  CHECK_THAT(Refused(cluster.config(1), {"--override", listeners}).text,
             Contains("in use") && Contains(cluster.data(1)));

  // The ports of node 1, with a directory of its own.
  const std::string config = cluster.WriteConfig("double.properties", 1, cluster.path("double"));
  REQUIRE(
      RunCommand({Program(), "storage", "format", "-c", config, "-t", cluster.cluster_id(), "--no-initial-controllers"})
          .exit_code == 0);
  const std::string text = Refused(config).text;
  CHECK_THAT(text, Contains("in use") && (Contains(std::to_string(cluster.broker_port(1))) ||
                                          Contains(std::to_string(cluster.controller_port(1)))));
  for (int id = 1; id <= 3; ++id) CHECK(cluster.running(id));
  CHECK(cluster.Create("after", {1}).ok());
}

TEST_CASE("A node of another cluster is told so and stays out", "[cluster]") {
  Cluster cluster;
  for (int id = 1; id <= 2; ++id) cluster.Start(id);
  REQUIRE(cluster.WaitUntilInService({1, 2}));
  // The third node was formatted by mistake with an id of its own.
  std::string other = RunCommand({Program(), "storage", "random-uuid"}).text;
  other.pop_back();
  const std::string config = cluster.WriteConfig("stray.properties", 3, cluster.path("stray"));
  REQUIRE(RunCommand({Program(), "storage", "format", "-c", config, "-t", other, "--initial-controllers",
                      cluster.initial_controllers()})
              .exit_code == 0);
  const std::string text = Refused(config).text;
  CHECK_THAT(text, Contains("cluster"));
  CHECK(cluster.Create("after", {1}).ok());
  CHECK_FALSE(cluster.WaitUntilInService({1, 2, 3}, absl::Seconds(1)));
}

TEST_CASE("The tools say what is wrong with a request", "[cluster]") {
  Cluster cluster;
  for (int id = 1; id <= 3; ++id) cluster.Start(id);
  REQUIRE(cluster.WaitUntilInService({1, 2, 3}));
  CommandOutput result = Topics(cluster, 1, {"--create", "--topic", "orders", "--replication-factor", "3"});
  CAPTURE(result.text);
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.text, Contains("Created topic orders."));

  result = Topics(cluster, 2, {"--create", "--topic", "orders"});
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.text, Contains("already exists"));

  result = Topics(cluster, 3, {"--create", "--topic", "wide", "--replication-factor", "4"});
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.text, Contains("4") && Contains("3") && Contains("broker"));

  result = Topics(cluster, 1, {"--create", "--topic", "no spaces"});
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.text, Contains("no spaces"));

  result = Topics(cluster, 1, {"--list"});
  CHECK(result.exit_code == 0);
  CHECK(result.text == "orders\n");
}

TEST_CASE("A server that isn't there is said within the deadline", "[cluster]") {
  const int port = FreePorts(1).front();
  const Instant began = SystemClock()->Now();
  const CommandOutput result = RunCommand(
      {Program(), "topics", "--bootstrap-server", absl::StrCat("localhost:", port), "--list", "--timeout-ms", "2000"});
  CHECK(SystemClock()->Now() - began < absl::Seconds(5));
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.text, Contains(std::to_string(port)));
}

TEST_CASE("Garbage, HTTP/1 and silence on both ports change nothing", "[cluster]") {
  Cluster cluster;
  for (int id = 1; id <= 3; ++id) cluster.Start(id);
  REQUIRE(cluster.WaitUntilInService({1, 2, 3}));
  std::string garbage;
  uint32_t x = 2463534242;
  for (int i = 0; i < 65'536; ++i) {
    x ^= x << 13, x ^= x >> 17, x ^= x << 5;
    garbage.push_back(static_cast<char>(x));
  }
  const std::vector<std::string> inputs = {
      "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + garbage.substr(0, 4096),
      std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11),  // the beginning of TLS
      std::string("\x00\x00\x00\x14\x00\x12\x00\x04", 8),               // the beginning of a Kafka request
      std::string(1, '\0'),
      garbage,
  };
  for (int id = 1; id <= 3; ++id) {
    for (int port : {cluster.broker_port(id), cluster.controller_port(id)}) {
      for (const std::string& input : inputs) {
        CHECK(SendBytes(port, input, absl::Milliseconds(200)).has_value());
      }
    }
  }
  for (int id = 1; id <= 3; ++id) {
    CHECK(cluster.running(id));
    CHECK(cluster.Create(absl::StrCat("after-", id), {id}).ok());
  }
}

}  // namespace
}  // namespace quorate::testing
