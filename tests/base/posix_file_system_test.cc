// The real files, on a scratch directory of the machine that runs the test.
#include "base/posix_file_system.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

#include "absl/strings/match.h"
#include "quorate/status.h"
#include "quorate/system.h"
#include "support/catch.h"

namespace quorate {
namespace {

class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = "/tmp/quorate-files-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~ScratchDirectory() { RemoveTree(path_); }
  [[nodiscard]] std::string At(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  static void RemoveTree(const std::string& path) {
    FileSystem* files = PosixFileSystem();
    if (*files->IsDirectory(path)) {
      const std::vector<std::string> names = *files->List(path);
      for (const std::string& name : names) RemoveTree(path + "/" + name);
    }
    CHECK(files->Remove(path).ok());
  }
  std::string path_;
};

std::string ReadAll(File& file) {
  std::string out;
  REQUIRE(file.ReadAt(0, *file.Size() + 10, &out).ok());
  return out;
}

TEST_CASE("a file takes gathered pieces at an offset and gives them back") {
  ScratchDirectory scratch;
  auto file = PosixFileSystem()->Open(scratch.At("a"), OpenMode::kCreate);
  REQUIRE(file.ok());
  REQUIRE((*file)->WriteAt(2, {"one", "", "two"}).ok());
  CHECK(ReadAll(**file) == std::string("\0\0onetwo", 8));
  std::string out = "replaced";
  REQUIRE((*file)->ReadAt(5, 100, &out).ok());
  CHECK(out == "two");
  REQUIRE((*file)->ReadAt(50, 1, &out).ok());
  CHECK(out.empty());
  CHECK((*file)->Sync().ok());
  REQUIRE((*file)->Truncate(4).ok());
  CHECK(ReadAll(**file) == std::string("\0\0on", 4));
}

TEST_CASE("a write of more pieces than the kernel takes at once arrives whole") {
  ScratchDirectory scratch;
  auto file = PosixFileSystem()->Open(scratch.At("a"), OpenMode::kCreate);
  std::string expected;
  std::vector<std::string> texts;
  for (int i = 0; i < 5000; ++i) texts.push_back(std::to_string(i) + ",");
  std::vector<absl::string_view> pieces;
  for (const std::string& text : texts) {
    pieces.push_back(text);
    expected += text;
  }
  REQUIRE((*file)->WriteAt(0, pieces).ok());
  CHECK(ReadAll(**file) == expected);
}

TEST_CASE("zero fill overwrites exactly its range") {
  ScratchDirectory scratch;
  auto file = PosixFileSystem()->Open(scratch.At("a"), OpenMode::kCreate);
  const std::string ones(5'000'000, '1');
  REQUIRE((*file)->WriteAt(0, {ones}).ok());
  REQUIRE((*file)->ZeroFill(3, 4'999'990).ok());
  std::string expected = ones;
  expected.replace(3, 4'999'990, 4'999'990, '\0');
  CHECK(ReadAll(**file) == expected);
}

TEST_CASE("open modes") {
  ScratchDirectory scratch;
  FileSystem* files = PosixFileSystem();
  for (OpenMode mode : {OpenMode::kRead, OpenMode::kReadWrite}) {
    const absl::Status missing = files->Open(scratch.At("a"), mode).status();
    CHECK(absl::IsNotFound(missing));
    CHECK(ReasonOf(missing) == Reason::kStorage);
    CHECK(absl::StrContains(missing.message(), scratch.At("a")));
    CHECK(absl::StrContains(missing.message(), "open"));
  }
  CHECK(files->Open(scratch.At("a"), OpenMode::kCreate).ok());
  CHECK(ReasonOf(files->Open(scratch.At("a"), OpenMode::kCreate).status()) == Reason::kStorage);
  CHECK(files->Open(scratch.At("a"), OpenMode::kOpenOrCreate).ok());
  auto reader = files->Open(scratch.At("a"), OpenMode::kRead);
  CHECK(ReasonOf((*reader)->WriteAt(0, {"x"})) == Reason::kStorage);
}

TEST_CASE("the lock excludes a second holder until the file is closed (F-P10)") {
  ScratchDirectory scratch;
  auto first = PosixFileSystem()->Open(scratch.At("lock"), OpenMode::kOpenOrCreate);
  auto second = PosixFileSystem()->Open(scratch.At("lock"), OpenMode::kOpenOrCreate);
  REQUIRE((*first)->TryLock().ok());
  CHECK(ReasonOf((*second)->TryLock()) == Reason::kInUse);
  first->reset();
  CHECK((*second)->TryLock().ok());
}

TEST_CASE("directories: create, list sorted, rename, remove") {
  ScratchDirectory scratch;
  FileSystem* files = PosixFileSystem();
  REQUIRE(files->CreateDirectories(scratch.At("x/y/z")).ok());
  REQUIRE(files->CreateDirectories(scratch.At("x/y/z/")).ok());
  CHECK(*files->IsDirectory(scratch.At("x/y/z")));
  for (const char* name : {"b", "a", "c"}) CHECK(files->Open(scratch.At("x/") + name, OpenMode::kCreate).ok());
  CHECK(*files->List(scratch.At("x")) == std::vector<std::string>{"a", "b", "c", "y"});
  REQUIRE(files->Rename(scratch.At("x/b"), scratch.At("x/a")).ok());
  REQUIRE(files->Remove(scratch.At("x/c")).ok());
  REQUIRE(files->SyncDirectory(scratch.At("x")).ok());
  CHECK(*files->List(scratch.At("x")) == std::vector<std::string>{"a", "y"});
  CHECK(*files->Exists(scratch.At("x/a")));
  CHECK_FALSE(*files->Exists(scratch.At("x/b")));
  CHECK_FALSE(*files->Exists(scratch.At("x/a/b")));
  CHECK_FALSE(*files->IsDirectory(scratch.At("x/a")));
  CHECK(absl::IsNotFound(files->List(scratch.At("nowhere")).status()));
  CHECK(absl::IsNotFound(files->Remove(scratch.At("nowhere"))));
  CHECK(ReasonOf(files->CreateDirectories(scratch.At("x/a"))) == Reason::kStorage);
  CHECK(ReasonOf(files->SyncDirectory(scratch.At("x/a"))) == Reason::kStorage);
  CHECK(*files->FreeBytes(scratch.path()) > 0);
}

TEST_CASE("a directory can be synced without a free descriptor, again and again (F-P09)") {
  ScratchDirectory scratch;
  REQUIRE(PosixFileSystem()->SyncDirectory(scratch.path()).ok());
  struct rlimit old_limit;
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &old_limit) == 0);
  struct rlimit limit = old_limit;
  limit.rlim_cur = 64;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  std::vector<int> taken;
  for (int next = ::open("/", O_RDONLY); next >= 0; next = ::open("/", O_RDONLY)) taken.push_back(next);
  const absl::Status open = PosixFileSystem()->Open(scratch.At("a"), OpenMode::kCreate).status();
  std::vector<absl::Status> syncs;
  for (int i = 0; i < 3; ++i) syncs.push_back(PosixFileSystem()->SyncDirectory(scratch.path()));
  const absl::Status missing = PosixFileSystem()->SyncDirectory(scratch.At("nowhere"));
  syncs.push_back(PosixFileSystem()->SyncDirectory(scratch.path()));
  for (int descriptor : taken) ::close(descriptor);
  CHECK(::setrlimit(RLIMIT_NOFILE, &old_limit) == 0);
  CHECK(ReasonOf(open) == Reason::kStorage);
  CHECK(absl::IsNotFound(missing));
  for (const absl::Status& status : syncs) CHECK(status == absl::OkStatus());
}

TEST_CASE("a write that the system refuses half-way is an error, not a short write (F-D08)") {
  ScratchDirectory scratch;
  auto file = PosixFileSystem()->Open(scratch.At("a"), OpenMode::kCreate);
  struct rlimit old_limit;
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &old_limit) == 0);
  auto* old_handler = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit = old_limit;
  limit.rlim_cur = 10'000;
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  const std::string bytes(20'000, 'x');
  const absl::Status status = (*file)->WriteAt(0, {bytes});
  CHECK(::setrlimit(RLIMIT_FSIZE, &old_limit) == 0);
  std::signal(SIGXFSZ, old_handler);
  CHECK(ReasonOf(status) == Reason::kStorage);
  CHECK(absl::StrContains(status.message(), "errno"));
}

}  // namespace
}  // namespace quorate
