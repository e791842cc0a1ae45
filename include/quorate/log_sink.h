// File: quorate/log_sink.h
//
// Where a node's log lines go. quorate never writes to stderr by itself: a host passes a sink, or
// none. One line is one event, as key=value pairs: "event=become_leader epoch=7 offset=42".
#ifndef QUORATE_LOG_SINK_H_
#define QUORATE_LOG_SINK_H_

#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"

namespace quorate {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };

// Thread-safe. Write must not block for long and must not call back into quorate.
class LogSink {
 public:
  virtual ~LogSink() = default;
  [[nodiscard]] virtual bool Enabled(LogLevel level) const = 0;
  // `component` is the room that speaks: "raft", "storage", "controller".
  virtual void Write(LogLevel level, absl::string_view component, absl::string_view line) = 0;
};

// Swallows everything.
std::shared_ptr<LogSink> NullLogSink();

}  // namespace quorate

#endif  // QUORATE_LOG_SINK_H_
