// Log lines of a node, on stderr, through spdlog, in the shape of Kafka's server log:
//   [2026-11-21 21:18:08,123] INFO [raft] event=become_leader epoch=7 offset=42
#ifndef QUORATE_CLI_SPDLOG_SINK_H_
#define QUORATE_CLI_SPDLOG_SINK_H_

#include <memory>

#include "quorate/log_sink.h"

namespace quorate::cli {

// Writes lines of `level` and above. Thread-safe; a line is written whole.
std::shared_ptr<LogSink> NewStderrLogSink(LogLevel level);

}  // namespace quorate::cli

#endif  // QUORATE_CLI_SPDLOG_SINK_H_
