// The clients' port of a register host: one thread that waits for all its sockets and passes requests on in place.
//
// Threads: Start and Stop are the owner's, not from a handler. The handler is called on the server's thread.
#ifndef QUORATE_BENCH_HOST_SERVER_H_
#define QUORATE_BENCH_HOST_SERVER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "host/connection.h"

namespace quorate::host {

class Server {
 public:
  static constexpr size_t kConnectionsMax = 4096;

  // Binds 127.0.0.1:port and accepts. `handler` outlives the server.
  static absl::StatusOr<std::unique_ptr<Server>> Start(uint16_t port, RequestHandler* handler);
  ~Server();  // = Stop(0)
  // Takes no further request, sends the answers to those that were taken, at most for `grace`. Idempotent.
  void Stop(absl::Duration grace);

 private:
  Server(int listener, int epoll, int wake, RequestHandler* handler);
  // Shared with connections, which may outlive the server in the hands of a late answer.
  struct Attention;

  void Run();
  void TakeNoMore();
  void Accept();
  void Attend();
  void Serve(const ConnectionPtr& connection, uint32_t events);
  void Watch(const ConnectionPtr& connection, bool alive, uint32_t events_before);
  void Drop(const ConnectionPtr& connection);
  [[nodiscard]] bool Finished() const;

  const int listener_;
  const int epoll_;
  RequestHandler* const handler_;
  std::shared_ptr<Attention> attention_;
  std::map<int, ConnectionPtr> connections_;  // by socket
  bool full_ = false;                         // the listener isn't watched: there are too many connections
  std::thread thread_;
};

}  // namespace quorate::host

#endif  // QUORATE_BENCH_HOST_SERVER_H_
