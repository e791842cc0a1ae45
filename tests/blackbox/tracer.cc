#include "blackbox/tracer.h"

#include <stdlib.h>

#include <filesystem>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "support/wait.h"

namespace quorate::blackbox {
namespace {

constexpr char kStrace[] = "/usr/bin/strace";
constexpr absl::Duration kPatience = absl::Seconds(20);

std::vector<std::string> Arguments(const std::string& inject, const std::string& output) {
  return {kStrace, "-f", "-y", "-o", output, "-e", "trace=fdatasync,pwritev,pwrite64", "-e", "inject=" + inject};
}

}  // namespace

NoLeakCheck::NoLeakCheck() { ::setenv("LSAN_OPTIONS", "detect_leaks=0", /*overwrite=*/1); }
NoLeakCheck::~NoLeakCheck() { ::unsetenv("LSAN_OPTIONS"); }

std::string Tracer::Obstacle() {
  if (!std::filesystem::exists(kStrace)) return "strace isn't installed";
  const NoLeakCheck no_leak_check;
  const testing::CommandOutput tried = testing::RunCommand({kStrace, "-o", "/dev/null", "/bin/true"});
  return tried.exit_code == 0 ? "" : absl::StrCat("no process can be traced here: ", tried.text);
}

std::unique_ptr<Tracer> Tracer::Attach(pid_t pid, const std::string& inject, const std::string& output,
                                       const std::string& file) {
  std::vector<std::string> args = Arguments(inject, output);
  if (!file.empty()) args.insert(args.end(), {"-P", file});
  args.insert(args.end(), {"-p", absl::StrCat(pid)});
  const std::string said = output + ".strace";
  std::unique_ptr<testing::Process> process = testing::Process::Start(args, said);
  if (process == nullptr) return nullptr;
  const bool attached = testing::WaitUntil(
      [&] { return testing::ReadText(said).find("attached") != std::string::npos || !process->running(); }, kPatience);
  if (!attached || !process->running()) return nullptr;
  return std::unique_ptr<Tracer>(new Tracer(output, std::move(process)));
}

std::vector<std::string> Tracer::Wrapper(const std::string& inject, const std::string& output) {
  std::vector<std::string> args = Arguments(inject, output);
  args.push_back("-D");  // the tracer is the grandchild, and not the parent, of what it traces
  return args;
}

std::vector<TracedCall> Tracer::Calls() {
  process_->WaitForEnd(kPatience);
  return ParseCalls(testing::ReadText(output_));
}

// Lines are "PID NAME(DESCRIPTOR<PATH>, … = RESULT", or cut in two when another thread's call came between:
// "PID NAME(DESCRIPTOR<PATH> <unfinished ...>" and "PID <... NAME resumed>) = RESULT".
std::vector<TracedCall> Tracer::ParseCalls(const std::string& text) {
  std::vector<TracedCall> calls;
  std::map<std::string, size_t> last;  // by thread
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const size_t space = line.find(' ');
    if (space == absl::string_view::npos) continue;
    const std::string thread(line.substr(0, space));
    const absl::string_view rest = line.substr(line.find_first_not_of(' ', space));
    const bool injected = absl::StrContains(rest, "(INJECTED)");
    const size_t open = rest.find('('), path = rest.find('<'), path_end = rest.find('>');
    if (rest.substr(0, 5) == "<... ") {
      if (injected && last.contains(thread)) calls[last[thread]].injected = true;
    } else if (open < path && path < path_end && path_end != absl::string_view::npos) {
      last[thread] = calls.size();
      calls.push_back(
          {std::string(rest.substr(0, open)), std::string(rest.substr(path + 1, path_end - path - 1)), injected});
    }
  }
  return calls;
}

}  // namespace quorate::blackbox
