// Format, identity, lock (rules M-39; faults F-P10, F-D05, F-D15).
#include <unistd.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "quorate/system.h"
#include "storage/fixtures.h"
#include "storage/identity_files.h"
#include "support/catch.h"

namespace quorate::storage {
namespace {

using testing::FileCall;

std::vector<Voter> ThreeVoters() {
  std::vector<Voter> voters;
  for (int id = 1; id <= 3; ++id) {
    Voter voter;
    voter.key = ReplicaKey{NodeId(id), DirectoryId(Uuid(1000 + id, 7))};
    voter.endpoints = {Endpoint{"CONTROLLER", absl::StrCat("host-", id), 9093}, Endpoint{"OTHER", "::1", 65535}};
    voter.kraft_version_max = static_cast<int16_t>(id);
    voters.push_back(voter);
  }
  return voters;
}

TEST_CASE("format writes the identity and it is read back") {
  for (bool with_voters : {false, true}) {
    Machine machine;
    DirectoryIdentity identity = TestIdentity();
    if (with_voters) identity.initial_voters = ThreeVoters();
    REQUIRE(ReadDirectoryIdentity(&machine.files, kPath)->has_value() == false);
    REQUIRE(FormatDirectory(&machine.files, kPath, identity) == absl::OkStatus());
    CHECK(*ReadDirectoryIdentity(&machine.files, kPath) == identity);
    REQUIRE(machine.Start() == absl::OkStatus());
    CHECK(machine.directory->identity() == identity);
    CHECK(machine.recovered.empty());
  }
}

TEST_CASE("format refuses an identity that can't be") {
  const auto refused = [](const DirectoryIdentity& identity, absl::string_view word) {
    Machine machine;
    const absl::Status status = FormatDirectory(&machine.files, kPath, identity);
    INFO(status.ToString());
    CHECK(ReasonOf(status) == Reason::kInvalidArgument);
    CHECK(absl::StrContains(status.message(), word));
    CHECK(machine.files.calls() == 0);
  };
  DirectoryIdentity identity = TestIdentity();
  identity.cluster_id = ClusterId();
  refused(identity, "cluster id");
  identity = TestIdentity();
  identity.directory_id = DirectoryId(Uuid(0, 99));
  refused(identity, "reserved");
  identity = TestIdentity();
  identity.node_id = NodeId(-1);
  refused(identity, "node id -1");
  identity = TestIdentity();
  identity.initial_voters = std::vector<Voter>();
  refused(identity, "not 0");
  identity.initial_voters = ThreeVoters();
  identity.initial_voters->push_back(identity.initial_voters->front());
  refused(identity, "voter 1 is listed twice");
  identity.initial_voters = ThreeVoters();
  identity.initial_voters->at(1).endpoints.clear();
  refused(identity, "voter 2 has 0 endpoints");
  identity.initial_voters = ThreeVoters();
  identity.initial_voters->at(2).endpoints[0].host = std::string(256, 'h');
  refused(identity, "voter 3");
}

TEST_CASE("a formatted directory is not formatted again") {
  Machine machine;
  REQUIRE(machine.Format().ok());
  const std::string before = machine.files.Contents(JoinPath(kPath, kElectionStateName));
  DirectoryIdentity other = TestIdentity();
  other.node_id = NodeId(2);
  const absl::Status status = FormatDirectory(&machine.files, kPath, other);
  CHECK(ReasonOf(status) == Reason::kInvalidArgument);
  CHECK(absl::StrContains(status.message(), "already formatted, for node 1"));
  CHECK(ReadDirectoryIdentity(&machine.files, kPath)->value() == TestIdentity());
  CHECK(machine.files.Contents(JoinPath(kPath, kElectionStateName)) == before);
}

TEST_CASE("a directory that isn't formatted says so and how to do it") {
  Machine machine;
  absl::Status status = machine.Start();
  CHECK(ReasonOf(status) == Reason::kNotFormatted);
  CHECK(absl::StrContains(status.message(), "does not exist"));
  REQUIRE(machine.files.CreateDirectories(kPath).ok());
  status = machine.Start();
  CHECK(ReasonOf(status) == Reason::kNotFormatted);
  CHECK(absl::StrContains(status.message(), "is not formatted"));
  CHECK(absl::StrContains(status.message(), "quorate storage format"));
  CHECK(machine.files.List(kPath)->empty());  // asking left no trace
}

TEST_CASE("a formatted directory without one of its files refuses to start (F-D15, M-39)") {
  for (absl::string_view name : {kBootstrapName, kElectionStateName, kCheckpointName}) {
    Machine machine;
    REQUIRE(machine.Format().ok());
    REQUIRE(machine.files.Remove(JoinPath(kPath, name)).ok());
    const absl::Status status = machine.Start();
    INFO(status.ToString());
    CHECK(ReasonOf(status) == Reason::kCorruption);
    CHECK(absl::StrContains(status.message(), JoinPath(kPath, name)));
    CHECK(absl::StrContains(status.message(), "Remedy"));
    CHECK_FALSE(*machine.files.Exists(JoinPath(kPath, name)));
  }
}

TEST_CASE("a log without an identity is neither opened nor formatted over (F-D05)") {
  Machine machine;
  REQUIRE(machine.Format().ok());
  REQUIRE(machine.Start().ok());
  REQUIRE(machine.Append({TestBatch(Offset(0), Epoch(1), "precious")}).ok());
  machine.Stop();
  REQUIRE(machine.files.Remove(JoinPath(kPath, kMetaPropertiesName)).ok());
  const std::string log = machine.files.Contents(SegmentPath(0));
  for (const absl::Status& status : {machine.Start(), machine.Format()}) {
    CHECK(ReasonOf(status) == Reason::kCorruption);
    CHECK(absl::StrContains(status.message(), "meta.properties"));
  }
  CHECK(machine.files.Contents(SegmentPath(0)) == log);
}

TEST_CASE("a directory in use says by whom (F-P10)") {
  Machine machine;
  REQUIRE(machine.Format().ok());
  REQUIRE(machine.OpenDirectory().ok());
  FileStorageOptions options;
  options.path = kPath;
  options.files = &machine.files;
  const absl::Status status = DataDirectory::Open(options).status();
  CHECK(ReasonOf(status) == Reason::kInUse);
  CHECK(absl::StrContains(status.message(), absl::StrCat("pid ", ::getpid())));
  CHECK(absl::StrContains(status.message(), kPath));
  CHECK(ReasonOf(machine.Format()) == Reason::kInUse);
  machine.Stop();
  CHECK(DataDirectory::Open(options).ok());
}

TEST_CASE("a segment size out of range is refused") {
  for (uint64_t bytes : {uint64_t{0}, uint64_t{8191}, (uint64_t{1} << 30) + 1}) {
    Machine machine(1, bytes);
    REQUIRE(machine.Format().ok());
    CHECK(ReasonOf(machine.Start()) == Reason::kInvalidArgument);
  }
}

TEST_CASE("meta.properties: Kafka's form is read, a bad one is refused by key") {
  const std::string ours = EncodeMetaProperties(TestIdentity());
  CHECK(absl::StrContains(ours, "#crc="));
  CHECK(*ParseMetaProperties(ours, "f") == TestIdentity());
  const std::string cluster = kCluster.ToString();
  const std::string directory = kDirectory.ToString();
  const std::string kafkas =
      absl::StrCat("#\n#Sat Jan 04 12:00:00 UTC 2025\ncluster.id=", cluster,
                   "\r\n node.id = 1\nversion=1\n!note\nunknown.key=x\ndirectory.id=", directory);
  CHECK(*ParseMetaProperties(kafkas, "f") == TestIdentity());

  const auto refused = [](absl::string_view text, absl::string_view word) {
    const absl::Status status = ParseMetaProperties(text, "/d/meta.properties").status();
    INFO(status.ToString());
    CHECK(ReasonOf(status) == Reason::kCorruption);
    CHECK(absl::StrContains(status.message(), "/d/meta.properties"));
    CHECK(absl::StrContains(status.message(), word));
  };
  const auto changed = [&](absl::string_view from, absl::string_view to) {
    return absl::StrReplaceAll(kafkas, {{from, to}});
  };
  refused(changed("version=1", "version=2"), "version is \"2\"");
  refused(changed("version=1", ""), "version is missing");
  refused(changed("node.id = 1", "node.id=-1"), "node.id is \"-1\"");
  refused(changed("node.id = 1", "node.id=one"), "node.id is \"one\"");
  refused(changed("node.id = 1", ""), "node.id is missing");
  refused(changed(cluster, "short"), "cluster.id");
  refused(changed(directory, "!"), "directory.id");
  refused(changed(directory, "AAAAAAAAAAAAAAAAAAAAAA"), "reserved");
  refused(kafkas + "\nnode.id=2\n", "node.id is there twice");
  refused("", "cluster.id is missing");
  for (size_t at = 0; at < ours.size() - 1; ++at) {
    std::string flipped = ours;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    absl::StatusOr<DirectoryIdentity> parsed = ParseMetaProperties(flipped, "f");
    // Damage to the sum's own comment line may go unnoticed; never damage to what it covers.
    if (parsed.ok()) CHECK(*parsed == TestIdentity());
  }
}

TEST_CASE("bootstrap.checkpoint: any flipped bit and any cut is refused") {
  DirectoryIdentity identity = TestIdentity();
  identity.initial_voters = ThreeVoters();
  const std::string bytes = EncodeBootstrap(identity);
  CHECK(**ParseBootstrap(bytes, kDirectory, "f") == ThreeVoters());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    CHECK(ReasonOf(ParseBootstrap(flipped, kDirectory, "f").status()) == Reason::kCorruption);
  }
  for (size_t size = 0; size < bytes.size(); ++size) {
    CHECK(ReasonOf(ParseBootstrap(bytes.substr(0, size), kDirectory, "f").status()) == Reason::kCorruption);
  }
  CHECK(ReasonOf(ParseBootstrap(bytes, DirectoryId(Uuid(9, 999)), "f").status()) == Reason::kCorruption);
}

TEST_CASE("every error of a call during format is reported") {
  for (uint64_t n = 1;; ++n) {
    Machine machine;
    machine.files.FailCall(n);
    const absl::Status status = machine.Format();
    if (machine.files.calls() < n) {
      CHECK(status.ok());
      break;
    }
    INFO("call " << n);
    // A parent directory that existed before may be unreadable; nothing else may fail unnoticed.
    if (!status.ok()) CHECK(ReasonOf(status) == Reason::kStorage);
    if (status.ok()) CHECK(n < 10);
  }
}

TEST_CASE("every error of a call during a start is reported, and makes nobody a new node (F-D15, M-39)") {
  uint64_t failures = 0;
  for (uint64_t n = 1;; ++n) {
    Machine machine;
    REQUIRE(machine.Format().ok());
    REQUIRE(machine.Start().ok());
    const Batch batch = TestBatch(Offset(0), Epoch(1), "kept");
    REQUIRE(machine.Append({batch}).ok());
    REQUIRE(machine.LoadElection().ok());
    const ElectionState vote{Epoch(1), ReplicaKey{NodeId(1), kDirectory}, kNoNode};
    REQUIRE(machine.StoreElection(vote).ok());
    machine.Stop();
    uint64_t calls = 0;
    machine.files.SetHook([&](const testing::FileCallInfo& info) {
      if (absl::EndsWith(info.path, kStartsName) || ++calls != n) return absl::OkStatus();
      return MakeError(Reason::kStorage, Outcome::kUnknown, absl::StrCat(info.path, ": Permission denied"));
    });
    absl::Status status = machine.Start();
    if (status.ok()) status = machine.LoadElection().status();
    machine.files.SetHook(nullptr);
    INFO("call " << n);
    if (calls >= n) {
      ++failures;
      CHECK(absl::StrContains(status.message(), "Permission denied"));
    }
    machine.Stop();
    REQUIRE(machine.Start() == absl::OkStatus());
    CHECK(SameBytes(machine.recovered, {batch}));
    CHECK(*machine.LoadElection() == vote);
    if (calls < n) break;
  }
  CHECK(failures > 15);
}

}  // namespace
}  // namespace quorate::storage
