// One connection's protocol, for the systems that speak over a plain socket: bytes in, bytes out, no input or output
// of its own.
//
// One thread.
#ifndef QUORATE_BENCH_COMPARE_WIRE_H_
#define QUORATE_BENCH_COMPARE_WIRE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "compare/put_client.h"

namespace quorate::compare {

class Wire {
 public:
  using Emit = absl::FunctionRef<void(uint64_t token, PutEnd end)>;

  virtual ~Wire() = default;
  // What a new connection begins with.
  virtual void Greet(std::string* out) = 0;
  virtual void Put(uint64_t token, absl::string_view key, absl::string_view value, std::string* out) = 0;
  virtual void Create(uint64_t token, absl::string_view key, absl::string_view value, std::string* out) = 0;
  // Takes the whole answers at the beginning of `in`; returns how many bytes they are. -1: nonsense.
  virtual int64_t Take(absl::string_view in, Emit emit) = 0;
};
using WireFactory = std::function<std::unique_ptr<Wire>()>;

// The register hosts' few bytes of framing (bench/host/protocol.h): quorate's engine host and the host around C raft.
std::unique_ptr<Wire> NewRegisterWire();
// ZooKeeper's client protocol (zookeeper.jute of its sources), as far as create and setData need it. Its C client
// library isn't used: it has threads and pauses of its own, which would be measured as ZooKeeper's.
std::unique_ptr<Wire> NewZooKeeperWire(int session_timeout_ms);

}  // namespace quorate::compare

#endif  // QUORATE_BENCH_COMPARE_WIRE_H_
