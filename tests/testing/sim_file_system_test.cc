// The simulated disk must be as unkind as promised, or the tests that stand on it prove nothing.
#include "testing/sim_file_system.h"

#include <algorithm>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "quorate/status.h"
#include "support/catch.h"

namespace quorate::testing {
namespace {

std::unique_ptr<File> MakeFile(SimFileSystem& files, const std::string& path) {
  return files.Open(path, OpenMode::kOpenOrCreate).value();
}

TEST_CASE("a file reads what was written, grows, and is cut") {
  SimFileSystem files;
  std::unique_ptr<File> file = MakeFile(files, "/a");
  REQUIRE(file->WriteAt(2, {"one", "two"}).ok());
  CHECK(files.Contents("/a") == std::string("\0\0onetwo", 8));
  std::string out;
  REQUIRE(file->ReadAt(5, 100, &out).ok());
  CHECK(out == "two");
  REQUIRE(file->ZeroFill(3, 2).ok());
  REQUIRE(file->Truncate(6).ok());
  CHECK(files.Contents("/a") == std::string("\0\0o\0\0t", 6));
  CHECK(*file->Size() == 6);
  std::unique_ptr<File> reader = files.Open("/a", OpenMode::kRead).value();
  CHECK_FALSE(reader->WriteAt(0, {"x"}).ok());
}

TEST_CASE("unsynced contents survive a kill, and not a power failure (F-P01, F-P02)") {
  for (Survival survival : {Survival::kAll, Survival::kNone}) {
    SimFileSystem files;
    std::unique_ptr<File> file = MakeFile(files, "/a");
    REQUIRE(files.SyncDirectory("/").ok());
    REQUIRE(file->WriteAt(0, {"synced"}).ok());
    REQUIRE(file->Sync().ok());
    REQUIRE(file->WriteAt(6, {"pending"}).ok());
    files.Crash();
    CHECK_FALSE(file->Sync().ok());
    files.Restart(survival);
    CHECK(files.Contents("/a") == (survival == Survival::kAll ? "syncedpending" : "synced"));
    // The old handle stays dead.
    CHECK_FALSE(file->WriteAt(0, {"x"}).ok());
  }
}

TEST_CASE("what survived a kill is still not synced") {
  SimFileSystem files;
  std::unique_ptr<File> file = MakeFile(files, "/a");
  REQUIRE(files.SyncDirectory("/").ok());
  REQUIRE(file->WriteAt(0, {"pending"}).ok());
  files.Restart(Survival::kAll);
  CHECK(files.Contents("/a") == "pending");
  files.Restart(Survival::kNone);
  CHECK(files.Contents("/a").empty());
}

TEST_CASE("names need the sync of their directory (F-P03)") {
  SimFileSystem files;
  REQUIRE(files.CreateDirectories("/d/e").ok());
  REQUIRE(files.SyncDirectory("/").ok());
  files.Restart(Survival::kNone);
  CHECK(*files.Exists("/d"));
  CHECK_FALSE(*files.Exists("/d/e"));
  std::unique_ptr<File> file = MakeFile(files, "/d/old");
  REQUIRE(file->WriteAt(0, {"contents"}).ok());
  REQUIRE(file->Sync().ok());
  REQUIRE(files.SyncDirectory("/d").ok());
  REQUIRE(files.Rename("/d/old", "/d/new").ok());
  CHECK_FALSE(*files.Exists("/d/old"));
  files.Restart(Survival::kNone);
  CHECK(*files.Exists("/d/old"));
  CHECK_FALSE(*files.Exists("/d/new"));
  REQUIRE(files.Rename("/d/old", "/d/new").ok());
  REQUIRE(files.SyncDirectory("/d").ok());
  REQUIRE(files.Remove("/d/new").ok());
  files.Restart(Survival::kNone);
  CHECK(files.Contents("/d/new") == "contents");
}

TEST_CASE("a power failure leaves every mixture: whole, lost, cut, in sectors, zeros, garbage (F-P02)") {
  constexpr size_t kSectors = 4;
  const std::string bytes(kSectors * SimDisk::kSectorBytes, 'x');
  bool whole = false, lost = false, cut = false, middle = false, zeros = false, garbage = false;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SimFileSystem files(seed);
    std::unique_ptr<File> file = MakeFile(files, "/a");
    REQUIRE(files.SyncDirectory("/").ok());
    REQUIRE(file->WriteAt(0, {bytes}).ok());
    files.Restart(Survival::kRandom);
    const std::string left = files.Contents("/a");
    whole |= left == bytes;
    lost |= left.empty();
    cut |= !left.empty() && left.size() < bytes.size() && left == bytes.substr(0, left.size());
    middle |= left.size() == bytes.size() && left[0] == '\0' && left.back() == 'x';
    zeros |= left.size() == bytes.size() && left[0] == 'x' && left.back() == '\0';
    garbage |= std::any_of(left.begin(), left.end(), [](char c) { return c != 'x' && c != '\0'; });
  }
  CHECK(whole);
  CHECK(lost);
  CHECK(cut);
  CHECK(middle);
  CHECK(zeros);
  CHECK(garbage);
}

TEST_CASE("a later write may survive an earlier one (F-P02)") {
  bool reordered = false;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimFileSystem files(seed);
    std::unique_ptr<File> file = MakeFile(files, "/a");
    REQUIRE(files.SyncDirectory("/").ok());
    REQUIRE(file->WriteAt(0, {"first"}).ok());
    REQUIRE(file->WriteAt(1000, {"second"}).ok());
    files.Restart(Survival::kRandom);
    const std::string left = files.Contents("/a");
    reordered |= absl::StrContains(left, "second") && !absl::StrContains(left, "first");
  }
  CHECK(reordered);
}

