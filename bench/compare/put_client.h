// "Write this value under this key, and tell me when it is acknowledged": what all compared systems can do, and all
// that the measuring code knows of them.
//
// Driven by its user's one thread, without threads, locks or callbacks from elsewhere: Put only queues, Poll sends,
// waits and hands the answers over. So a thousand callers cost the client one system call for many of them, on every
// system alike, and the servers keep what processor time there is.
//
// A client has lanes, one for each of its connections. The token of a Put says which lane it takes: token modulo
// lanes.
#ifndef QUORATE_BENCH_COMPARE_PUT_CLIENT_H_
#define QUORATE_BENCH_COMPARE_PUT_CLIENT_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace quorate::compare {

enum class PutEnd {
  kAcknowledged,
  kRefused,  // by a node that can't do it now
  kLost,     // the connection broke, or couldn't be made: nobody knows
};

class PutSink {
 public:
  virtual ~PutSink() = default;
  virtual void Done(uint64_t token, PutEnd end) = 0;
};

class PutClient {
 public:
  virtual ~PutClient() = default;
  [[nodiscard]] virtual int lanes() const = 0;
  // Overwrites a key that exists. No two Puts under way on one lane have the same token.
  virtual void Put(uint64_t token, absl::string_view key, absl::string_view value) = 0;
  // The same for a key that is new. Only ZooKeeper knows the difference.
  virtual void Create(uint64_t token, absl::string_view key, absl::string_view value) { Put(token, key, value); }
  // Sends what is queued, and waits for answers until there is one, at most for `limit`. Each Put ends exactly once.
  virtual void Poll(absl::Duration limit, PutSink* sink) = 0;
  // From now on only what a leader of a later term than now acknowledged counts as acknowledged. Where only the leader
  // itself acknowledges there is nothing to be done.
  virtual void CountOnlyLaterLeaders() {}
};

}  // namespace quorate::compare

#endif  // QUORATE_BENCH_COMPARE_PUT_CLIENT_H_
