// quorate topics, with Kafka's output to the byte.
#include <nlohmann/json.hpp>

#include "cli/harness.h"
#include "cli/topics_text.h"
#include "support/catch.h"

namespace quorate::cli {
namespace {

using Catch::Matchers::Contains;
using Json = nlohmann::json;

CommandResult Topics(FakeCluster* cluster, std::vector<std::string> args) {
  std::vector<std::string> all = {"quorate", "topics", "--bootstrap-server", "localhost:9092"};
  all.insert(all.end(), args.begin(), args.end());
  return Run(cluster, all);
}

void Create(FakeCluster* cluster, const std::string& name, int partitions = 1, int replication = 3) {
  REQUIRE(Topics(cluster, {"--create", "--topic", name, "--partitions", std::to_string(partitions),
                           "--replication-factor", std::to_string(replication)})
              .exit_code == 0);
}

TEST_CASE("topics --create says so, and warns of names that may collide", "[cli]") {
  FakeCluster cluster;
  const CommandResult plain = Topics(&cluster, {"--create", "--topic", "orders", "--partitions", "2"});
  CHECK(plain.exit_code == 0);
  CHECK(plain.out == "Created topic orders.\n");
  CHECK(plain.err.empty());
  const CommandResult dotted = Topics(&cluster, {"--create", "--topic", "email.send"});
  CHECK(dotted.out ==
        "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. To "
        "avoid issues it is best to use either, but not both.\nCreated topic email.send.\n");
  CHECK(cluster.topics.size() == 2);
}

TEST_CASE("topics --create of one that exists fails, unless that is fine", "[cli]") {
  FakeCluster cluster;
  Create(&cluster, "orders");
  const CommandResult again = Topics(&cluster, {"--create", "--topic", "orders"});
  CHECK(again.exit_code == 1);
  CHECK(again.out.empty());
  CHECK(again.err ==
        "Error while executing topic command : Topic 'orders' already exists. Use --if-not-exists to be content with "
        "that.\n");
  const CommandResult content = Topics(&cluster, {"--create", "--topic", "orders", "--if-not-exists"});
  CHECK(content.exit_code == 0);
  CHECK(content.out.empty());
}

TEST_CASE("topics --create with more replicas than brokers says what to do", "[cli]") {
  FakeCluster cluster;
  const CommandResult result = Topics(&cluster, {"--create", "--topic", "orders", "--replication-factor", "4"});
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, Contains("replication factor of 4") && Contains("only 3 broker(s)") &&
                             Contains("Start more brokers, or ask for fewer copies"));
  CHECK(cluster.topics.empty());
}

TEST_CASE("topics --create checks its numbers before it asks", "[cli]") {
  FakeCluster cluster;
  for (const char* n : {"0", "-2", "2147483648", "x", ""}) {
    CAPTURE(n);
    CHECK(Topics(&cluster, {"--create", "--topic", "t", "--partitions", n}).exit_code == 1);
    CHECK(Topics(&cluster, {"--create", "--topic", "t", "--replication-factor", n}).exit_code == 1);
  }
  CHECK(Topics(&cluster, {"--create", "--topic", "t", "--replication-factor", "32768"}).exit_code == 1);
  CHECK(Topics(&cluster, {"--create"}).exit_code == 1);
  CHECK(Topics(&cluster, {"--create", "--topic", "t", "--if-exists"}).exit_code == 1);
  CHECK(Topics(&cluster, {"--list", "--partitions", "3"}).exit_code == 1);
  CHECK(Topics(&cluster, {"--create", "--topic", "t", "--unavailable-partitions"}).exit_code == 1);
  CHECK(cluster.calls == 0);
}

TEST_CASE("topics --create takes a replica assignment", "[cli]") {
  FakeCluster cluster;
  REQUIRE(Topics(&cluster, {"--create", "--topic", "t", "--replica-assignment", "2:3,3:1"}).exit_code == 0);
  const TopicDescription& topic = cluster.topics.at("t");
  REQUIRE(topic.partitions.size() == 2);
  CHECK(topic.partitions[0].replicas == std::vector<NodeId>{NodeId(2), NodeId(3)});
  CHECK(topic.partitions[1].replicas == std::vector<NodeId>{NodeId(3), NodeId(1)});
  for (const char* wrong : {"1:1", "1,2:3", "a", "1:", ",", "-1"}) {
    CAPTURE(wrong);
    CHECK(Topics(&cluster, {"--create", "--topic", "u", "--replica-assignment", wrong}).exit_code == 1);
  }
  CHECK(Topics(&cluster, {"--create", "--topic", "u", "--replica-assignment", "1", "--partitions", "1"}).exit_code ==
        1);
  CHECK(cluster.topics.size() == 1);
}

TEST_CASE("topics --list prints sorted names, and only those asked for", "[cli]") {
  FakeCluster cluster;
  CHECK(Topics(&cluster, {"--list"}).out.empty());
  for (const char* name : {"b", "a.x", "aax", "__consumer_offsets"}) Create(&cluster, name);
  CHECK(Topics(&cluster, {"--list"}).out == "__consumer_offsets\na.x\naax\nb\n");
  CHECK(Topics(&cluster, {"--list", "--exclude-internal"}).out == "a.x\naax\nb\n");
  CHECK(Topics(&cluster, {"--list", "--topic", "a.*"}).out == "a.x\naax\n");
  CHECK(Topics(&cluster, {"--list", "--topic", "a.x"}).out == "a.x\n");
  CHECK(Topics(&cluster, {"--list", "--topic", "nope"}).exit_code == 0);
  CHECK(Json::parse(Topics(&cluster, {"--list", "--output", "json"}).out)["topics"].size() == 4);
}

TEST_CASE("topics --describe prints Kafka's lines", "[cli]") {
  FakeCluster cluster;
  Create(&cluster, "email.send", 2);
  PartitionDescription& second = cluster.topics["email.send"].partitions[1];
  second.leader = kNoNode;
  second.isr.pop_back();
  const std::string id = cluster.topics["email.send"].topic_id.ToString();
  const CommandResult result = Topics(&cluster, {"--describe", "--topic", "email.send"});
  CHECK(result.exit_code == 0);
  CHECK(result.out == "Topic: email.send\tTopicId: " + id +
                          "\tPartitionCount: 2\tReplicationFactor: 3\tConfigs: \n"
                          "\tTopic: email.send\tPartition: 0\tLeader: 1\tReplicas: 1,2,3\tIsr: 1,2,3\tElr: "
                          "N/A\tLastKnownElr: N/A\n"
                          "\tTopic: email.send\tPartition: 1\tLeader: none\tReplicas: 1,2,3\tIsr: 1,2\tElr: "
                          "N/A\tLastKnownElr: N/A\n");
  for (const char* filter : {"--under-replicated-partitions", "--unavailable-partitions"}) {
    const CommandResult filtered = Topics(&cluster, {"--describe", filter});
    CHECK(filtered.out ==
          "\tTopic: email.send\tPartition: 1\tLeader: none\tReplicas: 1,2,3\tIsr: 1,2\tElr: N/A\tLastKnownElr: N/A\n");
  }
  const Json json = Json::parse(Topics(&cluster, {"--describe", "--output", "json"}).out);
  REQUIRE(json["topics"].size() == 1);
  CHECK(json["topics"][0]["name"] == "email.send");
  CHECK(json["topics"][0]["partitions"][1]["leader"].is_null());
  CHECK(json["topics"][0]["partitions"][1]["isr"] == Json({1, 2}));
}

TEST_CASE("topics --describe and --delete of a missing topic fail in Kafka's words", "[cli]") {
  FakeCluster cluster;
  Create(&cluster, "there");
  for (const char* action : {"--describe", "--delete"}) {
    CAPTURE(action);
    for (const char* name : {"missing", "miss.*"}) {
      const CommandResult result = Topics(&cluster, {action, "--topic", name});
      CHECK(result.exit_code == 1);
      CHECK(result.out.empty());
      CHECK_THAT(result.err, Catch::Matchers::StartsWith("Error while executing topic command : Topic '" +
                                                         std::string(name) + "' does not exist as expected"));
      CHECK(Topics(&cluster, {action, "--topic", name, "--if-exists"}).exit_code == 0);
    }
  }
  CHECK(cluster.topics.size() == 1);
}

TEST_CASE("topics --delete deletes what was named, and nothing that a dot happens to match", "[cli]") {
  FakeCluster cluster;
  for (const char* name : {"a.b", "axb", "c1", "c2"}) Create(&cluster, name);
  const CommandResult one = Topics(&cluster, {"--delete", "--topic", "a.b"});
  CHECK(one.exit_code == 0);
  CHECK(one.out.empty());
  CHECK(cluster.topics.contains("axb"));
  CHECK(Topics(&cluster, {"--delete", "--topic", "c[0-9]"}).exit_code == 0);
  CHECK(cluster.topics.size() == 1);
  CHECK(Topics(&cluster, {"--delete"}).exit_code == 1);
  const CommandResult bad = Topics(&cluster, {"--delete", "--topic", "c["});
  CHECK(bad.exit_code == 1);
  CHECK_THAT(bad.err, Contains("regular expression"));
  CHECK(cluster.topics.size() == 1);
}

TEST_CASE("topics --topic takes a list, in which a name is a name and every piece must be there", "[cli]") {
  FakeCluster cluster;
  for (const char* name : {"a.b", "axb", "c1", "c2", "d"}) Create(&cluster, name);

  const CommandResult both = Topics(&cluster, {"--describe", "--topic", "d, a.b,d"});
  CHECK(both.exit_code == 0);
  CHECK(std::count(both.out.begin(), both.out.end(), '\n') == 4);  // two topics of one partition each
  CHECK_THAT(both.out, Catch::Matchers::StartsWith("Topic: a.b") && !Contains("axb"));
  CHECK(Topics(&cluster, {"--list", "--topic", "a.b,c[12],nope"}).out == "a.b\nc1\nc2\n");

  // What is there is shown; what isn't is said, and is a failure.
  for (const char* list : {"d,nope", "d,no.*", "nope,d*"}) {
    CAPTURE(list);
    const CommandResult partly = Topics(&cluster, {"--describe", "--topic", list});
    CHECK(partly.exit_code == 1);
    CHECK_THAT(partly.out, Contains("Topic: d\t"));
    CHECK_THAT(partly.err, Contains("Topic 'no") && Contains("does not exist as expected"));
    CHECK(Topics(&cluster, {"--describe", "--topic", list, "--if-exists"}).exit_code == 0);
  }

  const CommandResult deleted = Topics(&cluster, {"--delete", "--topic", "a.b,c[0-9],nope", "--output", "json"});
  CHECK(deleted.exit_code == 1);
  CHECK(Json::parse(deleted.out)["deleted"].size() == 3);
  CHECK_THAT(deleted.err, Contains("Topic 'nope' does not exist"));
  CHECK(cluster.topics.contains("axb"));  // the dot of a.b is a dot in a list, too
  CHECK(cluster.topics.contains("d"));

  const int calls = cluster.calls;
  for (const char* nothing : {",", " , "}) {
    const CommandResult result = Topics(&cluster, {"--delete", "--topic", nothing});
    CHECK(result.exit_code == 1);
    CHECK_THAT(result.err, Contains("names no topic"));
  }
  CHECK(cluster.calls == calls);
  CHECK(cluster.topics.size() == 2);
}

TEST_CASE("A question that gets no answer has certainly changed nothing, and isn't said to", "[cli]") {
  FakeCluster cluster;
  cluster.down = MakeError(Reason::kDeadlineExceeded, Outcome::kUnknown, "no answer within 15 s");
  const std::vector<std::vector<std::string>> questions = {
      {"topics", "--list"},
      {"topics", "--describe"},
      {"topics", "--describe", "--topic", "t"},
      {"metadata-quorum", "describe", "--status"},
      {"metadata-quorum", "describe", "--replication"},
  };
  for (std::vector<std::string> args : questions) {
    CAPTURE(args);
    args.insert(args.begin(), "quorate");
    args.insert(args.end(), {"--bootstrap-server", "localhost:9092"});
    const CommandResult result = Run(&cluster, args);
    CHECK(result.exit_code == 1);
    CHECK_THAT(result.err, Contains("majority of the controllers") && !Contains("take effect"));
  }
}

TEST_CASE("A cluster that can't be reached or has no leader is said with its remedy", "[cli]") {
  FakeCluster cluster;
  cluster.down = MakeError(Reason::kUnreachable, Outcome::kNotApplied, "localhost:9092 can't be connected to");
  CommandResult result = Topics(&cluster, {"--list"});
  CHECK(result.exit_code == 1);
  CHECK(result.err ==
        "Error while executing topic command : localhost:9092 can't be connected to. Check that a node runs there "
        "(quorate server FILE) and that the address is one of its listeners.\n");
  cluster.down = MakeError(Reason::kNoLeader, Outcome::kNotApplied, "no leader within 15 s");
  CHECK_THAT(Topics(&cluster, {"--create", "--topic", "t"}).err, Contains("majority of the controllers"));
  cluster.down = MakeError(Reason::kDeadlineExceeded, Outcome::kUnknown, "no answer within 15 s");
  CHECK_THAT(Topics(&cluster, {"--create", "--topic", "t"}).err, Contains("may still take effect"));
}

TEST_CASE("A request that was lost sight of isn't to be repeated blindly, one that did nothing is", "[cli]") {
  FakeCluster cluster;
  for (Reason reason : {Reason::kLeadershipLost, Reason::kShuttingDown, Reason::kHalted}) {
    cluster.down = MakeError(reason, Outcome::kUnknown, "this node stopped leading");
    CHECK(Topics(&cluster, {"--create", "--topic", "t"}).err ==
          "Error while executing topic command : this node stopped leading. Look whether it took effect before you "
          "repeat it.\n");
    CHECK_THAT(Topics(&cluster, {"--list"}).err, Contains("Repeat it, or ask another node."));
    cluster.down = MakeError(reason, Outcome::kNotApplied, "this node stopped leading");
    CHECK_THAT(Topics(&cluster, {"--create", "--topic", "t"}).err, Contains("Repeat it, or ask another node."));
  }
}

TEST_CASE("A topic name is a name, everything else an expression", "[cli]") {
  CHECK(IsTopicName("email.send"));
  CHECK(IsTopicName(std::string(249, 'a')));
  for (const std::string& text : {std::string(), std::string("."), std::string(".."), std::string(250, 'a'),
                                  std::string("a*"), std::string("a,b"), std::string("a b"), std::string("ä")}) {
    CHECK_FALSE(IsTopicName(text));
  }
}

}  // namespace
}  // namespace quorate::cli
