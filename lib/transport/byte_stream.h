// Streams of byte messages between a client and a server, for services that have more to say than one question and one
// answer: the same two interfaces at both ends, and no gRPC in sight.
//
// Whoever uses a stream is a ByteStreamHandler; what it uses is a ByteStream. Reading and writing go by demand: a
// message comes only after Read asked for it, so that not asking is back-pressure, all the way to the other side's
// writer; and a message is written only when the one before is on its way, so that whoever has more to say meanwhile
// gathers it and says it in one.
//
// Threads: a handler's OnMessage and OnReadsEnded come one at a time, and so does OnWritten, but the two kinds may
// come at once. OnEnd is the last, and comes alone. Nothing is called with a lock held.
#ifndef QUORATE_LIB_TRANSPORT_BYTE_STREAM_H_
#define QUORATE_LIB_TRANSPORT_BYTE_STREAM_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "quorate/environment.h"
#include "quorate/transport_adapters.h"
#include "quorate/types.h"

namespace quorate::transport {

// Lives until the handler's OnEnd returned. Any thread.
class ByteStream {
 public:
  // Asks for one more message. Not before the last one came, and not after End.
  virtual void Read() = 0;
  // Writes one message. Not before OnWritten of the last one, and not after End. False: the stream is coming to its
  // end, and OnWritten doesn't come for this one.
  [[nodiscard]] virtual bool Write(std::string message) = 0;
  // Gives the stream up: what is under way fails.
  virtual void Cancel() = 0;
  // Server: says that this was all, with an OK or an error; not while a message is being written. Must be called once,
  // also when the client is gone, and nothing else after it. Client: the same as Cancel.
  virtual void End(const absl::Status& status) = 0;

 protected:
  ~ByteStream() = default;
};

class ByteStreamHandler {
 public:
  virtual ~ByteStreamHandler() = default;
  // The view is valid during the call.
  virtual void OnMessage(absl::string_view message) = 0;
  // The message given to Write is on its way, or won't be.
  virtual void OnWritten(bool ok) = 0;
  // Read finds nothing any more: the other side has said everything, or is gone.
  virtual void OnReadsEnded() = 0;
  // Client: what the server said, or why it can't have said anything (kUnreachable). Server: OK.
  virtual void OnEnd(const absl::Status& status) = 0;
};

// Makes what handles a new stream. The first Read is done for it. An error refuses the stream.
using ByteStreamFactory = std::function<absl::StatusOr<std::shared_ptr<ByteStreamHandler>>(ByteStream* stream)>;

// Serves streams under that method's name. `listener` hasn't been started.
void HandleStream(GrpcListener* listener, std::string method, ByteStreamFactory factory);

// Opens streams, each on a connection of its own. Thread-safe. Destroying it cancels its streams, and waits until they
// have ended: not from a handler.
class ByteStreamClient {
 public:
  virtual ~ByteStreamClient() = default;
  // Connects, and tells the handler what becomes of it: OnEnd comes in any case. `factory` is called here and gives no
  // error.
  virtual void Open(const Endpoint& to, absl::string_view method, absl::Duration connect_timeout,
                    const ByteStreamFactory& factory) = 0;
};
// Connections that ended are closed on `executor`, which outlives the client.
std::unique_ptr<ByteStreamClient> NewGrpcByteStreamClient(Executor* executor);

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_BYTE_STREAM_H_
