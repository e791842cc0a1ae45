// The properties format and what the keys mean: Kafka's files work, and every mistake is named with its line.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "node/properties.h"
#include "quorate/limits.h"
#include "quorate/node_options.h"
#include "quorate/status.h"
#include "support/catch.h"

namespace quorate {
namespace {

using Overrides = std::vector<std::pair<std::string, std::string>>;

// The file that comes with Kafka 4 (config/server.properties), without its comments, plus the voters.
constexpr char kCombined[] = R"(process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:9093,2@localhost:19093,3@localhost:29093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
log.retention.hours=168
log.segment.bytes=1073741824
)";

std::string With(absl::string_view replaced, absl::string_view by) {
  const std::string text = absl::StrReplaceAll(kCombined, {{replaced, by}});
  REQUIRE(text != kCombined);
  return text;
}

struct Result {
  absl::StatusOr<NodeOptions> options;
  std::string warnings;
};

Result Parse(const std::string& text, const Overrides& overrides = {}) {
  std::vector<std::string> warnings;
  absl::StatusOr<NodeOptions> options = ParseServerProperties(text, "server.properties", overrides, &warnings);
  return Result{std::move(options), absl::StrJoin(warnings, "\n")};
}

TEST_CASE("A server.properties of Kafka works as it is") {
  Result result = Parse(kCombined);
  INFO(result.options.status().ToString());
  REQUIRE(result.options.ok());
  const NodeOptions& options = *result.options;
  CHECK(options.id == NodeId(1));
  CHECK(options.is_broker);
  CHECK(options.is_controller);
  CHECK(options.listeners == std::vector<Endpoint>{{"PLAINTEXT", "", 9092}, {"CONTROLLER", "", 9093}});
  CHECK(options.advertised_listeners[1] == Endpoint{"CONTROLLER", "localhost", 9093});
  REQUIRE(options.static_voters.size() == 3);
  CHECK(options.static_voters[2].key == ReplicaKey{NodeId(3), DirectoryId()});
  CHECK(options.static_voters[2].endpoints[0] == Endpoint{"CONTROLLER", "localhost", 29093});
  CHECK(options.metadata_dir() == "/tmp/kraft-combined-logs");
  CHECK(absl::StrContains(result.warnings, "server.properties:9: the key 'num.network.threads' has no effect"));
  CHECK(absl::StrContains(result.warnings, "server.properties:16: the key 'log.retention.hours' has no effect yet"));
  CHECK_FALSE(absl::StrContains(result.warnings, "listeners"));
}

TEST_CASE("A file for a broker alone, and one for a controller alone, work") {
  const Result broker = Parse(
      "process.roles=broker\nnode.id=5\ncontroller.quorum.bootstrap.servers=localhost:9093\n"
      "listeners=PLAINTEXT://localhost:9092\ncontroller.listener.names=CONTROLLER\nlog.dirs=/d\nbroker.rack=r1\n");
  INFO(broker.options.status().ToString());
  REQUIRE(broker.options.ok());
  CHECK(broker.options->rack == "r1");
  CHECK(broker.options->bootstrap_servers == std::vector<Endpoint>{{"CONTROLLER", "localhost", 9093}});

  const Result controller = Parse(
      "process.roles=controller\nnode.id=5\ncontroller.quorum.bootstrap.servers=[::1]:9093\n"
      "listeners=controller://[::1]:9093\ncontroller.listener.names=CONTROLLER\nlog.dirs=/d\n");
  INFO(controller.options.status().ToString());
  REQUIRE(controller.options.ok());
  CHECK(controller.options->listeners == std::vector<Endpoint>{{"CONTROLLER", "::1", 9093}});
}

TEST_CASE("Overrides win over the file, and their mistakes are named without a line") {
  CHECK(Parse(kCombined, {{"num.partitions", "7"}}).options->num_partitions == 7);
  const Result bad = Parse(kCombined, {{"num.partitions", "many"}});
  REQUIRE_FALSE(bad.options.ok());
  CHECK(absl::StrContains(bad.options.status().message(), "server.properties: num.partitions=many: must be"));
}

TEST_CASE("Durations, numbers and switches reach their options") {
  const Result result = Parse(absl::StrCat(kCombined,
                                           "controller.quorum.election.timeout.ms=1000\n"
                                           "controller.quorum.fetch.timeout.ms=2000\n"
                                           "broker.heartbeat.interval.ms = 150\nbroker.session.timeout.ms: 900\n"
                                           "metadata.max.idle.interval.ms 0\ndelete.topic.enable=FALSE\n"
                                           "metadata.log.segment.bytes=8388608\ndefault.replication.factor=3\n"
                                           "quorate.start.backoff.max.ms=0\n"));
  REQUIRE(result.options.ok());
  CHECK(result.options->timeouts.election == absl::Seconds(1));
  CHECK(result.options->timeouts.fetch == absl::Seconds(2));
  CHECK(result.options->broker_heartbeat_interval == absl::Milliseconds(150));
  CHECK(result.options->broker_session_timeout == absl::Milliseconds(900));
  CHECK(result.options->metadata_idle_interval == absl::ZeroDuration());
  CHECK_FALSE(result.options->delete_topics);
  CHECK(result.options->metadata_segment_bytes == 8388608);
  CHECK(result.options->default_replication_factor == 3);
  CHECK(result.options->start_backoff_max == absl::ZeroDuration());
  CHECK(Parse(kCombined).options->start_backoff_max == absl::Minutes(1));
  CHECK_FALSE(Parse(kCombined, {{"quorate.start.backoff.max.ms", "3600001"}}).options.ok());
}

constexpr char kDynamic[] =
    "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.bootstrap.servers=localhost:9093\n"
    "listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\ncontroller.listener.names=CONTROLLER\n"
    "log.dirs=/d\n";

TEST_CASE("Joining, priority, snapshots and silence reach their options, and have defaults") {
  const Result plain = Parse(kDynamic);
  INFO(plain.options.status());
  REQUIRE(plain.options.ok());
  CHECK(plain.warnings.empty());
  CHECK_FALSE(plain.options->auto_join);
  CHECK(plain.options->leader_priority == kPriorityDefault);
  CHECK(plain.options->snapshots.log_bytes == 20971520);
  CHECK(plain.options->snapshots.interval == absl::Hours(1));
  const Result result = Parse(absl::StrCat(
      kDynamic,
      "controller.quorum.auto.join.enable=true\nquorate.leader.priority=0\n"
      "metadata.log.max.record.bytes.between.snapshots=4096\n"
      "metadata.log.max.snapshot.interval.ms=0\n"
      "quorate.snapshot.send.bytes.per.second=1000000\n"
      "quorate.quorum.silence.min.ms=90\nquorate.quorum.disk.stall.ms=5000\nquorate.quorum.apply.stall.ms=0\n"));
  INFO(result.options.status());
  REQUIRE(result.options.ok());
  CHECK(result.warnings.empty());
  CHECK(result.options->auto_join);
  CHECK(result.options->leader_priority == kPriorityNever);
  CHECK(result.options->snapshots.log_bytes == 4096);
  CHECK(result.options->snapshots.interval == absl::ZeroDuration());
  CHECK(result.options->snapshots.send_bytes_per_second == 1'000'000);
  CHECK(result.options->timeouts.silence_min == absl::Milliseconds(90));
  CHECK(result.options->timeouts.disk_stall == absl::Seconds(5));
  CHECK(result.options->timeouts.apply_stall == absl::ZeroDuration());
}

TEST_CASE("A fetch timeout below the default of the shortest silence shortens that, too") {
  const Result result = Parse(absl::StrCat(kDynamic, "controller.quorum.fetch.timeout.ms=100\n"));
  INFO(result.options.status());
  REQUIRE(result.options.ok());
  CHECK(result.options->timeouts.silence_min == absl::Milliseconds(100));
  const Result contradiction =
      Parse(absl::StrCat(kDynamic, "controller.quorum.fetch.timeout.ms=100\nquorate.quorum.silence.min.ms=200\n"));
  REQUIRE_FALSE(contradiction.options.ok());
  INFO(contradiction.options.status());
  CHECK(absl::StrContains(contradiction.options.status().message(),
                          ":8: quorate.quorum.silence.min.ms=200: is 200 ms: it must not be longer than"));
}

TEST_CASE("Auto-join is for controllers of a dynamic quorum") {
  const Result broker = Parse(
      "process.roles=broker\nnode.id=5\ncontroller.quorum.bootstrap.servers=localhost:9093\n"
      "listeners=PLAINTEXT://localhost:9092\ncontroller.listener.names=CONTROLLER\nlog.dirs=/d\n"
      "controller.quorum.auto.join.enable=true\n");
  REQUIRE_FALSE(broker.options.ok());
  CHECK(absl::StrContains(broker.options.status().message(),
                          ":7: controller.quorum.auto.join.enable=true: is true, but this process is no controller"));
  const Result with_static_voters = Parse(absl::StrCat(kCombined, "controller.quorum.auto.join.enable=true\n"));
  REQUIRE(with_static_voters.options.ok());
  CHECK(absl::StrContains(with_static_voters.warnings,
                          ":18: controller.quorum.auto.join.enable has no effect together with "));
}

struct Bad {
  std::string name;
  std::string text;
  std::vector<std::string> expected;  // parts of the message
};

std::vector<Bad> BadFiles() {
  const std::string voters = "controller.quorum.voters=1@localhost:9093,2@localhost:19093,3@localhost:29093";
  const std::string listeners = "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ninter";
  const std::string advertised = "advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n";
  return {
      {"no node id", With("node.id=1\n", ""), {"1 problem", "node.id (not set): must be set"}},
      {"negative id",
       With("node.id=1", "node.id=-1"),
       {"server.properties:2: node.id=-1: must be a whole number from 0"}},
      {"id no number", With("node.id=1", "node.id=one"), {"server.properties:2: node.id=one: must be a whole number"}},
      {"id too large", With("node.id=1", "node.id=2147483648"), {"to 2147483647"}},
      {"two ids", With("node.id=1", "node.id=1\nbroker.id=2"), {":3: broker.id=2: must be the same as node.id"}},
      {"unknown role", With("broker,controller", "broker,observer"), {":1: ", "'observer'", "broker and controller"}},
      {"double role", With("broker,controller", "broker,broker,controller"), {":1: ", "broker twice"}},
      {"no role", With("process.roles=broker,controller\n", ""), {"process.roles (not set): must name"}},
      {"empty role", With("broker,controller", "broker,,controller"), {"empty piece between its commas"}},
      {"no directory",
       With("log.dirs=/tmp/kraft-combined-logs\n", ""),
       {"log.dirs (not set): must name the directory"}},
      {"listener twice",
       With(listeners, "listeners=CONTROLLER://:9093,PLAINTEXT://:1,plaintext://:2\ninter"),
       {":4: ", "PLAINTEXT twice: each listener must have a different name"}},
      {"port twice",
       With(listeners, "listeners=PLAINTEXT://:9093,CONTROLLER://:9093\ninter"),
       {":4: ", "on the same port 9093"}},
      {"listener without port",
       With(listeners, "listeners=PLAINTEXT://localhost,CONTROLLER://:9093\ninter"),
       {":4: ", "'PLAINTEXT://localhost'", "has no port", "host:port"}},
      {"listener without name",
       With(listeners, "listeners=localhost:9092,CONTROLLER://:9093\ninter"),
       {":4: ", "NAME://host:port"}},
      {"port too large",
       With(listeners, "listeners=PLAINTEXT://:99999,CONTROLLER://:9093\ninter"),
       {"'99999'", "from 0 to 65535"}},
      {"unmapped listener",
       With("listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,",
            "listener.security.protocol.map=CONTROLLER:PLAINTEXT,"),
       {":8: ", "no entry for the listener PLAINTEXT", "add PLAINTEXT:PLAINTEXT"}},
      {"bad map", With("CONTROLLER:PLAINTEXT,", "CONTROLLER=PLAINTEXT,"), {":8: ", "LISTENER:PROTOCOL"}},
      {"secure listener", With("map=CONTROLLER:PLAINTEXT", "map=CONTROLLER:SSL"), {":8: ", "speaks only PLAINTEXT"}},
      {"no quorum", With(voters + "\n", ""), {"controller.quorum.bootstrap.servers (not set)"}},
      {"bad voter",
       With("2@localhost:19093", "two@localhost:19093"),
       {":3: ", "'two@localhost:19093' must be id@host:port"}},
      {"voter twice", With("2@localhost:19093", "1@localhost:19093"), {":3: ", "names node 1 twice"}},
      {"voter nowhere", With("2@localhost:19093", "2@0.0.0.0:19093"), {"nobody can connect to"}},
      {"not a voter", With("node.id=1", "node.id=9"), {":3: ", "doesn't name this controller's node.id 9"}},
      {"bad bootstrap",
       absl::StrCat(kCombined, "controller.quorum.bootstrap.servers=localhost\n"),
       {":18: ", "has no port"}},
      {"control plane",
       absl::StrCat(kCombined, "control.plane.listener.name=X\n"),
       {":18: ", "is not allowed in KRaft"}},
      {"no controller names",
       With("controller.listener.names=CONTROLLER\n", ""),
       {"controller.listener.names (not set)"}},
      {"unbound controller",
       With("names=CONTROLLER", "names=CONTROLLER,OTHER"),
       {":7: ", "names OTHER", "must listen on each"}},
      {"only controllers", With("names=CONTROLLER", "names=CONTROLLER,PLAINTEXT"), {"no listener for the broker"}},
      {"broker with a controller listener",
       With("broker,controller", "broker"),
       {":4: ", "has the controller listener CONTROLLER, but this process is no controller"}},
      {"broker in the voters", With("broker,controller", "broker"), {":2: node.id=1", "no controller"}},
      {"controller with a broker listener", With("broker,controller", "controller"), {":4: ", "has PLAINTEXT"}},
      {"advertised name",
       With(advertised, "advertised.listeners=EXTERNAL://localhost:9092\n"),
       {":6: ", "EXTERNAL, which isn't among the listeners (PLAINTEXT, CONTROLLER)"}},
      {"advertised nowhere",
       With(advertised, "advertised.listeners=PLAINTEXT://0.0.0.0:9092\n"),
       {":6: ", "tells others to connect to 0.0.0.0"}},
      {"inter-broker name",
       With("name=PLAINTEXT", "name=REPLICATION"),
       {":5: ", "REPLICATION", "not a listener of this broker"}},
      {"inter-broker twice",
       absl::StrCat(kCombined, "security.inter.broker.protocol=PLAINTEXT\n"),
       {":18: ", "must not be set together"}},
      {"bad number", With("num.partitions=1", "num.partitions=0"), {":13: num.partitions=0", "from 1 to 100000"}},
      {"bad switch", absl::StrCat(kCombined, "delete.topic.enable=yes\n"), {":18: ", "must be true or false"}},
      {"bad time", absl::StrCat(kCombined, "broker.session.timeout.ms=9s\n"), {":18: ", "whole number from 1"}},
      {"small segment", absl::StrCat(kCombined, "metadata.log.segment.bytes=1024\n"), {"from 8388608"}},
      {"priority", absl::StrCat(kCombined, "quorate.leader.priority=11\n"), {":18: ", "from 0 to 10"}},
      {"snapshot bytes",
       absl::StrCat(kCombined, "metadata.log.max.record.bytes.between.snapshots=0\n"),
       {":18: ", "from 1 to"}},
      {"snapshot interval",
       absl::StrCat(kCombined, "metadata.log.max.snapshot.interval.ms=-1\n"),
       {":18: ", "from 0 to"}},
      {"auto-join", absl::StrCat(kCombined, "controller.quorum.auto.join.enable=maybe\n"), {"must be true or false"}},
      {"own key", absl::StrCat(kCombined, "quorate.leader.prioritty=3\n"), {"did you mean 'quorate.leader.priority'?"}},
      {"no key", absl::StrCat(kCombined, "=value\n"), {":18: ", "no key before the '='"}},
      {"bad escape", absl::StrCat(kCombined, "broker.rack=\\u12\n"), {":18: ", "four hexadecimal digits"}},
  };
}

TEST_CASE("Each mistake is named with line, key, value and what is right") {
  for (const Bad& bad : BadFiles()) {
    INFO(bad.name);
    const Result result = Parse(bad.text);
    CHECK_FALSE(result.options.ok());
    if (result.options.ok()) continue;
    INFO(result.options.status().ToString());
    CHECK(ReasonOf(result.options.status()) == Reason::kInvalidArgument);
    for (const std::string& part : bad.expected) CHECK(absl::StrContains(result.options.status().message(), part));
  }
}

TEST_CASE("All mistakes come at once, in the order of the lines, without what only follows from them") {
  const Result result = Parse(
      "process.roles=broker,controller\nnode.id=x\nlisteners=nonsense\nnum.partitions=-4\n"
      "controller.quorum.voters=1@h:1\ncontroller.listener.names=CONTROLLER\nlog.dirs=/d\n");
  REQUIRE_FALSE(result.options.ok());
  const std::string message(result.options.status().message());
  INFO(message);
  CHECK(absl::StartsWith(message, "server.properties has 3 problems:\n"));
  CHECK(message.find(":2: node.id=x") < message.find(":3: listeners=nonsense"));
  CHECK(message.find(":3: listeners=nonsense") < message.find(":4: num.partitions=-4"));
}

TEST_CASE("F-X08: a value can't forge lines in a message") {
  const Result result = Parse("node.id=1\\nFATAL everything is lost\n");
  REQUIRE_FALSE(result.options.ok());
  const std::string message(result.options.status().message());
  CHECK(absl::StrContains(message, "1\\x0aFATAL"));
  CHECK_FALSE(absl::StrContains(message, "\nFATAL"));
}

TEST_CASE("Kafka's keys that have no effect here are remarked on") {
  const Result result =
      Parse(absl::StrCat(kCombined,
                         "zookeeper.connect=z:2181\nlog.retention.ms=1\n"
                         "authorizer.class.name=A\nnum.partitions=2\nbroker.session.timeout.ms=100\n"));
  INFO(result.options.status());
  REQUIRE(result.options.ok());
  CHECK(result.options->num_partitions == 2);
  INFO(result.warnings);
  CHECK(absl::StrContains(result.warnings, ":18: the key 'zookeeper.connect' belongs to ZooKeeper"));
  CHECK(absl::StrContains(result.warnings, ":19: the key 'log.retention.ms' has no effect"));
  CHECK(absl::StrContains(result.warnings, ":20: the key 'authorizer.class.name' has no effect"));
  CHECK(absl::StrContains(result.warnings, ":21: num.partitions is set a second time (first in line 13)"));
  CHECK(absl::StrContains(result.warnings, "server.properties:22: broker.session.timeout.ms is less than twice"));
}

TEST_CASE("A key that nobody knows is an error, with its line and what was probably meant") {
  const Result result = Parse(absl::StrCat(kCombined, "controller.quorum.voter=1\nmy.own.key=1\n"));
  REQUIRE_FALSE(result.options.ok());
  const std::string message(result.options.status().message());
  INFO(message);
  CHECK(absl::StrContains(message, "server.properties has 2 problems:\n"));
  CHECK(absl::StrContains(
      message, ":18: the key 'controller.quorum.voter' is not known; did you mean 'controller.quorum.voters'?"));
  CHECK(absl::StrContains(message, ":19: the key 'my.own.key' is not known, neither here nor to Kafka"));
}

TEST_CASE("Options that a host filled in go through the same rules") {
  NodeOptions options;
  const absl::Status status = ValidateNodeOptions(options);
  CHECK(ReasonOf(status) == Reason::kInvalidArgument);
  for (absl::string_view key : {"process.roles", "node.id", "listeners", "controller.listener.names", "log.dirs",
                                "controller.quorum.bootstrap.servers"}) {
    INFO(std::string(key));
    CHECK(absl::StrContains(status.message(), absl::StrCat("\n  ", key, ": ")));
  }
  CHECK(ValidateNodeOptions(*Parse(kCombined).options).ok());
}

TEST_CASE("What the quorum or the controller would refuse later is refused with its line") {
  const Result result = Parse(absl::StrCat(kCombined, "controller.quorum.fetch.timeout.ms=3600001\nbroker.rack=",
                                           std::string(limits::kRackNameBytesMax + 1, 'r'), "\n"));
  REQUIRE_FALSE(result.options.ok());
  const std::string message(result.options.status().message());
  INFO(message);
  CHECK(absl::StrContains(message, ":18: controller.quorum.fetch.timeout.ms=3600001"));
  CHECK(absl::StrContains(message, "from 1 to 3600000"));
  CHECK(absl::StrContains(message, ":19: broker.rack="));
  CHECK(absl::StrContains(message, "at most 255"));
}

TEST_CASE("The properties format is Java's") {
  const node::ParsedProperties parsed = node::ParseProperties(
      "# comment\r\n! another\n\n  a = 1\nb:2\rc 3\nd\\ e=\\t\\u00e4x\\\\\nlong=one,\\\n     two,\\\r\n  three\n"
      "empty=\n#not = \\\nkept=yes\nlast=\\");
  std::vector<std::string> shown;
  for (const node::Property& p : parsed.properties) shown.push_back(absl::StrCat(p.line, "|", p.key, "|", p.value));
  CHECK(shown == std::vector<std::string>{"4|a|1", "5|b|2", "6|c|3", "7|d e|\täx\\", "8|long|one,two,three",
                                          "11|empty|", "13|kept|yes", "14|last|"});
  CHECK(parsed.problems.empty());

  CHECK(node::ParseProperties(std::string("a=1\0", 4)).problems.size() == 1);
  CHECK(node::ParseProperties(std::string((1u << 20) + 1, 'x')).problems.size() == 1);
}

}  // namespace
}  // namespace quorate
