#include "simulator/sections.h"

#include <cstdio>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace quorate::testing::simulator {

std::string WithSection(absl::string_view page, absl::string_view name, absl::string_view text) {
  const std::string begin = absl::StrCat("<!-- generated: ", name, " -->\n");
  const std::string end = absl::StrCat("<!-- end: ", name, " -->\n");
  const std::string section = absl::StrCat(begin, text, end);
  const size_t from = page.find(begin);
  const size_t to = from == absl::string_view::npos ? from : page.find(end, from);
  if (to == absl::string_view::npos) return absl::StrCat(page, page.empty() ? "" : "\n", section);
  return absl::StrCat(page.substr(0, from), section, page.substr(to + end.size()));
}

bool WriteSection(const std::string& path, absl::string_view name, absl::string_view text) {
  std::stringstream page;
  page << std::ifstream(path).rdbuf();
  std::ofstream file(path);
  file << WithSection(page.str(), name, text);
  if (file.flush()) return true;
  std::fprintf(stderr, "%s can't be written\n", path.c_str());
  return false;
}

}  // namespace quorate::testing::simulator
