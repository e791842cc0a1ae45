#include "support/machine.h"

#include <fcntl.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace quorate::bench {
namespace {

std::string CpuModel() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("model name", 0) == 0) {
      return std::string(absl::StripAsciiWhitespace(line.substr(line.find(':') + 1)));
    }
  }
  return "unknown";
}

double MedianFdatasyncMicroseconds() {
  constexpr int kBlocks = 64;
  const std::string path = absl::StrCat(BenchFolder(), "/quorate-fdatasync-", ::getpid());
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return 0;
  ::unlink(path.c_str());
  const std::array<char, 4096> block{};
  std::vector<double> times;
  for (int round = 0; round < 2; ++round) {  // the first one only allocates
    times.clear();
    for (int i = 0; i < kBlocks; ++i) {
      const absl::Time before = absl::Now();
      const bool written = ::pwrite(file, block.data(), block.size(), i * static_cast<off_t>(block.size())) ==
                               static_cast<ssize_t>(block.size()) &&
                           ::fdatasync(file) == 0;
      if (!written) {
        ::close(file);
        return 0;
      }
      times.push_back(absl::ToDoubleMicroseconds(absl::Now() - before));
    }
  }
  ::close(file);
  std::nth_element(times.begin(), times.begin() + kBlocks / 2, times.end());
  return times[kBlocks / 2];
}

}  // namespace

std::string BenchFolder() {
  if (const char* folder = std::getenv("QUORATE_BENCH_FOLDER"); folder != nullptr && *folder != '\0') return folder;
  std::error_code error;
  return std::filesystem::temp_directory_path(error).string();
}

nlohmann::json DescribeMachine() {
  utsname kernel{};
  ::uname(&kernel);
  struct sysinfo memory {};
  ::sysinfo(&memory);
  std::array<double, 1> load{};
  ::getloadavg(load.data(), 1);
  return {{"cpu", CpuModel()},
          {"cores", std::thread::hardware_concurrency()},
          {"memory_mib", memory.totalram * memory.mem_unit >> 20},
          {"kernel", kernel.release},
          {"load", load[0]},
          {"fdatasync_us", MedianFdatasyncMicroseconds()}};
}

}  // namespace quorate::bench
