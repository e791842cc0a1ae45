// The rooms of lib/ depend downwards only (docs/architecture.md). Read off the includes, so that a shortcut is
// found by the build and not by whoever has to untangle it.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "support/catch.h"
#include "tidy/source_tree.h"

namespace quorate::tidy {
namespace {

// From the ground up. A room may include headers of those before it, and of itself.
const std::vector<std::string> kRooms = {"base",    "raft",     "storage",    "transport", "quorum", "service",
                                         "testing", "metadata", "controller", "broker",    "node",   "cli"};

// What a room may not know although it lies below it.
const std::map<std::string, std::set<std::string>> kStrangers = {
    {"storage", {"raft"}},
    {"transport", {"raft", "storage"}},
    {"service", {"raft", "storage", "quorum"}},
    {"testing", {"service"}},
    {"metadata", {"raft", "storage", "transport", "quorum", "service", "testing"}},
    {"controller", {"raft", "storage", "transport", "quorum", "service", "testing"}},
    {"broker", {"raft", "storage", "transport", "quorum", "service", "testing", "controller"}},
    // The program is built from the public headers alone.
    {"cli",
     {"base", "raft", "storage", "transport", "quorum", "service", "testing", "metadata", "controller", "broker",
      "node"}},
};

int Height(const std::string& room) {
  const auto found = std::find(kRooms.begin(), kRooms.end(), room);
  return found == kRooms.end() ? -1 : static_cast<int>(found - kRooms.begin());
}

// "raft" for "raft/core.h"; empty for a header that is no room's.
std::string RoomOf(const std::string& include) {
  const std::string first = include.substr(0, include.find('/'));
  return Height(first) >= 0 && include.find('/') != std::string::npos ? first : "";
}

// Why `room` may not include `include`; empty when it may.
std::string Objection(const std::string& room, const std::string& include) {
  const std::string other = RoomOf(include);
  if (other.empty() || other == room) return "";
  if (Height(other) > Height(room)) return "lies above it";
  const auto strangers = kStrangers.find(room);
  if (strangers != kStrangers.end() && strangers->second.contains(other)) return "is none of its business";
  return "";
}

bool StartsWith(const std::string& text, const std::string& prefix) { return text.rfind(prefix, 0) == 0; }

TEST_CASE("Rooms include only rooms below them", "[tidy]") {
  const std::vector<SourceFile> files = ReadSources({"lib"});
  REQUIRE(files.size() > 20);
  for (const SourceFile& file : files) {
    const std::string room = RoomOf(file.path.substr(4));
    INFO(file.path << " is in no room that this test knows");
    CHECK_FALSE(room.empty());
    for (const Include& include : IncludesOf(file)) {
      const std::string objection = Objection(room, include.target);
      if (!objection.empty())
        FAIL_CHECK(file.path << ":" << include.line << " includes " << include.target << ", which " << objection);
    }
  }
}

TEST_CASE("The rule itself tells right from wrong", "[tidy]") {
  CHECK(Objection("raft", "base/crc32c.h").empty());
  CHECK(Objection("raft", "raft/votes.h").empty());
  CHECK(Objection("quorum", "raft/core.h").empty());
  CHECK(Objection("raft", "absl/strings/str_cat.h").empty());
  CHECK_FALSE(Objection("raft", "quorum/engine.h").empty());
  CHECK_FALSE(Objection("storage", "raft/core.h").empty());
  CHECK_FALSE(Objection("broker", "controller/topics.h").empty());
  CHECK_FALSE(Objection("cli", "node/properties.h").empty());
}

TEST_CASE("Public headers include only public headers, and neither gRPC nor protobuf", "[tidy]") {
  for (const SourceFile& file : ReadSources({"include"})) {
    for (const Include& include : IncludesOf(file)) {
      INFO(file.path << ":" << include.line << " includes " << include.target);
      CHECK(RoomOf(include.target).empty());
      CHECK_FALSE(StartsWith(include.target, "grpc"));
      CHECK_FALSE(StartsWith(include.target, "google/"));
      CHECK(include.target.find(".pb.h") == std::string::npos);
    }
  }
}

TEST_CASE("No header includes gRPC or protobuf, but those that only .cc files include", "[tidy]") {
  for (const SourceFile& file : ReadSources({"lib"})) {
    const bool header = file.path.ends_with(".h");
    const bool by_intent = std::any_of(file.lines.begin(), file.lines.end(), [](const std::string& line) {
      return StartsWith(line, "// Only for .cc files");
    });
    if (!header || by_intent || StartsWith(file.path, "lib/transport/")) continue;
    for (const Include& include : IncludesOf(file)) {
      INFO(file.path << ":" << include.line << " includes " << include.target);
      CHECK_FALSE(StartsWith(include.target, "grpc"));
      CHECK_FALSE(StartsWith(include.target, "google/protobuf"));
      CHECK(include.target.find(".pb.h") == std::string::npos);
    }
  }
}

TEST_CASE("Pure rooms include nothing that blocks, waits or draws lots", "[tidy]") {
  const std::set<std::string> banned = {"<thread>", "<mutex>",   "<condition_variable>", "<future>", "<chrono>",
                                        "<random>", "<fstream>", "<iostream>",           "<ctime>",  "<unistd.h>"};
  for (const SourceFile& file : ReadSources({"lib/raft", "lib/controller", "lib/metadata"})) {
    for (const Include& include : IncludesOf(file)) {
      INFO(file.path << ":" << include.line);
      CHECK_FALSE((include.angled && banned.contains("<" + include.target + ">")));
      CHECK_FALSE(include.target == "absl/synchronization/mutex.h");
      CHECK_FALSE(include.target == "quorate/system.h");
    }
  }
}

}  // namespace
}  // namespace quorate::tidy
