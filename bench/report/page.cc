#include "report/page.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "support/results.h"
#include "support/svg.h"

namespace quorate::bench {
namespace {

using nlohmann::json;

constexpr char kStyle[] = R"(
:root{color-scheme:light dark;--text:#222;--dim:#666;--page:#fff;--box:#f4f4f6;--line:#ddd;--link:#0b62a8}
@media(prefers-color-scheme:dark){:root{--text:#ddd;--dim:#999;--page:#1b1b1f;--box:#26262c;--line:#3a3a42;--link:#7cb8ec}}
body{margin:0 auto;padding:1rem;max-width:70rem;background:var(--page);color:var(--text);
 font:16px/1.5 system-ui,sans-serif}
a{color:var(--link)}
section{border-top:1px solid var(--line);margin-top:2rem}
.dim{color:var(--dim)}
pre{background:var(--box);padding:.6rem;border-radius:4px;overflow-x:auto;font-size:13px}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:.6rem 0 .2rem}
th,td{border-bottom:1px solid var(--line);padding:.2rem .7rem;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}
figure{margin:1rem 0}
figure svg{width:100%;height:auto;max-width:760px}
summary{cursor:pointer;margin-top:1rem}
)";

std::string Escape(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
}

std::string Text(const json& value) { return Escape(CellText(value)); }

std::string TableToHtml(const json& table) {
  std::string html = absl::StrCat("<div class=\"wide\"><table><caption>",
                                  Escape(table.at("caption").get<std::string>()), "</caption>\n<thead><tr>");
  for (const json& column : table.at("columns")) absl::StrAppend(&html, "<th>", Text(column), "</th>");
  html += "</tr></thead>\n<tbody>\n";
  for (const json& row : table.at("rows")) {
    html += "<tr>";
    for (const json& cell : row) absl::StrAppend(&html, "<td>", Text(cell), "</td>");
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

// "cpu: …, cores: 2, …"
std::string MachineToText(const json& machine) {
  std::string text;
  for (const auto& [name, value] : machine.items()) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", Escape(name), ": ", Text(value));
  }
  return text;
}

std::string FiguresToHtml(const json& figures) {
  std::string html = absl::StrCat("<details><summary>All ", figures.size(),
                                  " figures by name</summary><div class=\"wide\"><table><tbody>\n");
  for (const auto& [name, value] : figures.items()) {
    absl::StrAppend(&html, "<tr><td>", Escape(name), "</td><td>", Text(value), "</td></tr>\n");
  }
  return html + "</tbody></table></div></details>\n";
}

absl::StatusOr<std::string> SectionOf(const json& result) {
  const std::string name = result.at("benchmark").get<std::string>();
  std::string html = absl::StrCat(
      "<section id=\"", Escape(name), "\">\n<h2>", Escape(result.at("title").get<std::string>()),
      "</h2>\n<p class=\"dim\">", Escape(name), ", ", Escape(result.at("when").get<std::string>()), ", quorate ",
      Text(result.at("version")), "</p>\n<pre>", Escape(result.at("command").get<std::string>()),
      "</pre>\n<p class=\"dim\">", MachineToText(result.at("machine")), "</p>\n");
  for (const json& table : result.at("tables")) html += TableToHtml(table);
  for (const json& text : result.at("charts")) {
    const absl::StatusOr<Chart> chart = ChartFromJson(text);
    if (!chart.ok()) return chart.status();
    absl::StrAppend(&html, "<figure id=\"", Escape(name), "-", Escape(chart->name), "\">\n", ChartToSvg(*chart),
                    "</figure>\n");
  }
  if (!result.at("notes").empty()) {
    html += "<ul>\n";
    for (const json& note : result.at("notes")) absl::StrAppend(&html, "<li>", Text(note), "</li>\n");
    html += "</ul>\n";
  }
  if (!result.at("figures").empty()) html += FiguresToHtml(result.at("figures"));
  return html + "</section>\n";
}

}  // namespace

absl::StatusOr<std::vector<json>> ReadResults(const std::string& folder) {
  std::vector<json> results;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() != ".json") continue;
    std::ifstream in(entry.path());
    json parsed = json::parse(in, nullptr, /*allow_exceptions=*/false);
    if (parsed.is_discarded()) {
      return absl::InvalidArgumentError(
          absl::StrCat(entry.path().string(), " isn't JSON; was its benchmark stopped while it wrote?"));
    }
    if (parsed.is_object() && parsed.contains("benchmark")) results.push_back(std::move(parsed));
  }
  if (error) return absl::NotFoundError(absl::StrCat("can't read the folder ", folder, ": ", error.message()));
  if (results.empty()) {
    return absl::NotFoundError(
        absl::StrCat("there are no results in ", folder, "; a benchmark writes them with --out ", folder));
  }
  std::sort(results.begin(), results.end(),
            [](const json& a, const json& b) { return a["benchmark"].dump() < b["benchmark"].dump(); });
  return results;
}

absl::StatusOr<std::string> MakePage(const std::vector<json>& results) {
  // The accessors of the JSON library throw where something is missing; nothing of ours does.
  try {
    std::string page = absl::StrCat(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
        "<title>quorate: benchmarks</title>\n<style>",
        kStyle, "</style>\n</head>\n<body>\n<h1>quorate: benchmarks</h1>\n<p>");
    for (const json& result : results) {
      const std::string name = Escape(result.at("benchmark").get<std::string>());
      absl::StrAppend(&page, "<a href=\"#", name, "\">", name, "</a> ");
    }
    page += "</p>\n";
    for (const json& result : results) {
      const absl::StatusOr<std::string> section = SectionOf(result);
      if (!section.ok()) return section.status();
      page += *section;
    }
    return page + "</body>\n</html>\n";
  } catch (const json::exception& missing) {
    return absl::InvalidArgumentError(absl::StrCat("not the results of a benchmark: ", missing.what()));
  }
}

}  // namespace quorate::bench
