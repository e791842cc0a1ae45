#include "cli/spdlog_sink.h"

#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/spdlog.h>

#include <array>
#include <utility>

namespace quorate::cli {

namespace {

constexpr std::array<spdlog::level::level_enum, 4> kLevels = {spdlog::level::debug, spdlog::level::info,
                                                              spdlog::level::warn, spdlog::level::err};
constexpr std::array<const char*, 4> kNames = {"DEBUG", "INFO", "WARN", "ERROR"};

class SpdlogSink final : public LogSink {
 public:
  explicit SpdlogSink(LogLevel level)
      : logger_("quorate", std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>()) {
    // The level's name is part of the text: spdlog spells it in lower case, and Kafka doesn't.
    logger_.set_pattern("[%Y-%m-%d %H:%M:%S,%e] %^%v%$");
    logger_.set_level(kLevels[static_cast<size_t>(level)]);
    logger_.flush_on(spdlog::level::debug);
  }

  [[nodiscard]] bool Enabled(LogLevel level) const override {
    return logger_.should_log(kLevels[static_cast<size_t>(level)]);
  }

  void Write(LogLevel level, absl::string_view component, absl::string_view line) override {
    const size_t index = static_cast<size_t>(level);
    logger_.log(kLevels[index], "{} [{}] {}", kNames[index], spdlog::string_view_t(component.data(), component.size()),
                spdlog::string_view_t(line.data(), line.size()));
  }

 private:
  spdlog::logger logger_;
};

}  // namespace

std::shared_ptr<LogSink> NewStderrLogSink(LogLevel level) { return std::make_shared<SpdlogSink>(level); }

}  // namespace quorate::cli
