// What a register host is told on its command line.
#ifndef QUORATE_BENCH_HOST_OPTIONS_H_
#define QUORATE_BENCH_HOST_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "quorate/quorum_types.h"
#include "quorate/types.h"

namespace quorate::host {

struct HostOptions {
  std::string directory;  // formatted; says who this node is, and with whom it began
  uint16_t client_port = 0;
  // For a node that joins a quorum later: where it listens, and whom it asks. The directory has no voters then.
  std::optional<Endpoint> listen;
  std::vector<Endpoint> bootstrap_servers;
  bool auto_join = false;
  uint64_t segment_bytes = 0;
  size_t tail_cache_bytes = 0;
  bool memory_storage = false;  // the log is in memory only, nothing survives; the directory is still needed
  SnapshotPolicy snapshots;
  QuorumTimeouts timeouts;
  absl::Duration request_timeout;
  bool log_debug = false;
};

// On a mistake, or when asked for help: says so, and sets the exit code.
std::optional<HostOptions> ParseOptions(int argc, char** argv, int* exit_code);

}  // namespace quorate::host

#endif  // QUORATE_BENCH_HOST_OPTIONS_H_
