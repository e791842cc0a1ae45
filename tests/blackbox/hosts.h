// Three register hosts as processes, with their directories, ports and logs in a directory of their own.
//
// Every process is stopped when this goes, and by the kernel when the test itself is killed. The files are removed
// unless the test failed: then they are kept and named.
//
// One thread, the one that made it: a child is bound to the thread that started it.
#ifndef QUORATE_TESTS_BLACKBOX_HOSTS_H_
#define QUORATE_TESTS_BLACKBOX_HOSTS_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "blackbox/host_names.h"
#include "support/process.h"

namespace quorate::blackbox {

// Every write reaches the disk under an acknowledgement, and every test is done in seconds; but a long form can be
// asked for: QUORATE_BLACKBOX_LONG=1.
bool LongForm();

using Status = std::map<std::string, std::string>;  // of one host, by name

class Hosts {
 public:
  static constexpr int kCount = 3;

  // Formats three directories below `base` (empty: the system's place for temporary files). `flags` go to every host.
  explicit Hosts(std::vector<std::string> flags = {}, const std::string& base = "");
  ~Hosts();
  Hosts(const Hosts&) = delete;
  Hosts& operator=(const Hosts&) = delete;

  [[nodiscard]] std::string directory(int id) const;
  [[nodiscard]] std::string log(int id) const;
  [[nodiscard]] std::string path(const std::string& name) const { return root_ + "/" + name; }
  [[nodiscard]] int client_port(int id) const { return ports_[static_cast<size_t>(id - 1)]; }

  [[nodiscard]] std::vector<int> client_ports() const { return {ports_.begin(), ports_.begin() + kCount}; }

  // `wrapper` comes before the program on its command line.
  void Start(int id, const std::vector<std::string>& wrapper = {});
  void StartAll();
  // kill -9, and gone.
  void Kill(int id);
  void Signal(int id, int signal);
  // SIGTERM; fails the test unless it ends with 0 in good time.
  void Stop(int id);
  // Waits until it has ended by itself.
  std::optional<testing::ProcessEnd> WaitForEnd(int id, absl::Duration limit);
  [[nodiscard]] bool running(int id);
  [[nodiscard]] pid_t pid(int id) const { return processes_.at(id)->pid(); }

  // nullopt: it doesn't answer.
  std::optional<Status> StatusOf(int id, absl::Duration limit = absl::Seconds(2));
  // The running host that leads, as most of them see it. Fails the test when there is none in good time.
  int WaitForLeader();
  // Waits until each of them has answered a linearizable read; fails the test otherwise.
  void WaitUntilServing(const std::vector<int>& ids);
  // Reads all keys through one host, by linearizable reads; fails the test when it doesn't answer.
  std::map<std::string, std::string> ReadAll(int id, const std::vector<std::string>& keys);

  // Everything held: the files may go.
  void Passed() { passed_ = true; }

 private:
  std::string root_;
  std::vector<std::string> flags_;
  std::vector<int> ports_;
  std::map<int, std::unique_ptr<testing::Process>> processes_;
  bool passed_ = false;
};

std::vector<int> OthersThan(int id);

}  // namespace quorate::blackbox

#endif  // QUORATE_TESTS_BLACKBOX_HOSTS_H_
