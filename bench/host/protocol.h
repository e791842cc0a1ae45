// What a client and a register host say to each other over a TCP connection: a few bytes of framing, little endian.
//
//   request   u32 length of what follows | u64 id | command
//   command   u8 operation | u8 bytes of key | u16 bytes of expected value | key | expected value | argument
//   response  u32 length of what follows | u64 id | outcome
//   outcome   u8 result | what comes with it
//
// The command is also, byte for byte, the record in the replicated log, and the outcome what the state machine leaves
// for its proposer: the hot path copies and never translates. Many requests may be under way on one connection; they
// are answered in the order in which they are done, told apart by their id.
//
// Not gRPC, so that a figure or a failure of the engine isn't one of a second RPC stack.
//
// Plain functions and values; any thread. Views point into what was parsed.
#ifndef QUORATE_BENCH_HOST_PROTOCOL_H_
#define QUORATE_BENCH_HOST_PROTOCOL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "quorate/types.h"

namespace quorate::host {

inline constexpr size_t kLengthBytes = 4;
inline constexpr size_t kIdBytes = 8;
inline constexpr size_t kValueBytesMax = 1u << 20;
inline constexpr size_t kRequestBytesMax = kIdBytes + 4 + 255 + 65'535 + kValueBytesMax;
inline constexpr size_t kResponseBytesMax = kRequestBytesMax;

enum class Operation : uint8_t {
  kRead = 1,    // linearizable; answers the value, empty when nothing was ever written
  kReadStale,   // answers a StaleValue
  kWrite,       // argument: the new value; answers nothing
  kCompareSet,  // argument: the new value if the present one is the expected one; answers "1" or "0"
  kAppend,      // argument: what is put behind the value; answers the value's length after it
  kAdd,         // argument: a number that is added to the value, a number (empty: 0); answers the sum
  kStatus,      // answers lines of name=value
  kSnapshot,    // takes a snapshot now; answers the offset that it reaches
  kTransfer,    // argument: the id of the node that shall lead; answers nothing, once it does
};

enum class Result : uint8_t {
  kOk = 0,
  kNotApplied = 1,  // certainly without effect; comes with a Refusal
  kUnknown = 2,     // may have taken effect, or may still; comes with a Refusal
  kRejected = 3,    // by the state machine, on all nodes alike, and without effect; comes with a sentence
};

struct Command {
  Operation operation = Operation::kRead;
  absl::string_view key;
  absl::string_view expected;
  absl::string_view argument;
};

// What comes with kNotApplied and kUnknown.
struct Refusal {
  NodeId leader = kNoNode;  // who to ask instead
  absl::string_view message;
};

// The answer to kReadStale: the value, and the log position that it reflects.
struct StaleValue {
  LogPosition position;
  absl::string_view value;
};

struct Request {
  uint64_t id = 0;
  absl::string_view command;
};
struct Response {
  uint64_t id = 0;
  Result result = Result::kUnknown;
  absl::string_view payload;
};

// The command by itself: what is proposed.
void AppendCommand(const Command& command, std::string* out);
void AppendRequest(uint64_t id, const Command& command, std::string* out);
void AppendResponse(uint64_t id, absl::string_view outcome, std::string* out);

std::string EncodeOutcome(Result result, absl::string_view payload);
std::string EncodeRefusal(Result result, const Refusal& refusal);
std::string EncodeStaleValue(const StaleValue& value);

// nullopt: malformed.
std::optional<Command> ParseCommand(absl::string_view bytes);
std::optional<Refusal> ParseRefusal(absl::string_view payload);
std::optional<StaleValue> ParseStaleValue(absl::string_view payload);

// Looks for one whole frame at the beginning of `bytes`. Its body is `body` and it takes `consumed` bytes; both are
// untouched when there is no whole one yet. False when the frame is longer than `bytes_max` or shorter than an id.
bool TakeFrame(absl::string_view bytes, size_t bytes_max, std::optional<absl::string_view>* body, size_t* consumed);
// Of the body of a frame, which has an id at least.
Request ParseRequest(absl::string_view body);
std::optional<Response> ParseResponse(absl::string_view body);

}  // namespace quorate::host

#endif  // QUORATE_BENCH_HOST_PROTOCOL_H_
