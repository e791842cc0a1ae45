// House style that a compiler doesn't check: lengths, guards, banned calls, marks that must not stay.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "support/catch.h"
#include "tidy/source_tree.h"

namespace quorate::tidy {
namespace {

constexpr size_t kLinesMax = 800;
constexpr size_t kColumnsMax = 120;

const std::vector<std::string> kAll = {"lib", "include", "tests", "examples", "bench"};

struct Ban {
  const char* name;
  std::regex pattern;
  std::vector<std::string> folders;  // where it is banned
  std::vector<std::string> allowed;  // path prefixes where it isn't
  const char* instead;
};

std::vector<Ban> Bans() {
  return {
      {"a clock of std::chrono",
       std::regex(R"(\b(system_clock|steady_clock|high_resolution_clock)\b)"),
       {"lib"},
       {"lib/base/", "lib/transport/"},
       "take a Clock (quorate/environment.h)"},
      {"absl::Now",
       std::regex(R"(\babsl::(Now|GetCurrentTimeNanos)\s*\()"),
       {"lib"},
       {"lib/base/", "lib/transport/"},
       "take a Clock (quorate/environment.h)"},
      {"a thread",
       std::regex(R"(\bstd::(thread(?!::id)|jthread|async)\b)"),
       {"lib"},
       {"lib/base/", "lib/transport/", "lib/testing/transport_conformance.cc"},  // the suite calls from several at once
       "take an Executor (quorate/environment.h)"},
      {"entropy",
       std::regex(R"(\bstd::(random_device|mt19937(_64)?|default_random_engine)\b|\brand\s*\(\s*\))"),
       {"lib"},
       {"lib/base/"},
       "take a Random (quorate/environment.h)"},
      {"a file",
       std::regex(
           R"(\b(fopen|freopen|fsync|fdatasync|pwrite|pread|posix_fallocate|ftruncate)\s*\(|::(open|openat|rename|unlink|mkdir)\s*\(|\bstd::(i|o)?fstream\b|\bstd::filesystem\b)"),
       {"lib"},
       {"lib/base/", "lib/transport/"},
       "take a FileSystem (quorate/file_system.h, rule R-08)"},
      {"a socket",
       std::regex(R"(::(socket|bind|listen|accept4?|connect|getaddrinfo)\s*\()"),
       {"lib"},
       {"lib/transport/"},
       "take a Transport (quorate/transport.h)"},
      {"an end of the process",
       std::regex(R"((^|[^\w.>])(std::|::)?(abort|_?exit|quick_exit|terminate)\s*\()"),
       {"lib"},
       {"lib/cli/"},
       "halt the node with a status: the process is the host's"},
      {"a throw", std::regex(R"((^|[^\w])throw\s)"), {"lib", "include"}, {}, "return an absl::Status"},
      {"stderr or stdout",
       std::regex(R"(\bstd::(cout|cerr|clog)\b|\b(printf|fprintf|puts)\s*\()"),
       {"lib"},
       {"lib/cli/"},
       "write to the LogSink"},
      {"std::string_view",
       std::regex(R"(\bstd::string_view\b)"),
       {"lib", "include"},
       {},
       "absl::string_view: Debian's Abseil doesn't convert between the two"},
      {"a lock of Abseil",
       std::regex(
           R"(\babsl::((Reader|Writer)?Mutex(Lock(Maybe)?)?|ReleasableMutexLock|CondVar|Notification|BlockingCounter|Barrier)\b)"),
       kAll,
       {},
       "std::mutex and std::condition_variable: Debian's Abseil isn't built for the thread sanitizer, which so doesn't "
       "see what these protect"},
      {"two draws in one expression",
       std::regex(
           R"(^(?!.*\bif \().*\b\w*[rR]andom_?(->|\.)(Next|Below)\([^?;]*\)[^?;&|=]*[,+*|][^?;&|=]*[rR]andom_?(->|\.)(Next|Below)\()"),
       {"lib", "tests"},
       {"lib/cli/"},
       "give each a statement of its own: gcc and clang don't agree which comes first, and a seed must"},
      {"a sleep",
       std::regex(R"(\b(sleep_for|sleep_until|usleep|nanosleep|SleepFor|sleep)\s*\()"),
       {"lib", "tests", "examples"},
       {"lib/base/", "lib/transport/", "tests/support/wait.cc", "tests/transport/", "tests/tidy/"},
       "wait for a condition with a deadline (tests/support/wait.h), or use virtual time"},
  };
}

bool HasPrefix(const std::string& text, const std::vector<std::string>& prefixes) {
  for (const std::string& prefix : prefixes) {
    if (text.rfind(prefix, 0) == 0) return true;
  }
  return false;
}

TEST_CASE("Nothing reaches the world behind the interfaces' back", "[tidy]") {
  for (const Ban& ban : Bans()) {
    for (const SourceFile& file : ReadSources(ban.folders)) {
      if (HasPrefix(file.path, ban.allowed)) continue;
      for (size_t i = 0; i < file.code.size(); ++i) {
        if (std::regex_search(file.code[i], ban.pattern)) {
          FAIL_CHECK(file.path << ":" << i + 1 << " uses " << ban.name << "; " << ban.instead);
        }
      }
    }
  }
}

TEST_CASE("The bans find what they are about", "[tidy]") {
  const auto banned = [](const std::string& line) {
    std::string names;
    for (const Ban& ban : Bans()) {
      if (std::regex_search(StripCommentsAndStrings({line}).front(), ban.pattern)) names += std::string(ban.name) + ";";
    }
    return names;
  };
  CHECK(banned("auto t = std::chrono::steady_clock::now();") == "a clock of std::chrono;");
  CHECK(banned("  std::thread worker(run);") == "a thread;");
  CHECK(banned("int fd = ::open(path, O_RDONLY);") == "a file;");
  CHECK(banned("  std::abort();") == "an end of the process;");
  CHECK(banned("  exit(1);") == "an end of the process;");
  CHECK(banned("std::this_thread::sleep_for(d);") == "a sleep;");
  CHECK(banned("  absl::MutexLock lock(&mutex_);") == "a lock of Abseil;");
  CHECK(banned("  absl::Notification answered;") == "a lock of Abseil;");
  CHECK(banned("if (x) throw std::runtime_error(y);") == "a throw;");
  CHECK(banned("id = Uuid(random_->Next(), random_->Next());") == "two draws in one expression;");
  CHECK(banned("int bit = random->Below(n) * 8 + random->Below(8);") == "two draws in one expression;");
  CHECK(banned("int n = random_.Below(random_.Below(4) == 0 ? 5 : 9);").empty());
  CHECK(banned("if (random_.Below(4) == 0) Wait(random_.Below(9));").empty());
  CHECK(banned("// throw exit(1) std::thread").empty());
  CHECK(banned("Log(\"exit(1)\");").empty());
  CHECK(banned("pool.exit(1); node->terminate();").empty());
  CHECK(banned("on_exit(x); files->Open(path, mode);").empty());
}

TEST_CASE("Files and lines have a bounded length, and no stray characters", "[tidy]") {
  for (const SourceFile& file : ReadSources(kAll)) {
    INFO(file.path);
    CHECK(file.lines.size() <= kLinesMax);
    for (size_t i = 0; i < file.lines.size(); ++i) {
      const std::string& line = file.lines[i];
      // Columns, not bytes: a continuation byte of UTF-8 takes no room.
      const size_t columns =
          std::count_if(line.begin(), line.end(), [](unsigned char c) { return (c & 0xc0) != 0x80; });
      const bool unbreakable = line.rfind("#include", 0) == 0 || line.find("R\"") != std::string::npos ||
                               line.find(' ', line.find_first_not_of(' ')) == std::string::npos;
      if (columns > kColumnsMax && !unbreakable)
        FAIL_CHECK(file.path << ":" << i + 1 << " has " << columns << " columns");
      if (line.find('\t') != std::string::npos) FAIL_CHECK(file.path << ":" << i + 1 << " has a tab");
      if (!line.empty() && (line.back() == ' ' || line.back() == '\r')) {
        FAIL_CHECK(file.path << ":" << i + 1 << " ends with blanks");
      }
    }
  }
}

TEST_CASE("Headers are guarded by their path", "[tidy]") {
  for (const SourceFile& file : ReadSources(kAll)) {
    if (!file.path.ends_with(".h")) continue;
    std::string path = file.path;
    if (path.rfind("lib/", 0) == 0) path = "quorate/" + path.substr(4);
    if (path.rfind("include/", 0) == 0) path = path.substr(8);
    if (path.rfind("quorate/", 0) != 0) path = "quorate/" + path;
    std::string guard;
    for (char c : path) guard += isalnum(static_cast<unsigned char>(c)) ? static_cast<char>(toupper(c)) : '_';
    guard += "_";
    // A room may say lib in it: headers of the same name exist in include/quorate/ and in lib/.
    const std::string longer = "QUORATE_LIB_" + guard.substr(8);
    const bool in_lib = file.path.rfind("lib/", 0) == 0;
    if (in_lib && std::count(file.lines.begin(), file.lines.end(), "#ifndef " + longer) == 1) guard = longer;
    INFO(file.path << " should be guarded by " << guard);
    CHECK(std::count(file.lines.begin(), file.lines.end(), "#ifndef " + guard) == 1);
    CHECK(std::count(file.lines.begin(), file.lines.end(), "#define " + guard) == 1);
    CHECK(file.lines.back() == "#endif  // " + guard);
  }
}

TEST_CASE("Headers begin by saying what they are for", "[tidy]") {
  for (const SourceFile& file : ReadSources({"lib", "include"})) {
    if (!file.path.ends_with(".h") || file.lines.empty()) continue;
    INFO(file.path);
    CHECK(file.lines.front().rfind("// ", 0) == 0);
  }
}

TEST_CASE("Nothing is left to be done later", "[tidy]") {
  const std::regex mark(R"(\b(TODO|FIXME|XXX|HACK)\b)");
  for (const SourceFile& file : ReadSources(kAll)) {
    if (file.path == "tests/tidy/style_test.cc") continue;
    for (size_t i = 0; i < file.lines.size(); ++i) {
      if (std::regex_search(file.lines[i], mark)) FAIL_CHECK(file.path << ":" << i + 1 << ": " << file.lines[i]);
    }
  }
}

TEST_CASE("The licence and the pages that everybody looks for are there", "[tidy]") {
  const std::filesystem::path root = QUORATE_SOURCE_DIR;
  for (const char* page : {"README.md", "CHANGELOG.md", "LICENSE", "docs/README.md", "docs/architecture.md",
                           "docs/dependencies.md", "docs/status.md", "docs/cli.md", "docs/embedding.md"}) {
    INFO(page);
    CHECK(std::filesystem::exists(root / page));
  }
  std::ifstream licence(root / "LICENSE");
  std::stringstream text;
  text << licence.rdbuf();
  CHECK(text.str().find("Apache License") != std::string::npos);
  CHECK(text.str().find("END OF TERMS AND CONDITIONS") != std::string::npos);
}

TEST_CASE("The links in the documentation lead somewhere", "[tidy]") {
  const std::filesystem::path root = QUORATE_SOURCE_DIR;
  const std::regex link(R"(\]\(([^)#\s]+)(#[^)\s]*)?\))");
  std::vector<std::filesystem::path> pages = {root / "README.md", root / "CHANGELOG.md"};
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root / "docs")) {
    if (entry.path().extension() == ".md") pages.push_back(entry.path());
  }
  for (const std::filesystem::path& page : pages) {
    std::ifstream in(page);
    for (std::string line; std::getline(in, line);) {
      for (std::sregex_iterator it(line.begin(), line.end(), link), end; it != end; ++it) {
        const std::string target = (*it)[1];
        if (target.find("://") != std::string::npos) continue;
        INFO(page.string() << " links to " << target);
        CHECK(std::filesystem::exists(page.parent_path() / target));
      }
    }
  }
}

// Top level, fixed by docs/architecture.md: a new folder there is a decision, not an accident.
TEST_CASE("The top level holds what it is meant to hold", "[tidy]") {
  const std::set<std::string> known = {"CMakeLists.txt",
                                       "CMakePresets.json",
                                       "CHANGELOG.md",
                                       "LICENSE",
                                       "README.md",
                                       "bench",
                                       "build",
                                       "cmake",
                                       "docs",
                                       "examples",
                                       "include",
                                       "lib",
                                       "proto",
                                       "tests",
                                       "compile_commands.json"};
  for (const auto& entry : std::filesystem::directory_iterator(QUORATE_SOURCE_DIR)) {
    const std::string name = entry.path().filename().string();
    if (name.front() == '.') continue;
    INFO(name << " isn't known at the top level");
    CHECK(known.contains(name));
  }
}

}  // namespace
}  // namespace quorate::tidy
