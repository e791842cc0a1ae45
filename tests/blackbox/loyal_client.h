// A client that stays with one host, whatever happens to it, and asks all the time without waiting for answers: reads,
// and now and then a write. What it asks while the host stands still waits in the host's socket.
//
// It is a thread; the methods are the owner's.
#ifndef QUORATE_TESTS_BLACKBOX_LOYAL_CLIENT_H_
#define QUORATE_TESTS_BLACKBOX_LOYAL_CLIENT_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "blackbox/history.h"
#include "blackbox/host_names.h"

namespace quorate::blackbox {

class LoyalClient {
 public:
  // Null when the host doesn't accept.
  static std::unique_ptr<LoyalClient> Start(int port, std::string name, std::vector<std::string> keys,
                                            History* history);
  ~LoyalClient();  // = Stop
  // Waits for the answers that are still to come.
  void Stop();

  [[nodiscard]] uint64_t asked() const { return asked_count_; }
  [[nodiscard]] uint64_t answered() const { return answered_; }
  [[nodiscard]] uint64_t served() const { return served_; }  // answered with a value

 private:
  struct Asked {
    std::string key, argument;  // what command points into
    Command command;
    Instant called;
  };

  LoyalClient(std::unique_ptr<Client> client, std::string name, std::vector<std::string> keys, History* history);
  void Run();
  void Ask();
  void Take(const Answer& answer);

  const std::string name_;
  const std::vector<std::string> keys_;
  History* const history_;
  const std::unique_ptr<Client> client_;
  std::map<uint64_t, std::unique_ptr<Asked>> asked_;  // by request; not yet answered
  std::atomic<uint64_t> asked_count_{0}, answered_{0}, served_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace quorate::blackbox

#endif  // QUORATE_TESTS_BLACKBOX_LOYAL_CLIENT_H_
