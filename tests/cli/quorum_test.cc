// quorate metadata-quorum describe, with Kafka's output to the byte.
#include <nlohmann/json.hpp>

#include "cli/harness.h"
#include "cli/quorum_text.h"
#include "support/catch.h"

namespace quorate::cli {
namespace {

using Catch::Matchers::Contains;
using Json = nlohmann::json;

const absl::Time kNow = absl::FromUnixMillis(1'700'000'000'000);

ReplicaStatus Replica(int id, int64_t end, absl::Time caught_up, bool voter = true) {
  ReplicaStatus replica;
  replica.key = ReplicaKey{NodeId(id), DirectoryId(Uuid(5, 1000 + id))};
  replica.log_end = Offset(end);
  replica.last_fetch = replica.last_caught_up = caught_up;
  if (voter) replica.endpoints = {{"CONTROLLER", "localhost", static_cast<uint16_t>(9090 + id)}};
  return replica;
}

QuorumDescription Example() {
  QuorumDescription quorum;
  quorum.cluster_id = ClusterId(Uuid(9, 9999));
  quorum.leader = NodeId(2);
  quorum.epoch = Epoch(4);
  quorum.high_watermark = Offset(100);
  quorum.log_end = Offset(105);
  quorum.voters = {Replica(3, 90, kNow - absl::Milliseconds(400)), Replica(2, 105, kNow),
                   Replica(1, 105, kNow - absl::Milliseconds(20))};
  quorum.observers = {Replica(4, 80, absl::InfinitePast(), false)};
  return quorum;
}

CommandResult Describe(const QuorumDescription& quorum, std::vector<std::string> args) {
  FakeCluster cluster;
  cluster.quorum = quorum;
  std::vector<std::string> all = {"kafka-metadata-quorum.sh", "--bootstrap-controller", "localhost:9093", "describe"};
  all.insert(all.end(), args.begin(), args.end());
  return Run(&cluster, all);
}

TEST_CASE("describe --status pads its labels and lists voters as Kafka does", "[cli]") {
  const CommandResult result = Describe(Example(), {"--status"});
  CHECK(result.exit_code == 0);
  const std::string d1 = Uuid(5, 1001).ToString(), d2 = Uuid(5, 1002).ToString(), d3 = Uuid(5, 1003).ToString();
  CHECK(result.out ==
        "ClusterId:              " + Uuid(9, 9999).ToString() +
            "\n"
            "LeaderId:               2\n"
            "LeaderEpoch:            4\n"
            "HighWatermark:          100\n"
            "MaxFollowerLag:         15\n"
            "MaxFollowerLagTimeMs:   400\n"
            "CurrentVoters:          [{\"id\": 3, \"directoryId\": \"" +
            d3 + "\", \"endpoints\": [\"CONTROLLER://localhost:9093\"]}, {\"id\": 2, \"directoryId\": \"" + d2 +
            "\", \"endpoints\": [\"CONTROLLER://localhost:9092\"]}, {\"id\": 1, \"directoryId\": \"" + d1 +
            "\", \"endpoints\": [\"CONTROLLER://localhost:9091\"]}]\n"
            "CurrentObservers:       [{\"id\": 4, \"directoryId\": \"" +
            Uuid(5, 1004).ToString() + "\"}]\n");
}

TEST_CASE("describe --replication lists the leader, followers, observers", "[cli]") {
  const CommandResult result = Describe(Example(), {"--replication"});
  CHECK(result.exit_code == 0);
  std::vector<std::string> lines;
  std::istringstream in(result.out);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  REQUIRE(lines.size() == 5);
  CHECK(lines[0] ==
        "NodeId\tDirectoryId           \tLogEndOffset\tLag\tLastFetchTimestamp\tLastCaughtUpTimestamp\tStatus");
  CHECK(lines[1] == "2     \t" + Uuid(5, 1002).ToString() +
                        "\t105         \t0  \t1700000000000     \t1700000000000        \tLeader");
  CHECK_THAT(lines[2], Catch::Matchers::StartsWith("1 ") && Contains("Follower"));
  CHECK_THAT(lines[3], Catch::Matchers::StartsWith("3 ") && Contains("\t15 \t") && Contains("Follower"));
  CHECK_THAT(lines[4], Catch::Matchers::StartsWith("4 ") && Contains("\t-1 ") && Contains("Observer"));
  for (const std::string& line : lines) CHECK(line.back() != ' ');
}

TEST_CASE("describe --replication --human-readable shows ages", "[cli]") {
  std::ostringstream out;
  PrintReplication(out, OutputFormat::kHuman, Example(), kNow + absl::Milliseconds(7));
  CHECK_THAT(out.str(), Contains("7 ms ago") && Contains("27 ms ago") && Contains("407 ms ago") && Contains("-1"));
  std::ostringstream skewed;  // the leader's clock is ahead of ours
  PrintReplication(skewed, OutputFormat::kHuman, Example(), kNow - absl::Hours(1));
  CHECK_THAT(skewed.str(), Contains("0 ms ago") && !Contains("--"));
}

TEST_CASE("Both reports have a JSON form with the same facts", "[cli]") {
  const Json status = Json::parse(Describe(Example(), {"--status", "--output", "json"}).out);
  CHECK(status["leaderId"] == 2);
  CHECK(status["maxFollowerLag"] == 15);
  CHECK(status["currentVoters"][0]["endpoints"][0] == "CONTROLLER://localhost:9093");
  const Json replication = Json::parse(Describe(Example(), {"--replication", "--output", "json"}).out);
  REQUIRE(replication["replicas"].size() == 4);
  CHECK(replication["replicas"][0]["status"] == "Leader");
  CHECK(replication["replicas"][3]["lastFetchTimestamp"] == -1);
}

TEST_CASE("A voter that was never heard of makes the lag in time unknown, not negative", "[cli]") {
  QuorumDescription quorum = Example();
  quorum.voters[0].last_caught_up = absl::InfinitePast();
  quorum.voters[0].log_end = kNoOffset;
  CHECK(MaxFollowerLag(quorum).millis == -1);
  CHECK(MaxFollowerLag(quorum).records == 105);
  CHECK(MaxFollowerLag(QuorumDescription{}).records == 0);
}

TEST_CASE("describe wants exactly one of its reports", "[cli]") {
  CHECK_THAT(Describe(Example(), {}).err, Contains("One of --status or --replication must be specified"));
  CHECK_THAT(Describe(Example(), {"--status", "--replication"}).err, Contains("Only one of --status or --replication"));
  CHECK(Describe(Example(), {"--status", "--human-readable"}).exit_code == 1);
}

}  // namespace
}  // namespace quorate::cli
