#include "support/svg.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace quorate::bench {
namespace {

constexpr double kWidth = 760, kHeight = 420;
constexpr double kLeft = 70, kRight = 190, kTop = 40, kBottom = 50;
constexpr size_t kMostPoints = 400;
// Told apart by people who see fewer colours, too (Okabe and Ito), and by light and dark.
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                    "#56b4e9", "#e69f00", "#8f7ee7", "#999999"};

std::string Escape(const std::string& text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
}

struct Axis {
  double from = 0, to = 1;
  bool log = false;
  double start = 0, length = 1;  // pixels; y grows downwards, so its length is negative

  [[nodiscard]] double Place(double value) const {
    const double share =
        log ? (std::log10(std::max(value, from)) - std::log10(from)) / (std::log10(to) - std::log10(from))
            : (value - from) / (to - from);
    return start + length * share;
  }
  [[nodiscard]] std::vector<double> Ticks() const {
    std::vector<double> ticks;
    if (log) {
      const bool few = std::log10(to / from) < 2.5;
      for (double power = std::pow(10, std::floor(std::log10(from))); power <= to * 1.0001; power *= 10) {
        for (const double factor : {1.0, 2.0, 5.0}) {
          const double tick = power * factor;
          if ((factor == 1.0 || few) && tick >= from * 0.9999 && tick <= to * 1.0001) ticks.push_back(tick);
        }
      }
      return ticks;
    }
    const double rough = (to - from) / 6;
    const double power = std::pow(10, std::floor(std::log10(rough)));
    const double step = power * (rough / power < 1.5 ? 1 : rough / power < 3.5 ? 2 : rough / power < 7.5 ? 5 : 10);
    for (double tick = std::ceil(from / step) * step; tick <= to + step / 1000; tick += step) ticks.push_back(tick);
    return ticks;
  }
};

Axis FitAxis(const Chart& chart, bool x) {
  Axis axis;
  axis.log = x ? chart.log_x : chart.log_y;
  double least = std::numeric_limits<double>::max(), most = std::numeric_limits<double>::lowest();
  for (const Chart::Line& line : chart.lines) {
    for (const auto& point : line.points) {
      const double value = x ? point.first : point.second;
      if (axis.log && value <= 0) continue;
      least = std::min(least, value);
      most = std::max(most, value);
    }
  }
  if (least > most) least = axis.log ? 1 : 0, most = axis.log ? 10 : 1;
  if (!axis.log) least = std::min(least, 0.0);
  if (!x && chart.steps) least = 0, most = 1;
  if (least == most) most = axis.log ? least * 10 : least + 1;
  axis.from = least;
  axis.to = !x && !chart.steps && !axis.log ? most * 1.05 : most;
  axis.start = x ? kLeft : kHeight - kBottom;
  axis.length = x ? kWidth - kLeft - kRight : -(kHeight - kTop - kBottom);
  return axis;
}

std::string TickText(double tick) {
  if (tick >= 1e6) return absl::StrFormat("%gM", tick / 1e6);
  if (tick >= 1e4) return absl::StrFormat("%gk", tick / 1e3);
  return absl::StrFormat("%g", std::abs(tick) < 1e-12 ? 0 : tick);
}

void DrawAxes(std::string& svg, const Chart& chart, const Axis& x, const Axis& y) {
  const double right = kWidth - kRight, bottom = kHeight - kBottom;
  for (const double tick : x.Ticks()) {
    absl::StrAppendFormat(
        &svg, "<path class=\"g\" d=\"M%.1f %g V%g\"/><text x=\"%.1f\" y=\"%g\" text-anchor=\"middle\">%s</text>\n",
        x.Place(tick), kTop, bottom, x.Place(tick), bottom + 18, TickText(tick));
  }
  for (const double tick : y.Ticks()) {
    absl::StrAppendFormat(
        &svg, "<path class=\"g\" d=\"M%g %.1f H%g\"/><text x=\"%g\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", kLeft,
        y.Place(tick), right, kLeft - 8, y.Place(tick) + 4, TickText(tick));
  }
  absl::StrAppendFormat(&svg, "<path class=\"a\" d=\"M%g %g V%g H%g\"/>\n", kLeft, kTop, bottom, right);
  absl::StrAppendFormat(&svg, "<text x=\"%g\" y=\"24\" class=\"t\">%s</text>\n", kLeft, Escape(chart.title));
  absl::StrAppendFormat(&svg, "<text x=\"%g\" y=\"%g\" text-anchor=\"middle\">%s</text>\n", (kLeft + right) / 2,
                        kHeight - 10, Escape(chart.x));
  absl::StrAppendFormat(&svg, "<text transform=\"translate(16 %g) rotate(-90)\" text-anchor=\"middle\">%s</text>\n",
                        (kTop + bottom) / 2, Escape(chart.y));
}

