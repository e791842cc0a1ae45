// report: one page of a folder of results.
//
//   report results                    writes results/index.html
//   report results --out page.html
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>

#include "absl/strings/str_format.h"
#include "report/page.h"

namespace quorate::bench {
namespace {

absl::Status Run(const std::string& folder, const std::string& out) {
  const absl::StatusOr<std::vector<nlohmann::json>> results = ReadResults(folder);
  if (!results.ok()) return results.status();
  const absl::StatusOr<std::string> page = MakePage(*results);
  if (!page.ok()) return page.status();
  std::ofstream file(out);
  file << *page;
  file.flush();
  if (!file.good()) return absl::InternalError("can't write " + out + ": may this user write there?");
  absl::PrintF("%s: %d benchmarks\n", out, results->size());
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  CLI::App app("Makes one self-contained HTML page of the results that benchmarks wrote with --out.");
  std::string folder;
  std::string out;
  app.add_option("folder", folder, "with the JSON of one or several benchmarks")->required();
  app.add_option("--out", out, "where the page goes (default: index.html in the folder)");
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = Run(folder, out.empty() ? folder + "/index.html" : out);
  if (status.ok()) return 0;
  absl::FPrintF(stderr, "report: %s\n", status.message());
  return 1;
}

}  // namespace
}  // namespace quorate::bench

int main(int argc, char** argv) { return quorate::bench::Main(argc, argv); }
