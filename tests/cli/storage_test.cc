// quorate storage: ids, formatting, and what info finds.
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/harness.h"
#include "cli/temp_dir.h"
#include "quorate/storage_adapters.h"
#include "support/catch.h"

namespace quorate::cli {
namespace {

using Catch::Matchers::Contains;
using Json = nlohmann::json;

constexpr char kCluster[] = "p8fFEbKGQ22B6M_Da_vCBw";
constexpr char kDirectory1[] = "3Db5QLSqSZieL3rJBUUegA";
constexpr char kDirectory2[] = "ILZ5MPTeRWakmJu99uBJCA";

CommandResult Storage(std::vector<std::string> args) {
  FakeCluster cluster;
  args.insert(args.begin(), {"kafka-storage.sh"});
  return Run(&cluster, args);
}

DirectoryIdentity IdentityOf(const std::string& path) {
  auto identity = ReadDirectoryIdentity(PosixFileSystem(), path);
  REQUIRE(identity.ok());
  REQUIRE(identity->has_value());
  return **identity;
}

TEST_CASE("random-uuid prints ids that parse, differ, and never look like an option", "[cli]") {
  std::set<std::string> seen;
  for (int i = 0; i < 2000; ++i) {
    std::string text = Storage({"random-uuid"}).out;
    REQUIRE(text.size() == 23);
    text.pop_back();
    REQUIRE(text.front() != '-');
    auto id = Uuid::Parse(text);
    REQUIRE(id.ok());
    REQUIRE_FALSE(id->is_reserved());
    REQUIRE(seen.insert(text).second);
  }
}

TEST_CASE("format --standalone makes this controller the only voter", "[cli]") {
  TempDir dir;
  const std::string config = Properties(dir, "broker,controller");
  const CommandResult result = Storage({"format", "-c", config, "-t", kCluster, "--standalone"});
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(result.out ==
        "Formatting dynamic metadata voter directory " + (dir / "data") + " with metadata.version 4.0-IV3.\n");
  const DirectoryIdentity identity = IdentityOf(dir / "data");
  CHECK(identity.cluster_id.ToString() == kCluster);
  CHECK(identity.node_id == NodeId(1));
  REQUIRE(identity.initial_voters);
  REQUIRE(identity.initial_voters->size() == 1);
  CHECK(identity.initial_voters->front().key == ReplicaKey{NodeId(1), identity.directory_id});
  CHECK(identity.initial_voters->front().endpoints.front().ToString() == "CONTROLLER://localhost:9093");
}

TEST_CASE("format --initial-controllers takes this node's directory id from the list", "[cli]") {
  TempDir dir;
  const std::string config = Properties(dir, "controller");
  const std::string list = std::string("2@localhost:19093:") + kDirectory2 + ",1@localhost:9093:" + kDirectory1;
  const CommandResult result = Storage({"format", "-c", config, "-t", kCluster, "--initial-controllers", list});
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  const DirectoryIdentity identity = IdentityOf(dir / "data");
  CHECK(identity.directory_id.ToString() == kDirectory1);
  REQUIRE(identity.initial_voters);
  REQUIRE(identity.initial_voters->size() == 2);
  CHECK((*identity.initial_voters)[1].key.id == NodeId(2));
}

TEST_CASE("format --no-initial-controllers, a static quorum and a broker name no voters", "[cli]") {
  TempDir dir;
  SECTION("joins later") {
    const CommandResult result =
        Storage({"format", "-c", Properties(dir, "controller"), "-t", kCluster, "--no-initial-controllers"});
    REQUIRE(result.exit_code == 0);
    CHECK_THAT(result.out, Contains("Formatting dynamic metadata directory "));
  }
  SECTION("static") {
    const std::string config = Properties(dir, "controller", "controller.quorum.voters=1@localhost:9093\n");
    const CommandResult result = Storage({"format", "-c", config, "-t", kCluster});
    CAPTURE(result.err);
    REQUIRE(result.exit_code == 0);
    CHECK_THAT(result.out, Contains("Formatting metadata directory "));
  }
  SECTION("broker") { REQUIRE(Storage({"format", "-c", Properties(dir, "broker"), "-t", kCluster}).exit_code == 0); }
  CHECK_FALSE(IdentityOf(dir / "data").initial_voters);
}

TEST_CASE("format refuses what doesn't go together, and touches nothing", "[cli]") {
  TempDir dir;
  const std::string controller = Properties(dir, "controller");
  const auto refused = [&](std::vector<std::string> more, const std::string& why, const std::string& config,
                           const std::string& cluster = kCluster) {
    CAPTURE(more, why);
    std::vector<std::string> args = {"format", "-c", config, "-t", cluster};
    args.insert(args.end(), more.begin(), more.end());
    const CommandResult result = Storage(args);
    CHECK(result.exit_code == 1);
    CHECK(result.out.empty());
    CHECK_THAT(result.err, Contains(why));
    CHECK_FALSE(std::filesystem::exists(dir / "data"));
  };
  refused({}, "you must specify one of the following: --standalone", controller);
  refused({"--standalone", "--no-initial-controllers"}, "exclude each other", controller);
  refused({"--standalone"}, "isn't a cluster id", controller, "nonsense");
  refused({"--standalone"}, "isn't a cluster id", controller, "AAAAAAAAAAAAAAAAAAAAAA");
  refused({"--initial-controllers", std::string("2@localhost:9093:") + kDirectory1}, "doesn't list node 1", controller);
  refused({"--initial-controllers", "1@localhost:9093"}, "directory id", controller);
  refused({"--initial-controllers", std::string("1@localhost:") + kDirectory1}, "has no port", controller);
  refused({"--initial-controllers", std::string("x@localhost:9093:") + kDirectory1}, "isn't a node id", controller);
  refused({"--initial-controllers", std::string("1@a:1:") + kDirectory1 + ",1@b:2:" + kDirectory2}, "listed twice",
          controller);
  refused({"--initial-controllers", std::string("1@a:1:") + kDirectory1 + ",2@b:2:" + kDirectory1}, "same directory id",
          controller);
  refused({"--standalone"}, "only use --standalone on a controller", Properties(dir, "broker"));
  refused({"--standalone"}, "You cannot specify controller.quorum.voters",
          Properties(dir, "controller", "controller.quorum.voters=1@localhost:9093\n"));
  refused({"--standalone"}, "doesn't exist", dir / "no-such-file");
  refused({"--standalone"}, "bad.properties:2: node.id=many",
          dir.Write("bad.properties", "process.roles=broker\nnode.id=many\n"));
}

TEST_CASE("format never touches a formatted directory", "[cli]") {
  TempDir dir;
  const std::string config = Properties(dir, "controller");
  REQUIRE(Storage({"format", "-c", config, "-t", kCluster, "--standalone"}).exit_code == 0);
  const DirectoryIdentity before = IdentityOf(dir / "data");

  const CommandResult again = Storage({"format", "-c", config, "-t", kCluster, "--standalone"});
  CHECK(again.exit_code == 1);
  CHECK_THAT(again.err, Contains("is already formatted. Use --ignore-formatted"));
  const CommandResult ignored = Storage({"format", "-c", config, "-t", kCluster, "--standalone", "-g"});
  CHECK(ignored.exit_code == 0);
  CHECK(ignored.out == "All of the log directories are already formatted.\n");
  const CommandResult other = Storage({"format", "-c", config, "-t", kDirectory1, "--standalone", "-g"});
  CHECK(other.exit_code == 1);
  CHECK_THAT(other.err, Contains("belongs to cluster " + std::string(kCluster)));
  CHECK(IdentityOf(dir / "data") == before);
}

TEST_CASE("format prepares every directory of the configuration, the metadata directory last", "[cli]") {
  TempDir dir;
  const std::string config =
      Properties(dir, "broker,controller",
                 "log.dirs=" + (dir / "a") + "," + (dir / "b") + "\nmetadata.log.dir=" + (dir / "m") + "\n");
  const CommandResult result = Storage({"format", "-c", config, "-t", kCluster, "--standalone"});
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(result.out == "Formatting data directory " + (dir / "a") + " with metadata.version 4.0-IV3.\n" +
                          "Formatting data directory " + (dir / "b") + " with metadata.version 4.0-IV3.\n" +
                          "Formatting dynamic metadata voter directory " + (dir / "m") +
                          " with metadata.version 4.0-IV3.\n");
  std::set<std::string> ids;
  for (const char* name : {"a", "b", "m"}) ids.insert(IdentityOf(dir / name).directory_id.ToString());
  CHECK(ids.size() == 3);
}

TEST_CASE("info shows what is there and fails when something is wrong", "[cli]") {
  TempDir dir;
  const std::string config = Properties(dir, "controller");
  CommandResult result = Storage({"info", "-c", config});
  CHECK(result.exit_code == 1);
  CHECK(result.out == "Found problem:\n  " + (dir / "data") + " does not exist\n\n");

  std::filesystem::create_directory(dir / "data");
  result = Storage({"info", "-c", config});
  CHECK(result.exit_code == 1);
  CHECK(result.out == "Found log directory:\n  " + (dir / "data") + "\n\nFound problem:\n  " + (dir / "data") +
                          " is not formatted.\n\n");

  REQUIRE(Storage({"format", "-c", config, "-t", kCluster, "--standalone"}).exit_code == 0);
  result = Storage({"info", "-c", config});
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.out, Contains("Found metadata: {cluster.id=" + std::string(kCluster) + ", directory.id="));
  const Json json = Json::parse(Storage({"info", "-c", config, "--output", "json"}).out);
  CHECK(json["metadata"]["nodeId"] == 1);
  CHECK(json["metadata"]["initialVoters"].size() == 1);
  CHECK(json["problems"].empty());

  std::ofstream(dir / "data/meta.properties") << "garbage";
  result = Storage({"info", "-c", config});
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.out, Contains("Error loading " + (dir / "data/meta.properties")));
}

TEST_CASE("info notices a directory of another node", "[cli]") {
  TempDir dir;
  REQUIRE(Storage({"format", "-c", Properties(dir, "controller"), "-t", kCluster, "--standalone"}).exit_code == 0);
  const CommandResult result = Storage({"info", "-c", Properties(dir, "controller", "node.id=2\n")});
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.out, Contains("belongs to node 1, and node.id is 2"));
}

}  // namespace
}  // namespace quorate::cli
