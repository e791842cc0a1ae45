// The command line as a whole: names, help, usage errors, exit codes.
#include "cli/program.h"

#include "cli/harness.h"
#include "cli/program_name.h"
#include "support/catch.h"

namespace quorate::cli {
namespace {

using Catch::Matchers::Contains;

TEST_CASE("A link with one of Kafka's names is that tool", "[cli]") {
  CHECK(SubcommandForProgramName("/opt/kafka-tools/kafka-topics.sh") == "topics");
  CHECK(SubcommandForProgramName("kafka-topics") == "topics");
  CHECK(SubcommandForProgramName("./kafka-storage.sh") == "storage");
  CHECK(SubcommandForProgramName("kafka-metadata-quorum.sh") == "metadata-quorum");
  CHECK(SubcommandForProgramName("kafka-server-start.sh") == "server");
  CHECK_FALSE(SubcommandForProgramName("quorate"));
  CHECK_FALSE(SubcommandForProgramName("kafka-topics.bat"));
  CHECK_FALSE(SubcommandForProgramName("/kafka-topics.sh/quorate"));
  CHECK_FALSE(SubcommandForProgramName(""));

  FakeCluster cluster;
  CHECK(Run(&cluster, {"/x/kafka-topics.sh", "--bootstrap-server", "h:1", "--list"}).exit_code == 0);
  CHECK(cluster.calls == 1);
  CHECK(Run(&cluster, {"/x/kafka-storage.sh", "random-uuid"}).out.size() == 23);
}

TEST_CASE("Every Kafka name is known to be a tool", "[cli]") {
  REQUIRE_FALSE(KafkaProgramNames().empty());
  for (const std::string& name : KafkaProgramNames()) CHECK(SubcommandForProgramName(name));
}

TEST_CASE("Help and version go to the standard output and are no failure", "[cli]") {
  FakeCluster cluster;
  const CommandResult help = Run(&cluster, {"quorate", "--help"});
  CHECK(help.exit_code == 0);
  CHECK(help.err.empty());
  for (const char* command : {"server", "storage", "topics", "metadata-quorum"})
    CHECK_THAT(help.out, Contains(command));
  CHECK_THAT(Run(&cluster, {"quorate", "--version"}).out, Contains("quorate 0."));
  CHECK_THAT(Run(&cluster, {"kafka-topics.sh", "--version"}).out, Contains("quorate 0."));
  CHECK_THAT(Run(&cluster, {"quorate", "topics", "--help"}).out, Contains("--replication-factor"));
}

TEST_CASE("A usage error is one sentence on stderr and exit code 1", "[cli]") {
  FakeCluster cluster;
  const std::vector<std::vector<std::string>> wrong = {
      {"quorate"},
      {"quorate", "bogus"},
      {"quorate", "topics", "--bogus"},
      {"quorate", "topics"},
      {"quorate", "topics", "--list", "--create"},
      {"quorate", "topics", "--list"},
      {"quorate", "topics", "--list", "--bootstrap-server", "a:1", "--bootstrap-controller", "b:2"},
      {"quorate", "topics", "--list", "--bootstrap-server", "a:1", "--output", "xml"},
      {"quorate", "topics", "--list", "--bootstrap-server", "a:1", "--timeout-ms", "0"},
      {"quorate", "storage"},
      {"quorate", "storage", "format"},
      {"quorate", "server"},
      {"quorate", "metadata-quorum", "--bootstrap-server", "a:1"},
  };
  for (const std::vector<std::string>& args : wrong) {
    CAPTURE(args);
    const CommandResult result = Run(&cluster, args);
    CHECK(result.exit_code == 1);
    CHECK(result.out.empty());
    CHECK_THAT(result.err, Catch::Matchers::StartsWith("error: "));
    CHECK_THAT(result.err, Catch::Matchers::EndsWith(".\n") || Contains("--help"));
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  }
  CHECK(cluster.calls == 0);
}

TEST_CASE("A usage error names what is wrong, what is right, and where to read on", "[cli]") {
  FakeCluster cluster;
  struct Example {
    std::vector<std::string> args;
    std::string error;
  };
  const std::vector<Example> examples = {
      {{}, "say which command of quorate you mean: server, storage, topics and metadata-quorum. See quorate --help."},
      {{"bogus"},
       "'bogus' isn't a command of quorate; the commands are server, storage, topics and metadata-quorum. See quorate "
       "--help."},
      {{"storage"},
       "say which command of quorate storage you mean: random-uuid, format and info. See quorate storage --help."},
      {{"storage", "version-mapping"},
       "'version-mapping' isn't a command of quorate storage; the commands are random-uuid, format and info. See "
       "quorate storage --help."},
      {{"topics", "--bootstrap-server", "a:1", "--create", "--topic", "t", "--config", "x=y"},
       "'--config' isn't an option of quorate topics. See quorate topics --help."},
      {{"topics", "--list", "extra"}, "'extra' is one word too many for quorate topics. See quorate topics --help."},
      {{"topics", "--list", "--output", "xml"}, "--output: 'xml' isn't one of human, json. See quorate topics --help."},
      {{"topics", "--create", "--partitions", "two"},
       "--partitions: 'two' isn't a whole number from 1 to 100000. See quorate topics --help."},
      {{"topics", "--create", "--partitions", ""},
       "--partitions: '' isn't a whole number from 1 to 100000. See quorate topics --help."},
      {{"topics", "--create", "--replication-factor", "99999999999999999999"},
       "--replication-factor: '99999999999999999999' isn't a whole number from 1 to 32767. See quorate topics --help."},
      {{"topics", "--list", "--timeout-ms", "0"},
       "--timeout-ms: '0' isn't a whole number from 1 to 86400000. See quorate topics --help."},
      {{"server", "f", "--log-level", "loud"},
       "--log-level: 'loud' isn't one of debug, info, warning, error. See quorate server --help."},
      {{"server"}, "FILE is required. See quorate server --help."},
      {{"metadata-quorum", "describe", "--bogus"},
       "'--bogus' isn't an option of quorate metadata-quorum describe. See quorate metadata-quorum describe --help."},
  };
  for (const Example& example : examples) {
    std::vector<std::string> args = example.args;
    args.insert(args.begin(), "quorate");
    const CommandResult result = Run(&cluster, args);
    CHECK(result.exit_code == 1);
    CHECK(result.err == "error: " + example.error + "\n");
  }
  CHECK(cluster.calls == 0);
  CHECK(Run(&cluster, {"quorate", "topics", "--bootstrap-server", "a:1", "--list", "--output", "JSON"}).exit_code == 0);
}

TEST_CASE("An address that can't be one is refused before anything is sent", "[cli]") {
  FakeCluster cluster;
  for (const char* address : {"localhost", "localhost:", ":9092", "localhost:0", "localhost:65536", "localhost:x",
                              "::1:9092", "[::1]", "[::1:9092", "", ",", "a:1,b"}) {
    CAPTURE(address);
    const CommandResult result = Run(&cluster, {"quorate", "topics", "--list", "--bootstrap-server", address});
    CHECK(result.exit_code == 1);
    CHECK_THAT(result.err, Contains("HOST:PORT"));
  }
  CHECK(cluster.calls == 0);
  CHECK(Run(&cluster, {"quorate", "topics", "--list", "--bootstrap-server", "a:1, [::1]:9092"}).exit_code == 0);
  REQUIRE(cluster.last_options.servers.size() == 2);
  CHECK(cluster.last_options.servers[1].host == "::1");
  CHECK(cluster.last_options.servers[1].port == 9092);
}

TEST_CASE("Output that can't be written is a failure", "[cli]") {
  FakeCluster cluster;
  std::ostringstream err;
  std::ostream broken(nullptr);  // every write fails
  Context context;
  context.out = &broken;
  context.err = &err;
  context.random = SystemRandom();
  CHECK(RunProgram({"quorate", "storage", "random-uuid"}, &context) == 1);
  CHECK_THAT(err.str(), Contains("standard output"));
}

}  // namespace
}  // namespace quorate::cli