TEST_CASE("a failed sync loses what was pending, while reads still show it and later syncs succeed (F-D09)") {
  SimFileSystem files;
  std::unique_ptr<File> file = MakeFile(files, "/a");
  REQUIRE(files.SyncDirectory("/").ok());
  REQUIRE(file->WriteAt(0, {"dropped"}).ok());
  files.FailCall(1);
  CHECK(ReasonOf(file->Sync()) == Reason::kStorage);
  CHECK(files.Contents("/a") == "dropped");
  CHECK(file->Sync().ok());
  files.Restart(Survival::kNone);
  CHECK(files.Contents("/a").empty());
}

TEST_CASE("a crash point stops everything before or after its call") {
  for (CrashMoment moment : {CrashMoment::kBefore, CrashMoment::kAfter}) {
    SimFileSystem files;
    std::unique_ptr<File> file = MakeFile(files, "/a");
    files.CrashAtCall(2, moment);
    CHECK(file->WriteAt(0, {"1"}).ok());
    CHECK_FALSE(files.crashed());
    CHECK_FALSE(file->WriteAt(1, {"2"}).ok());
    CHECK(files.crashed());
    const uint64_t calls = files.calls();
    CHECK_FALSE(file->WriteAt(2, {"3"}).ok());
    CHECK_FALSE(files.Exists("/a").ok());
    CHECK(files.calls() == calls);
    files.Restart(Survival::kAll);
    CHECK(files.Contents("/a") == (moment == CrashMoment::kBefore ? "1" : "12"));
    CHECK(MakeFile(files, "/a")->WriteAt(2, {"3"}).ok());
  }
}

TEST_CASE("a failed write may have written a part, and the next call goes on (F-D08)") {
  std::set<size_t> parts;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimFileSystem files(seed);
    std::unique_ptr<File> file = MakeFile(files, "/a");
    files.FailCall(1);
    CHECK(ReasonOf(file->WriteAt(0, {"0123456789"})) == Reason::kStorage);
    parts.insert(files.Contents("/a").size());
    CHECK(file->Sync().ok());
  }
  CHECK(parts.size() > 3);
  CHECK(*parts.rbegin() < 10);
}

TEST_CASE("the hook sees each call and may fail it") {
  SimFileSystem files;
  std::string seen;
  files.SetHook([&](const FileCallInfo& info) {
    seen += std::string(ToString(info.call)) + ":" + info.path + " ";
    return info.call == FileCall::kSync ? absl::DataLossError("no") : absl::OkStatus();
  });
  std::unique_ptr<File> file = MakeFile(files, "/a");
  CHECK(file->WriteAt(0, {"x"}).ok());
  CHECK(file->Sync() == absl::DataLossError("no"));
  CHECK(seen == "open:/a write:/a sync:/a ");
  CHECK(files.calls() == 3);
  CHECK(files.CountOf(FileCall::kWrite) == 1);
}

