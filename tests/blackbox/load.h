// Clients that write and read at random, one call at a time each, and remember what they were answered.
//
// Keys are taken in generations: a handful at a time, then the next handful, with a look back now and then. So each
// key's history is short, and the search for an order of it is quick, however long the test.
//
// Threads: the clients are threads; all else is the owner's.
#ifndef QUORATE_TESTS_BLACKBOX_LOAD_H_
#define QUORATE_TESTS_BLACKBOX_LOAD_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "blackbox/history.h"
#include "blackbox/host_names.h"

namespace quorate::blackbox {

struct LoadOptions {
  std::vector<int> ports;  // of the hosts; the first is node 1's
  int clients = 6;
  uint64_t seed = 1;
  size_t value_bytes = 0;  // what is written, not what is appended, is filled up to so many bytes
  std::string keys = "k";  // their names begin with it
  uint64_t calls_per_generation = 2000;
  // Then a client gives up on the host that it asked. Longer than a host takes to answer, if it lives.
  absl::Duration call_limit = absl::Seconds(4);
};

class Load {
 public:
  Load(LoadOptions options, History* history);
  ~Load();  // = Stop
  void Stop();

  // Waits until `count` more writes are acknowledged. Fails the test when they aren't in good time.
  void RequireProgress(uint64_t count);
  // Waits until `count` more calls have ended, one way or another, at most for `limit`.
  void LetPass(uint64_t count, absl::Duration limit);

 private:
  class Worker;

  void Run(int index);
  bool WaitABit();  // false: it is time to stop

  const LoadOptions options_;
  History* const history_;
  std::atomic<uint64_t> calls_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable stop_;
  std::vector<std::thread> threads_;
};

}  // namespace quorate::blackbox

#endif  // QUORATE_TESTS_BLACKBOX_LOAD_H_
