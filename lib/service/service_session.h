// The serving end of one stream of proposals (proto/quorate/v1/proposals.proto, Stream).
//
// The proposals of one message that agree on epoch and deadline are submitted as one, so that they go into one batch;
// their results are dealt out again. What is answered while a message is being written goes into the next one.
//
// Back-pressure: while too much is under way, or too many answers wait for their reader, the stream isn't read on.
// A client that has half-closed still gets its answers; one that broke off gets none, and nothing of it stays but the
// node's own obligations. The stream ends exactly once, when nothing is being done with it (`acting_`).
//
// Thread-safe: messages come on gRPC's threads, answers on the node's apply thread and others.
#ifndef QUORATE_SERVICE_SERVICE_SESSION_H_
#define QUORATE_SERVICE_SERVICE_SESSION_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "quorate/proposal_client.h"
#include "service/message_queue.h"
#include "service/proposal_codec.h"
#include "transport/byte_stream.h"

namespace quorate::service {

class ServiceCore;

class ServiceSession final : public transport::ByteStreamHandler, public std::enable_shared_from_this<ServiceSession> {
 public:
  ServiceSession(std::shared_ptr<ServiceCore> core, transport::ByteStream* stream)
      : core_(std::move(core)), stream_(stream) {}

  // Ends the stream with `status` once everything that is under way is answered and written.
  void Close(const absl::Status& status);
  // Ends it now.
  void Cut();

 private:
  // Proposals that were submitted as one: the id of each, and how many of the records are its own.
  struct Group {
    struct Part {
      uint64_t id = 0;
      size_t records = 0;
    };
    std::vector<Part> parts;
    size_t bytes = 0;
  };
  // What is to be done with the stream when the lock is released.
  struct Actions {
    bool write = false;
    bool read = false;
    bool cancel = false;
    bool end = false;
    std::string message;
    absl::Status status;
    [[nodiscard]] bool any() const { return write || read || cancel; }
  };

  void OnMessage(absl::string_view message) override;
  void OnWritten(bool ok) override;
  void OnReadsEnded() override;
  void OnEnd(const absl::Status& status) override;

  void SubmitAll();
  size_t SubmitFrom(size_t first);  // one group; returns where the next begins
  void Answer(const Group& group, absl::StatusOr<Proposed> result);
  void AnswerRead(uint64_t id, size_t bytes, absl::StatusOr<ReadAnswer> result);

  // With mutex_ held.
  void AppendAnswers(const Group& group, const absl::StatusOr<Proposed>& result);
  [[nodiscard]] bool TooMuch() const;
  Actions Next();
  // Without it. Goes on until there is nothing to do.
  void Perform(Actions actions);

  const std::shared_ptr<ServiceCore> core_;
  transport::ByteStream* const stream_;  // until ended_
  StreamRequest request_;                // the reader's

  std::mutex mutex_;
  MessageQueue queue_;         // guarded by mutex_
  size_t open_ = 0;            // guarded by mutex_; proposals and reads under way
  size_t open_bytes_ = 0;      // guarded by mutex_
  int acting_ = 0;             // guarded by mutex_; threads that use stream_ now
  bool may_read_ = false;      // guarded by mutex_; nobody reads, and the last message is dealt with
  bool paused_ = false;        // guarded by mutex_; ... because there was too much
  bool reads_ended_ = false;   // guarded by mutex_
  bool closing_ = false;       // guarded by mutex_
  bool broken_ = false;        // guarded by mutex_; nothing is written any more
  bool ended_ = false;         // guarded by mutex_
  absl::Status final_status_;  // guarded by mutex_
};

}  // namespace quorate::service

#endif  // QUORATE_SERVICE_SERVICE_SESSION_H_
