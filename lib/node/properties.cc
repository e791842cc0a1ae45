#include "node/properties.h"

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace quorate::node {
namespace {

// More than any sane file, and little enough to parse without a thought.
constexpr size_t kTextBytesMax = 1u << 20;

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\f'; }

// Lines as the format sees them: comments and blank lines are gone, continued lines are one.
struct LogicalLine {
  std::string text;
  int number = 0;
};

class LineReader {
 public:
  explicit LineReader(absl::string_view text) : rest_(text) {}

  std::optional<LogicalLine> Next() {
    while (!rest_.empty()) {
      absl::string_view natural = SkipBlanks(TakeNatural());
      if (natural.empty() || natural[0] == '#' || natural[0] == '!') continue;
      LogicalLine line;
      line.number = number_;
      while (EndsWithOddBackslashes(natural)) {
        natural.remove_suffix(1);
        absl::StrAppend(&line.text, natural);
        if (rest_.empty()) return line;
        natural = SkipBlanks(TakeNatural());
      }
      absl::StrAppend(&line.text, natural);
      return line;
    }
    return std::nullopt;
  }

 private:
  absl::string_view TakeNatural() {
    ++number_;
    const size_t end = rest_.find_first_of("\r\n");
    const absl::string_view line = rest_.substr(0, end);
    if (end == absl::string_view::npos) {
      rest_ = absl::string_view();
      return line;
    }
    const bool is_crlf = rest_[end] == '\r' && end + 1 < rest_.size() && rest_[end + 1] == '\n';
    rest_.remove_prefix(end + (is_crlf ? 2 : 1));
    return line;
  }

  static absl::string_view SkipBlanks(absl::string_view line) {
    while (!line.empty() && IsBlank(line[0])) line.remove_prefix(1);
    return line;
  }

  static bool EndsWithOddBackslashes(absl::string_view line) {
    size_t count = 0;
    while (count < line.size() && line[line.size() - 1 - count] == '\\') ++count;
    return count % 2 == 1;
  }

  absl::string_view rest_;
  int number_ = 0;
};

void AppendUtf8(uint32_t code, std::string* out) {
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out->push_back(static_cast<char>(0xC0 | (code >> 6)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else {
    out->push_back(static_cast<char>(0xE0 | (code >> 12)));
    out->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
  }
}

// Resolves escapes. False for a \u that isn't followed by four hexadecimal digits.
bool Unescape(absl::string_view text, std::string* out) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out->push_back(text[i]);
      continue;
    }
    switch (const char c = text[++i]; c) {
      case 't':
        out->push_back('\t');
        break;
      case 'n':
        out->push_back('\n');
        break;
      case 'r':
        out->push_back('\r');
        break;
      case 'f':
        out->push_back('\f');
        break;
      case 'u': {
        uint32_t code = 0;
        for (int digit = 0; digit < 4; ++digit) {
          if (++i >= text.size() || !absl::ascii_isxdigit(static_cast<unsigned char>(text[i]))) return false;
          const char d = absl::ascii_tolower(static_cast<unsigned char>(text[i]));
          code = code * 16 + static_cast<uint32_t>(d <= '9' ? d - '0' : d - 'a' + 10);
        }
        AppendUtf8(code, out);
        break;
      }
      default:
        out->push_back(c);
    }
  }
  return true;
}

// Where the key ends: at the first blank, '=' or ':' that isn't escaped.
size_t KeyEnd(absl::string_view line) {
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
    } else if (IsBlank(line[i]) || line[i] == '=' || line[i] == ':') {
      return i;
    }
  }
  return line.size();
}

}  // namespace

ParsedProperties ParseProperties(absl::string_view text) {
  ParsedProperties parsed;
  if (text.size() > kTextBytesMax) {
    parsed.problems.push_back(
        {0, absl::StrCat("the file has ", text.size(), " bytes: at most ", kTextBytesMax, " are allowed")});
    return parsed;
  }
  if (const size_t zero = text.find('\0'); zero != absl::string_view::npos) {
    parsed.problems.push_back({0, absl::StrCat("byte ", zero, " is zero: this is no text file")});
    return parsed;
  }
  LineReader reader(text);
  while (std::optional<LogicalLine> line = reader.Next()) {
    const absl::string_view whole = line->text;
    const size_t key_end = KeyEnd(whole);
    absl::string_view value = whole.substr(key_end);
    while (!value.empty() && IsBlank(value[0])) value.remove_prefix(1);
    if (!value.empty() && (value[0] == '=' || value[0] == ':')) value.remove_prefix(1);
    while (!value.empty() && IsBlank(value[0])) value.remove_prefix(1);

    Property property;
    property.line = line->number;
    if (!Unescape(whole.substr(0, key_end), &property.key) || !Unescape(value, &property.value)) {
      parsed.problems.push_back({line->number, "\\u must be followed by four hexadecimal digits"});
      continue;
    }
    if (property.key.empty()) {
      parsed.problems.push_back({line->number, "there is no key before the '=': a line is key=value"});
      continue;
    }
    parsed.properties.push_back(std::move(property));
  }
  return parsed;
}

}  // namespace quorate::node
