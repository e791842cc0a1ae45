#include "host/usage.h"

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace quorate::bench {
namespace {

std::string ReadProc(pid_t pid, absl::string_view name) {
  std::ifstream in(absl::StrCat("/proc/", pid, "/", name));
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

uint64_t NumberAfter(absl::string_view text, absl::string_view label) {
  const size_t at = text.find(label);
  if (at == absl::string_view::npos) return 0;
  const absl::string_view rest = text.substr(at + label.size());
  uint64_t number = 0;
  (void)absl::SimpleAtoi(rest.substr(0, rest.find('\n')), &number);
  return number;
}

}  // namespace

Usage& Usage::operator+=(const Usage& other) {
  cpu_ms += other.cpu_ms;
  disk_bytes += other.disk_bytes;
  rss_bytes += other.rss_bytes;
  return *this;
}

absl::StatusOr<Usage> ReadUsage(pid_t pid) {
  const std::string stat = ReadProc(pid, "stat");
  // Behind the name, which may have blanks and brackets in it: state is the first, utime and stime the 12th and 13th.
  const size_t name_end = stat.rfind(')');
  const std::vector<std::string> fields = name_end == std::string::npos
                                              ? std::vector<std::string>()
                                              : absl::StrSplit(absl::string_view(stat).substr(name_end + 2), ' ');
  uint64_t user = 0, system = 0, pages = 0;
  if (fields.size() < 22 || !absl::SimpleAtoi(fields[11], &user) || !absl::SimpleAtoi(fields[12], &system) ||
      !absl::SimpleAtoi(fields[21], &pages)) {
    return absl::NotFoundError(absl::StrCat("/proc/", pid, "/stat can't be read: has the process ended?"));
  }
  Usage usage;
  usage.cpu_ms = static_cast<double>(user + system) * 1000 / static_cast<double>(::sysconf(_SC_CLK_TCK));
  usage.disk_bytes = NumberAfter(ReadProc(pid, "io"), "\nwrite_bytes: ");
  usage.rss_bytes = pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return usage;
}

}  // namespace quorate::bench
