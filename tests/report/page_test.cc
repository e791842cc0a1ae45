#include "report/page.h"

#include <filesystem>
#include <fstream>
#include <regex>
#include <vector>

#include "support/catch.h"
#include "support/results.h"

namespace quorate::bench {
namespace {

// What is wrong with `page` as XML: an element that isn't closed, or closed by another's end. Empty: nothing.
std::string WrongWith(const std::string& page) {
  std::vector<std::string> open;
  const std::regex tag(R"(<(/?)([a-zA-Z0-9]+)((?:\s+[a-zA-Z-]+="[^"<>]*")*)\s*(/?)>)");
  size_t at = page.find("<html");
  if (at == std::string::npos) return "there is no <html>";
  while (at < page.size()) {
    at = page.find_first_of("<>", at);
    if (at == std::string::npos) break;
    // A style's selectors may have a '>'.
    if (page[at] == '>') return "a stray > near: " + page.substr(at > 40 ? at - 40 : 0, 60);
    std::smatch match;
    const std::string rest = page.substr(at, 20'000);
    if (!std::regex_search(rest, match, tag, std::regex_constants::match_continuous)) {
      return "no tag: " + page.substr(at, 60);
    }
    if (match[1] == "/") {
      if (open.empty() || open.back() != match[2]) return "</" + match[2].str() + "> closes nothing";
      open.pop_back();
    } else if (match[4] != "/") {
      open.push_back(match[2]);
    }
    at += static_cast<size_t>(match[0].length());
  }
  return open.empty() ? "" : "<" + open.back() + "> is never closed";
}

size_t Count(const std::string& text, const std::string& what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

Results Sample(const std::string& name) {
  Results results;
  results.benchmark = name;
  results.title = "A <title> & more";
  results.command = "bench --only \"a\" <b>";
  results.figures["x.p50_us"] = 12.5;
  results.tables.push_back({"t", "caption of " + name, {"row", "value"}, {{"one & only", 1}, {"none", nullptr}}});
  results.charts.push_back({"c", "a chart", "ms", "share", true, false, true, {{"line <1>", {{1, 0.5}, {2, 1}}}}});
  results.charts.push_back({"d", "another", "ms", "ops", false, false, false, {{"l", {{1, 5}, {2, 7}}}}});
  results.notes.push_back("beware of <everything>");
  return results;
}

TEST_CASE("a page is well-formed and has every table, chart and note of every benchmark") {
  const auto page = MakePage({ToJson(Sample("first")), ToJson(Sample("second"))});
  REQUIRE(page.ok());
  CHECK(WrongWith(*page) == "");
  CHECK(Count(*page, "<svg ") == 4);
  for (const char* id : {"first-c", "first-d", "second-c", "second-d"}) {
    CHECK(Count(*page, "<figure id=\"" + std::string(id) + "\">") == 1);
  }
  CHECK(Count(*page, "caption of first") == 1);
  CHECK(Count(*page, "caption of second") == 1);
  CHECK(Count(*page, "beware of &lt;everything&gt;") == 2);
  CHECK(Count(*page, "<td>-</td>") == 2);
  CHECK(Count(*page, "x.p50_us") == 2);
}

TEST_CASE("a page needs nothing from elsewhere, and fits a phone and a dark room") {
  const auto page = MakePage({ToJson(Sample("one"))});
  REQUIRE(page.ok());
  // The name space of SVG is a name, not a place.
  const std::string text = std::regex_replace(*page, std::regex("xmlns=\"[^\"]*\""), "");
  for (const char* outside : {"http:", "https:", "<script", "<link", "<img", "@import", "url("}) {
    INFO(outside);
    CHECK(text.find(outside) == std::string::npos);
  }
  CHECK(text.find("name=\"viewport\"") != std::string::npos);
  CHECK(text.find("prefers-color-scheme:dark") != std::string::npos);
}

TEST_CASE("the check for well-formedness finds what is broken") {
  const auto page = MakePage({ToJson(Sample("one"))});
  REQUIRE(page.ok());
  const auto broken = [&](const std::string& from, const std::string& to) {
    std::string text = *page;
    const size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
    return !WrongWith(text).empty();
  };
  CHECK(broken("</table>", ""));
  CHECK(broken("<td>", "<td"));
  CHECK(broken("</figure>", "</div>"));
  CHECK(broken("&lt;title&gt;", "<title>"));
}

TEST_CASE("results that lack something are refused, not drawn half") {
  for (const char* part : {"title", "when", "machine", "tables", "charts", "notes", "figures"}) {
    nlohmann::json json = ToJson(Sample("one"));
    json.erase(part);
    INFO(part);
    CHECK_FALSE(MakePage({json}).ok());
  }
}

TEST_CASE("a folder's results are read, others' files passed over, broken ones named") {
  std::string folder = (std::filesystem::temp_directory_path() / "quorate-report-XXXXXX").string();
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  const auto write = [&](const std::string& name, const std::string& text) {
    std::ofstream(folder + "/" + name) << text;
  };
  CHECK_FALSE(ReadResults(folder).ok());
  write("b.json", ToJson(Sample("zebra")).dump());
  write("c.json", ToJson(Sample("ape")).dump());
  write("other.json", "[1, 2]");
  write("notes.txt", "{");
  const auto results = ReadResults(folder);
  REQUIRE(results.ok());
  REQUIRE(results->size() == 2);
  CHECK(results->front()["benchmark"] == "ape");
  write("half.json", "{\"benchmark\": \"x\", ");
  const auto half = ReadResults(folder);
  REQUIRE_FALSE(half.ok());
  CHECK(std::string(half.status().message()).find("half.json") != std::string::npos);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace quorate::bench
