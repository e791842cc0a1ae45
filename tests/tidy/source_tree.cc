#include "tidy/source_tree.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

namespace quorate::tidy {

namespace {

namespace fs = std::filesystem;

SourceFile ReadSource(const fs::path& path, const fs::path& root) {
  SourceFile file;
  file.path = fs::relative(path, root).generic_string();
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) file.lines.push_back(line);
  file.code = StripCommentsAndStrings(file.lines);
  return file;
}

}  // namespace

std::vector<SourceFile> ReadSources(const std::vector<std::string>& folders) {
  const fs::path root = QUORATE_SOURCE_DIR;
  std::vector<SourceFile> files;
  for (const std::string& folder : folders) {
    if (!fs::exists(root / folder)) continue;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension().string();
      if (entry.is_regular_file() && (extension == ".h" || extension == ".cc")) {
        files.push_back(ReadSource(entry.path(), root));
      }
    }
  }
  std::sort(files.begin(), files.end(), [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

std::vector<std::string> StripCommentsAndStrings(const std::vector<std::string>& lines) {
  enum class State { kCode, kBlockComment, kString, kChar, kRawString };
  State state = State::kCode;
  std::string raw_end;
  std::vector<std::string> stripped;
  for (const std::string& line : lines) {
    std::string out(line.size(), ' ');
    for (size_t i = 0; i < line.size(); ++i) {
      const bool has_next = i + 1 < line.size();
      switch (state) {
        case State::kCode:
          if (line[i] == '/' && has_next && line[i + 1] == '/') {
            i = line.size();
          } else if (line[i] == '/' && has_next && line[i + 1] == '*') {
            state = State::kBlockComment;
            ++i;
          } else if (line[i] == 'R' && has_next && line[i + 1] == '"') {
            const size_t open = line.find('(', i);
            raw_end = ")" + line.substr(i + 2, open - i - 2) + "\"";
            state = State::kRawString;
            i = open;
          } else if (line[i] == '"') {
            state = State::kString;
            out[i] = '"';
          } else if (line[i] == '\'' && (i == 0 || !isalnum(static_cast<unsigned char>(line[i - 1])))) {
            state = State::kChar;
          } else {
            out[i] = line[i];
          }
          break;
        case State::kBlockComment:
          if (line[i] == '*' && has_next && line[i + 1] == '/') {
            state = State::kCode;
            ++i;
          }
          break;
        case State::kString:
          if (line[i] == '\\') {
            ++i;
          } else if (line[i] == '"') {
            state = State::kCode;
            out[i] = '"';
          }
          break;
        case State::kChar:
          if (line[i] == '\\') {
            ++i;
          } else if (line[i] == '\'') {
            state = State::kCode;
          }
          break;
        case State::kRawString:
          if (line.compare(i, raw_end.size(), raw_end) == 0) {
            i += raw_end.size() - 1;
            state = State::kCode;
          }
          break;
      }
    }
    // Only comments and raw strings go on over the end of a line.
    if (state == State::kString || state == State::kChar) state = State::kCode;
    stripped.push_back(std::move(out));
  }
  return stripped;
}

std::vector<Include> IncludesOf(const SourceFile& file) {
  std::vector<Include> includes;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    const std::string& line = file.lines[i];
    if (line.rfind("#include ", 0) != 0) continue;
    const size_t open = line.find_first_of("<\"");
    if (open == std::string::npos) continue;
    const size_t close = line.find(line[open] == '<' ? '>' : '"', open + 1);
    if (close == std::string::npos) continue;
    includes.push_back({static_cast<int>(i) + 1, line.substr(open + 1, close - open - 1), line[open] == '<'});
  }
  return includes;
}

}  // namespace quorate::tidy
