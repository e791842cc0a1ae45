// What a benchmark found, in its three forms: the text that people read, the JSON that programs compare, the pictures.
#include "support/results.h"

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "support/catch.h"
#include "support/svg.h"

namespace quorate::bench {
namespace {

Results Sample() {
  Results results;
  results.benchmark = "sample";
  results.title = "A sample";
  results.command = "sample --quick";
  results.figures["sample.p50_us"] = 12.5;
  results.tables.push_back({"kinds", "Numbers of all sizes", {"what", "a", "b"}, {}});
  auto& rows = results.tables[0].rows;
  rows.push_back({"one", 1234567, 0.12345});
  rows.push_back({"longer name", nullptr, 123456.7});
  rows.push_back({"x", "text", 99.994});
  results.charts.push_back({"line", "A <line> & more", "x", "y", true, false, false, {{"l", {{1, 2}, {10, 3}}}}});
  results.notes.push_back("read me");
  return results;
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

size_t CountOf(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST_CASE("Tables are aligned, numbers have four figures, counts are whole", "[bench]") {
  CHECK(ToText(Sample()) ==
        "Numbers of all sizes\n"
        "what               a       b\n"
        "one          1234567   0.123\n"
        "longer name        -  123457\n"
        "x               text   99.99\n"
        "note: read me\n");
}

TEST_CASE("A table in Markdown has a head, a rule and its rows", "[bench]") {
  CHECK(ToMarkdown(Sample().tables[0]) ==
        "| what | a | b |\n"
        "|---|---:|---:|\n"
        "| one | 1234567 | 0.123 |\n"
        "| longer name | - | 123457 |\n"
        "| x | text | 99.99 |\n");
}

TEST_CASE("The JSON has all that was found, and the machine", "[bench]") {
  const nlohmann::json json = nlohmann::json::parse(ToJson(Sample()).dump());
  CHECK(json.at("benchmark") == "sample");
  CHECK(json.at("command") == "sample --quick");
  CHECK(json.at("figures").at("sample.p50_us") == 12.5);
  CHECK(json.at("tables").at(0).at("rows").at(1) == nlohmann::json({"longer name", nullptr, 123456.7}));
  CHECK(json.at("notes").at(0) == "read me");
  CHECK(json.at("machine").at("cores") > 0);
  CHECK(json.at("when").get<std::string>().size() == std::string("2026-11-22T04:00:00Z").size());
}

TEST_CASE("A chart survives its way through JSON", "[bench]") {
  Chart chart{"name", "Title", "x", "y", true, false, true, {}};
  chart.lines.push_back({"a", {{0.001, 0.1}, {1, 0.5}, {1e9, 1}}});
  chart.lines.push_back({"nothing", {}});
  const absl::StatusOr<Chart> back = ChartFromJson(nlohmann::json::parse(ChartToJson(chart).dump()));
  REQUIRE(back.ok());
  CHECK(back->name == chart.name);
  CHECK(back->title == chart.title);
  CHECK(back->x == chart.x);
  CHECK(back->y == chart.y);
  CHECK(back->log_x);
  CHECK_FALSE(back->log_y);
  CHECK(back->steps);
  REQUIRE(back->lines.size() == 2);
  CHECK(back->lines[0].name == "a");
  CHECK(back->lines[0].points == chart.lines[0].points);
  CHECK(back->lines[1].points.empty());
  CHECK(ChartToSvg(*back) == ChartToSvg(chart));
}

TEST_CASE("What is no chart is refused, with what is missing", "[bench]") {
  for (const char* text : {"{}", "[]", R"({"name": 1})", R"({"name": "n", "title": "t", "x": "x", "y": "y"})"}) {
    const absl::StatusOr<Chart> chart = ChartFromJson(nlohmann::json::parse(text));
    INFO(text);
    CHECK(chart.status().code() == absl::StatusCode::kInvalidArgument);
  }
}

TEST_CASE("A picture names its lines and escapes its words", "[bench]") {
  const std::string svg = ChartToSvg(Sample().charts[0]);
  CHECK(svg.find("A &lt;line&gt; &amp; more") != std::string::npos);
  CHECK(svg.find("<line>") == std::string::npos);
  CHECK(CountOf(svg, "class=\"l\"") == 1);
  CHECK(svg.find("nothing was measured") == std::string::npos);
  CHECK(svg.rfind("</svg>\n") == svg.size() - 7);
}

TEST_CASE("A picture without points says so, and one with any points is finite", "[bench]") {
  Chart chart{"n", "t", "x", "y", false, false, false, {}};
  CHECK(ChartToSvg(chart).find("nothing was measured") != std::string::npos);
  const std::vector<std::vector<std::pair<double, double>>> odd = {
      {}, {{0, 0}}, {{5, 5}}, {{0, 0}, {0, 1}}, {{-3, -2}, {4, 1e12}}, {{1e-9, 1}, {1e12, 1e-9}}};
  for (const auto& points : odd) {
    for (const bool log : {false, true}) {
      chart.log_x = chart.log_y = log;
      chart.lines = {{"l", points}};
      const std::string svg = ChartToSvg(chart);
      CHECK(svg.find("nan") == std::string::npos);
      CHECK(svg.find("inf") == std::string::npos);
    }
  }
}

TEST_CASE("A long line is thinned, and keeps its last point", "[bench]") {
  Chart chart{"n", "t", "x", "y", false, false, false, {}};
  Chart::Line line{"l", {}};
  for (int i = 0; i <= 100'000; ++i) line.points.emplace_back(i, i);
  chart.lines = {line};
  const std::string svg = ChartToSvg(chart);
  CHECK(svg.size() < 40'000);
  chart.lines[0].points = {{0, 0}, {100'000, 100'000}};
  const std::string ends = ChartToSvg(chart);
  const std::string last = ends.substr(ends.find('L', ends.find("class=\"l\"")), 12);
  CHECK(svg.find(last) != std::string::npos);
}

TEST_CASE("Samples become a table, a chart and figures", "[bench]") {
  Results results;
  AddSamples(results, "election.kill", "Kills", {{"first write", {3, 1, 2}}, {"none", {}}});
  CHECK(results.figures.at("election.kill.first_write.median_ms") == 2);
  CHECK(results.figures.at("election.kill.first_write.max_ms") == 3);
  CHECK(results.figures.count("election.kill.none.median_ms") == 0);
  REQUIRE(results.tables.size() == 1);
  CHECK(results.tables[0].rows.at(1).at(2).is_null());
  REQUIRE(results.charts.size() == 1);
  CHECK(results.charts[0].steps);
  CHECK(results.charts[0].lines[0].points.size() == 3);
}

TEST_CASE("A command line can be pasted into a shell", "[bench]") {
  const char* const argv[] = {"prog", "--a=1", "two words", "it's", ""};
  CHECK(CommandLine(5, argv) == "prog --a=1 'two words' 'it'\\''s' ''");
}

TEST_CASE("Publishing leaves a JSON file and a picture for each chart", "[bench]") {
  std::string folder = (std::filesystem::temp_directory_path() / "quorate-results-XXXXXX").string();
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  const std::string inner = folder + "/made/here";
  const absl::Status published = Publish(Sample(), inner);
  CHECK(published.ok());
  CHECK(nlohmann::json::parse(ReadFile(inner + "/sample.json")).at("title") == "A sample");
  CHECK(ReadFile(inner + "/sample-line.svg") == ChartToSvg(Sample().charts[0]));
  std::ofstream(folder + "/file") << "in the way";
  CHECK_FALSE(Publish(Sample(), folder + "/file").ok());
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace quorate::bench