std::string Path(const Chart& chart, const Chart::Line& line, const Axis& x, const Axis& y) {
  std::string path;
  const size_t every = std::max<size_t>(1, line.points.size() / kMostPoints);
  for (size_t i = 0; i < line.points.size(); ++i) {
    // Thinned evenly; the last, the maximum of a distribution, always stays.
    if (i % every != 0 && i + 1 != line.points.size()) continue;
    const auto& [px, py] = line.points[i];
    if ((chart.log_x && px <= 0) || (chart.log_y && py <= 0)) continue;
    if (path.empty()) {
      absl::StrAppendFormat(&path, "M%.1f %.1f", x.Place(px), chart.steps ? y.Place(0) : y.Place(py));
    } else if (chart.steps) {
      absl::StrAppendFormat(&path, "H%.1f", x.Place(px));
    }
    if (chart.steps) {
      absl::StrAppendFormat(&path, "V%.1f", y.Place(py));
    } else {
      absl::StrAppendFormat(&path, "L%.1f %.1f", x.Place(px), y.Place(py));
    }
  }
  return path;
}

}  // namespace

nlohmann::json ChartToJson(const Chart& chart) {
  nlohmann::json lines = nlohmann::json::array();
  for (const Chart::Line& line : chart.lines) lines.push_back({{"name", line.name}, {"points", line.points}});
  return {{"name", chart.name},   {"title", chart.title}, {"x", chart.x},         {"y", chart.y},
          {"log_x", chart.log_x}, {"log_y", chart.log_y}, {"steps", chart.steps}, {"series", std::move(lines)}};
}

absl::StatusOr<Chart> ChartFromJson(const nlohmann::json& json) {
  try {
    Chart chart;
    json.at("name").get_to(chart.name);
    json.at("title").get_to(chart.title);
    json.at("x").get_to(chart.x);
    json.at("y").get_to(chart.y);
    json.at("log_x").get_to(chart.log_x);
    json.at("log_y").get_to(chart.log_y);
    json.at("steps").get_to(chart.steps);
    for (const nlohmann::json& line : json.at("series")) {
      Chart::Line& added = chart.lines.emplace_back();
      line.at("name").get_to(added.name);
      line.at("points").get_to(added.points);
    }
    return chart;
  } catch (const nlohmann::json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("not a chart of a benchmark: ", error.what()));
  }
}

std::string ChartToSvg(const Chart& chart) {
  const Axis x = FitAxis(chart, true);
  const Axis y = FitAxis(chart, false);
  std::string svg = absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" font-family=\"system-ui,sans-serif\" "
      "font-size=\"12\">\n"
      "<style>text{fill:#333}.t{font-size:15px;font-weight:600}.g{stroke:#8883;fill:none}.a{stroke:#888;fill:none}"
      ".l{fill:none;stroke-width:2}.b{fill:#fff}@media(prefers-color-scheme:dark){text{fill:#ddd}.b{fill:#1b1b1f}}</"
      "style>\n"
      "<rect class=\"b\" width=\"%g\" height=\"%g\"/>\n",
      kWidth, kHeight, kWidth, kHeight);
  DrawAxes(svg, chart, x, y);
  bool empty = true;
  for (size_t i = 0; i < chart.lines.size(); ++i) {
    const char* colour = kColours[i % std::size(kColours)];
    const Chart::Line& line = chart.lines[i];
    empty = empty && line.points.empty();
    absl::StrAppendFormat(&svg, "<path class=\"l\" stroke=\"%s\"%s d=\"%s\"/>\n", colour,
                          i >= std::size(kColours) ? " stroke-dasharray=\"5 3\"" : "", Path(chart, line, x, y));
    const double row = kTop + 10 + 18 * static_cast<double>(i);
    absl::StrAppendFormat(
        &svg, "<path stroke=\"%s\" stroke-width=\"3\" d=\"M%g %g h16\"/><text x=\"%g\" y=\"%g\">%s</text>\n", colour,
        kWidth - kRight + 10, row, kWidth - kRight + 32, row + 4, Escape(line.name));
  }
  if (empty)
    absl::StrAppendFormat(&svg, "<text x=\"%g\" y=\"%g\">nothing was measured</text>\n", kLeft + 20, kHeight / 2);
  return svg + "</svg>\n";
}

}  // namespace quorate::bench
