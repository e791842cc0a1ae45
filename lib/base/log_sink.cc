#include "quorate/log_sink.h"

namespace quorate {
namespace {

class Null final : public LogSink {
 public:
  bool Enabled(LogLevel) const override { return false; }
  void Write(LogLevel, absl::string_view, absl::string_view) override {}
};

}  // namespace

std::shared_ptr<LogSink> NullLogSink() { return std::make_shared<Null>(); }

}  // namespace quorate
