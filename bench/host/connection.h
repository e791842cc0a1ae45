// One client's connection: bytes in, requests out; answers in, bytes out.
//
// Answers come from the node's apply thread, often many in a row, and rarely alone. An answer that nothing else is
// waited for behind is written to the socket by the thread that has it: handing it over would cost the wake-up of a
// sleeping thread. When more is under way, it is left to the server's thread, which writes all that has gathered with
// one system call.
//
// Bounds: at most kOutstandingMax requests under way and kOutBytesMax bytes of answers unsent; over either, nothing is
// read from this client until half is gone, so that a client that doesn't read is its own problem.
//
// Threads: Receive, Flush, TakeNoMore and events() are the server thread's; Respond is anybody's.
#ifndef QUORATE_BENCH_HOST_CONNECTION_H_
#define QUORATE_BENCH_HOST_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "host/protocol.h"

namespace quorate::host {

class Connection;
using ConnectionPtr = std::shared_ptr<Connection>;

// Where an answer goes. Answer once; dropped when the client is gone.
class Reply {
 public:
  Reply(ConnectionPtr connection, uint64_t id) : connection_(std::move(connection)), id_(id) {}
  void Answer(absl::string_view outcome) const;

 private:
  ConnectionPtr connection_;
  uint64_t id_;
};

// Takes the requests.
class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  // `command` is valid during the call. On the server's thread; must not block.
  virtual void Handle(absl::string_view command, Reply reply) = 0;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  static constexpr size_t kOutstandingMax = 16'384;
  static constexpr size_t kOutBytesMax = 8u << 20;

  // Takes the socket, which doesn't block. `attention` makes the server's thread call Flush soon; any thread.
  Connection(int socket, RequestHandler* handler, std::function<void(ConnectionPtr)> attention);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] int socket() const { return socket_; }
  // What to wait for on the socket: a set of EPOLLIN and EPOLLOUT.
  [[nodiscard]] uint32_t events() const { return events_; }
  // Reads what is there and passes the requests on. False: it is over.
  bool Receive();
  // Writes what has gathered, and goes on with requests that had to wait. False: it is over.
  bool Flush();
  // Reads nothing more; answers still go out.
  void TakeNoMore();
  // From now on answers are dropped.
  void Close();
  // Nothing to be sent, and nothing to come.
  [[nodiscard]] bool idle();

  void Respond(uint64_t id, absl::string_view outcome);

 private:
  bool TakeRequests();
  [[nodiscard]] bool MayTakeMore(size_t share);
  // The mutex is held. False: the connection is broken.
  bool SendLocked();

  const int socket_;
  RequestHandler* const handler_;
  const std::function<void(ConnectionPtr)> attention_;

  // The server thread's.
  std::string in_;
  size_t in_taken_ = 0;  // bytes at the beginning of in_ that were passed on
  uint32_t events_;
  bool finishing_ = false;

  std::mutex mutex_;  // guards what follows
  std::string out_;
  size_t out_sent_ = 0;  // bytes at the beginning of out_ that are gone
  size_t outstanding_ = 0;
  bool waiting_ = false;   // reading stopped at a bound
  bool attended_ = false;  // attention_ was called, Flush not yet
  bool closed_ = false;
};

}  // namespace quorate::host

#endif  // QUORATE_BENCH_HOST_CONNECTION_H_
