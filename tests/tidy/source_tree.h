// The repository as text, for tests that check its rules.
#ifndef QUORATE_TESTS_TIDY_SOURCE_TREE_H_
#define QUORATE_TESTS_TIDY_SOURCE_TREE_H_

#include <string>
#include <vector>

namespace quorate::tidy {

struct SourceFile {
  std::string path;  // relative to the root of the repository, with '/'
  std::vector<std::string> lines;
  // The same lines with comments and the contents of string literals blanked, so that a rule about code
  // doesn't trip over prose.
  std::vector<std::string> code;
};

// All .h and .cc files below the given folders of the repository, sorted by path.
std::vector<SourceFile> ReadSources(const std::vector<std::string>& folders);

// Blanks comments, string and character literals. Line numbers stay.
std::vector<std::string> StripCommentsAndStrings(const std::vector<std::string>& lines);

// The text between the quotes or brackets of each #include, with its line number (from 1).
struct Include {
  int line = 0;
  std::string target;
  bool angled = false;
};
std::vector<Include> IncludesOf(const SourceFile& file);

}  // namespace quorate::tidy

#endif  // QUORATE_TESTS_TIDY_SOURCE_TREE_H_