TEST_CASE("over the quota a write fails, and overwriting doesn't (F-D10)") {
  SimFileSystem files;
  std::unique_ptr<File> file = MakeFile(files, "/a");
  files.SetQuotaBytes(10);
  REQUIRE(file->WriteAt(0, {"0123456789"}).ok());
  const absl::Status status = file->WriteAt(5, {"abcdef"});
  CHECK(absl::StrContains(status.message(), "No space left"));
  CHECK(files.Contents("/a") == "0123456789");
  CHECK(file->WriteAt(4, {"abcdef"}).ok());
  CHECK(*files.FreeBytes("/") == 0);
}

TEST_CASE("a lock belongs to its handle, and dies with it or with the machine") {
  SimFileSystem files;
  std::unique_ptr<File> one = MakeFile(files, "/lock");
  std::unique_ptr<File> two = MakeFile(files, "/lock");
  CHECK(one->TryLock().ok());
  CHECK(one->TryLock().ok());
  CHECK(ReasonOf(two->TryLock()) == Reason::kInUse);
  one.reset();
  CHECK(two->TryLock().ok());
  files.Restart(Survival::kAll);
  std::unique_ptr<File> three = MakeFile(files, "/lock");
  CHECK(three->TryLock().ok());
  two.reset();  // a dead handle doesn't take the new one's lock away
  CHECK(ReasonOf(MakeFile(files, "/lock")->TryLock()) == Reason::kInUse);
}

TEST_CASE("names: modes, lists, errors as the real one gives them") {
  SimFileSystem files;
  const absl::Status missing = files.Open("/x/y", OpenMode::kOpenOrCreate).status();
  CHECK(absl::IsNotFound(missing));
  CHECK(ReasonOf(missing) == Reason::kStorage);
  CHECK(absl::IsNotFound(files.List("/x").status()));
  REQUIRE(files.CreateDirectories("/x/z").ok());
  CHECK(*files.IsDirectory("/x/"));
  MakeFile(files, "/x/b");
  MakeFile(files, "/x/a");
  CHECK(*files.List("/x") == std::vector<std::string>{"a", "b", "z"});
  CHECK_FALSE(files.Open("/x/a", OpenMode::kCreate).ok());
  CHECK_FALSE(files.Open("/x", OpenMode::kRead).ok());
  CHECK_FALSE(files.CreateDirectories("/x/a/b").ok());
  CHECK_FALSE(files.Remove("/x").ok());
  CHECK(files.Remove("/x/a").ok());
  CHECK(absl::IsNotFound(files.Remove("/x/a")));
  CHECK(absl::IsNotFound(files.Rename("/x/a", "/x/c")));
}

TEST_CASE("an unlinked file is read by whoever has it open, and gives its space back") {
  SimFileSystem files;
  files.SetQuotaBytes(1000);
  std::unique_ptr<File> file = *files.Open("/f", OpenMode::kCreate);
  REQUIRE(file->WriteAt(0, {std::string(800, 'a')}).ok());
  REQUIRE(files.Remove("/f").ok());
  CHECK(*files.FreeBytes("/") == 1000);
  REQUIRE(files.SyncDirectory("/").ok());
  std::unique_ptr<File> other = *files.Open("/f", OpenMode::kCreate);
  REQUIRE(other->WriteAt(0, {std::string(900, 'b')}).ok());
  std::string text;
  REQUIRE(file->ReadAt(0, 1000, &text).ok());
  CHECK(text == std::string(800, 'a'));
  file.reset();
  REQUIRE(files.SyncDirectory("/").ok());
  CHECK(files.Contents("/f") == std::string(900, 'b'));
}

TEST_CASE("a name that only a crash can bring back still has its contents (F-P03)") {
  bool came_back = false;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SimFileSystem files(seed);
    {
      std::unique_ptr<File> file = *files.Open("/new", OpenMode::kCreate);
      REQUIRE(file->WriteAt(0, {"text"}).ok());
      REQUIRE(file->Sync().ok());
    }
    REQUIRE(files.Rename("/new", "/old").ok());
    REQUIRE(files.Remove("/old").ok());
    files.Crash();
    files.Restart(Survival::kAll);  // the changes stay pending
    files.Crash();
    files.Restart(Survival::kRandom);
    for (const char* name : {"/new", "/old"}) {
      if (!*files.Exists(name)) continue;
      came_back = true;
      CHECK(files.Contents(name) == "text");
    }
  }
  CHECK(came_back);
}

}  // namespace
}  // namespace quorate::testing
