// quorate metadata-quorum add-controller, remove-controller, transfer-leadership: what is asked of the cluster, what is
// printed while it lasts and at its end, and what each refusal advises.
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/harness.h"
#include "cli/quorum_text.h"
#include "cli/temp_dir.h"
#include "quorate/storage_adapters.h"
#include "support/catch.h"

namespace quorate::cli {
namespace {

using Catch::Matchers::Contains;
using Json = nlohmann::json;

constexpr char kCluster[] = "p8fFEbKGQ22B6M_Da_vCBw";
constexpr char kDirectory[] = "3Db5QLSqSZieL3rJBUUegA";

struct Formatted {
  explicit Formatted(const std::string& roles = "controller", const std::string& more = "")
      : config(Properties(dir, roles, more)) {
    FakeCluster none;
    const CommandResult result = Run(&none, {"kafka-storage.sh", "format", "-c", config, "-t", kCluster,
                                             roles == "broker" ? "-g" : "--no-initial-controllers"});
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    const auto identity = ReadDirectoryIdentity(PosixFileSystem(), dir / "data");
    REQUIRE(identity.ok());
    directory = (*identity)->directory_id.ToString();
  }
  TempDir dir;
  std::string config;
  std::string directory;
};

CommandResult Quorum(FakeCluster* cluster, std::vector<std::string> args) {
  std::vector<std::string> all = {"kafka-metadata-quorum.sh", "--bootstrap-server", "localhost:9092"};
  all.insert(all.end(), args.begin(), args.end());
  return Run(cluster, all);
}

std::vector<std::string> Remove(std::vector<std::string> more = {}) {
  std::vector<std::string> args = {"remove-controller", "--controller-id", "3", "--controller-directory-id",
                                   kDirectory};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

PendingVoterChange Adding(PendingVoterChange::Phase phase, int64_t done = -1, int64_t target = -1) {
  PendingVoterChange pending;
  pending.change.voter.key.id = NodeId(1);
  pending.phase = phase;
  pending.record = Offset(812);
  pending.caught_up_to = Offset(done);
  pending.catch_up_target = Offset(target);
  return pending;
}

TEST_CASE("add-controller takes id, directory and endpoints from the controller's own files", "[cli]") {
  Formatted node("broker,controller");
  FakeCluster cluster;
  // As Kafka's tool: --command-config comes before the command, or after it.
  const CommandResult result = GENERATE(false, true)
                                   ? Quorum(&cluster, {"--command-config", node.config, "add-controller"})
                                   : Quorum(&cluster, {"add-controller", "--command-config", node.config});
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(result.out ==
        "Added controller 1 with directory id " + node.directory + " and endpoints: CONTROLLER://localhost:9093\n");
  REQUIRE(cluster.added.has_value());
  CHECK(cluster.added->key.ToString() == "1:" + node.directory);
  REQUIRE(cluster.added->endpoints.size() == 1);
  CHECK(cluster.added->endpoints[0].ToString() == "CONTROLLER://localhost:9093");
  CHECK_FALSE(cluster.last_change.dry_run);
  CHECK(cluster.last_change.timeout == absl::Seconds(60));
}

TEST_CASE("add-controller says what it waits for, each thing once, and not on the standard output", "[cli]") {
  Formatted node;
  FakeCluster cluster;
  using Phase = PendingVoterChange::Phase;
  cluster.progress = {Adding(Phase::kProbing), Adding(Phase::kCatchingUp), Adding(Phase::kCatchingUp, 120, 5000),
                      Adding(Phase::kCatchingUp, 120, 5000), Adding(Phase::kCommitting)};
  const CommandResult result =
      Quorum(&cluster, {"--command-config", node.config, "--timeout-ms", "9000", "add-controller", "--output", "json"});
  REQUIRE(result.exit_code == 0);
  CHECK(cluster.last_change.timeout == absl::Seconds(9));
  CHECK(result.err ==
        "adding controller 1: asking its endpoint who is there\n"
        "adding controller 1: catching up, it hasn't fetched yet\n"
        "adding controller 1: catching up, 120 of 5000 records (2 %)\n"
        "adding controller 1: waiting for a majority to store the new voter set (offset 812)\n");
  const Json json = Json::parse(result.out);
  CHECK(json["operation"] == "add-controller");
  CHECK(json["controllerId"] == 1);
  CHECK(json["directoryId"] == node.directory);
  CHECK(json["endpoints"][0] == "CONTROLLER://localhost:9093");
  CHECK(json["dryRun"] == false);
}

TEST_CASE("--dry-run changes nothing and has Kafka's words", "[cli]") {
  Formatted node;
  FakeCluster cluster;
  const CommandResult add = Quorum(&cluster, {"--command-config", node.config, "add-controller", "--dry-run"});
  CHECK(add.exit_code == 0);
  CHECK_THAT(add.out, Catch::Matchers::StartsWith("DRY RUN of adding controller 1 with directory id "));
  CHECK(cluster.last_change.dry_run);
  cluster.last_change.dry_run = false;
  const CommandResult removal = Quorum(&cluster, Remove({"--dry-run"}));
  CHECK(removal.exit_code == 0);
  CHECK(removal.out == std::string("DRY RUN of removing KRaft controller 3 with directory id ") + kDirectory +
                           "\nIt is safe to remove it, and to stop it: a majority is alive without it.\n");
  CHECK(Json::parse(Quorum(&cluster, Remove({"--dry-run", "--output", "json"})).out)["safeToStop"] == true);
  CHECK(cluster.last_change.dry_run);
  cluster.refusal = MakeError(Reason::kUnsafeChange, Outcome::kNotApplied, "too few voters are alive");
  CHECK(Quorum(&cluster, Remove({"--dry-run"})).exit_code == 1);
}

TEST_CASE("remove-controller names the voter by id and directory", "[cli]") {
  FakeCluster cluster;
  const CommandResult result = Quorum(&cluster, Remove());
  CHECK(result.exit_code == 0);
  CHECK(result.out == std::string("Removed KRaft controller 3 with directory id ") + kDirectory + "\n");
  REQUIRE(cluster.removed.has_value());
  CHECK(cluster.removed->ToString() == std::string("3:") + kDirectory);
  CHECK(Quorum(&cluster, {"remove-controller", "-i", "4", "-d", kDirectory}).exit_code == 0);
  CHECK(cluster.removed->id == NodeId(4));
  const Json json = Json::parse(Quorum(&cluster, Remove({"--output", "json"})).out);
  CHECK(json["operation"] == "remove-controller");
  CHECK(json["dryRun"] == false);
}

TEST_CASE("transfer-leadership says who leads now", "[cli]") {
  FakeCluster cluster;
  cluster.quorum.leader = NodeId(1);
  cluster.quorum.epoch = Epoch(7);
  CHECK(Quorum(&cluster, {"transfer-leadership"}).out == "Controller 1 leads epoch 7\n");
  CHECK(Quorum(&cluster, {"transfer-leadership", "--to", "2"}).out == "Controller 2 leads epoch 7\n");
  const Json json = Json::parse(Quorum(&cluster, {"transfer-leadership", "--to", "2", "--output", "json"}).out);
  CHECK(json["leaderId"] == 2);
  cluster.refusal = MakeError(Reason::kNotCaughtUp, Outcome::kNotApplied, "node 3 is behind");
  const CommandResult refused = Quorum(&cluster, {"transfer-leadership", "--to", "3"});
  CHECK(refused.exit_code == 1);
  CHECK_THAT(refused.err, Contains("error: node 3 is behind. "));
}

TEST_CASE("Each refusal is one sentence and one remedy", "[cli]") {
  FakeCluster cluster;
  const std::pair<Reason, std::string> remedies[] = {
      {Reason::kChangePending, "Wait until it has ended"},
      {Reason::kLeaderNotReady, "Try again in a moment"},
      {Reason::kVoterExists, "remove the voter with the old directory id first"},
      {Reason::kVoterNotFound, "describe --status shows the voters"},
      {Reason::kVoterRemoved, "Add it by hand"},
      {Reason::kNotCaughtUp, "Check that the node runs and fetches"},
      {Reason::kUnsupportedVersion, "Run the same version of quorate"},
      {Reason::kUnsafeChange, "Start the controllers that are down"},
      {Reason::kNoEndpoint, "Set advertised.listeners for its controller listener on the node that the message names"},
      {Reason::kWrongReplica, "Check that the address is that of this very node"},
      {Reason::kUnreachable, "Check that a node runs there"},
  };
  for (const auto& [reason, remedy] : remedies) {
    cluster.refusal = MakeError(reason, Outcome::kNotApplied, "the leader says no");
    const CommandResult result = Quorum(&cluster, Remove());
    CAPTURE(ToString(reason).data(), result.err);
    CHECK(result.exit_code == 1);
    CHECK(result.out.empty());
    CHECK_THAT(result.err, Catch::Matchers::StartsWith("error: the leader says no. ") && Contains(remedy));
  }
}

TEST_CASE("What can be known to be wrong is refused without asking anybody", "[cli]") {
  FakeCluster cluster;
  TempDir dir;
  const auto refused = [&](const std::vector<std::string>& args, const std::string& why) {
    CAPTURE(args, why);
    const CommandResult result = Quorum(&cluster, args);
    CHECK(result.exit_code == 1);
    CHECK_THAT(result.err, Contains(why));
    CHECK(cluster.calls == 0);
  };
  refused({"add-controller"}, "say which controller to add: --command-config FILE");
  refused({"--command-config", Properties(dir, "controller"), "add-controller"}, "isn't formatted");
  const Formatted broker("broker");
  refused({"--command-config", broker.config, "add-controller"}, "describes no controller");
  refused({"remove-controller", "--controller-id", "3"}, "--controller-directory-id");
  refused({"remove-controller", "--controller-id", "-1", "--controller-directory-id", kDirectory},
          "whole number from 0");
  refused({"remove-controller", "--controller-id", "3", "--controller-directory-id", "short"}, "isn't a directory id");
  refused({"transfer-leadership", "--to", "me"}, "whole number from 0");
}

ReplicaStatus Alive(int id, absl::Duration silent) {
  ReplicaStatus replica;
  replica.key = ReplicaKey{NodeId(id), DirectoryId(Uuid(5, 1000 + static_cast<uint64_t>(id)))};
  replica.last_fetch = absl::FromUnixSeconds(1'700'000'000) - silent;
  return replica;
}

TEST_CASE("describe --status shows a change that is under way, and the set that is committed", "[cli]") {
  FakeCluster cluster;
  cluster.quorum.leader = NodeId(1);
  cluster.quorum.voters = {Alive(1, absl::ZeroDuration()), Alive(2, absl::ZeroDuration())};
  const std::string quiet = Quorum(&cluster, {"describe", "--status"}).out;
  CHECK_THAT(quiet, !Contains("CommittedVoters") && !Contains("PendingChange"));
  const Json nothing = Json::parse(Quorum(&cluster, {"describe", "--status", "--output", "json"}).out);
  CHECK(nothing["pendingChange"].is_null());
  CHECK(nothing["committedVoters"].is_null());
  CHECK(nothing["snapshot"]["endOffset"] == 0);

  cluster.quorum.committed_voters = {{cluster.quorum.voters[0].key, {{"CONTROLLER", "localhost", 9093}}, 0, 1}};
  cluster.quorum.voter_change = Adding(PendingVoterChange::Phase::kCommitting);
  cluster.quorum.snapshot = {Epoch(3), Offset(700)};
  const std::string changing = Quorum(&cluster, {"describe", "--status"}).out;
  CHECK_THAT(changing, Catch::Matchers::StartsWith(quiet));
  CHECK_THAT(changing, Contains("CommittedVoters:        [{\"id\": 1, \"directoryId\": \"" + Uuid(5, 1001).ToString() +
                                "\", \"endpoints\": [\"CONTROLLER://localhost:9093\"]}]\n"));
  CHECK_THAT(changing, Contains("PendingChange:          adding controller 1: waiting for a majority"));
  const Json json = Json::parse(Quorum(&cluster, {"describe", "--status", "--output", "json"}).out);
  CHECK(json["committedVoters"][0]["id"] == 1);
  CHECK(json["pendingChange"]["phase"] == "committing");
  CHECK(json["pendingChange"]["record"] == 812);
  CHECK(json["snapshot"]["endOffset"] == 700);
  CHECK(json["snapshot"]["epoch"] == 3);
}

TEST_CASE("describe --status tells of a disk and a state machine that have been at something for a while", "[cli]") {
  FakeCluster cluster;
  cluster.quorum.leader = NodeId(1);
  cluster.quorum.voters = {Alive(1, absl::ZeroDuration())};
  cluster.quorum.disk_age = absl::Microseconds(900);
  const std::string quiet = Quorum(&cluster, {"describe", "--status"}).out;
  CHECK_THAT(quiet, !Contains("AgeMs"));
  const Json nothing = Json::parse(Quorum(&cluster, {"describe", "--status", "--output", "json"}).out);
  CHECK(nothing["leaderDiskAgeMs"] == 0);
  CHECK(nothing["leaderApplyAgeMs"] == 0);
  CHECK(nothing["leaderApplyStalled"] == false);

  cluster.quorum.disk_age = absl::Milliseconds(450);
  cluster.quorum.apply_age = absl::Seconds(12);
  const std::string slow = Quorum(&cluster, {"describe", "--status"}).out;
  CHECK_THAT(slow, Catch::Matchers::StartsWith(quiet));
  CHECK_THAT(slow, Contains("LeaderDiskAgeMs:        450\n"));
  CHECK_THAT(slow, Contains("LeaderApplyAgeMs:       12000\n"));
  cluster.quorum.apply_stalled = true;
  CHECK_THAT(Quorum(&cluster, {"describe", "--status"}).out, Contains("LeaderApplyAgeMs:       12000 (stalled)\n"));
  const Json json = Json::parse(Quorum(&cluster, {"describe", "--status", "--output", "json"}).out);
  CHECK(json["leaderDiskAgeMs"] == 450);
  CHECK(json["leaderApplyAgeMs"] == 12000);
  CHECK(json["leaderApplyStalled"] == true);
}

}  // namespace
}  // namespace quorate::cli
