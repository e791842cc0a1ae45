// The asking end of a stream of proposals to one node: used by clients, and by nodes that pass proposals on to the
// leader.
//
// What is asked while a message is being written goes into the next one; a message that finds the stream idle is
// written at once, by the thread that asks. So there is no thread here, and no timer: a deadline travels with each
// question, the other side keeps it, and whoever asks has a clock of his own for the case that it doesn't.
//
// Every question gets its answer, exactly once: the other side's, or, when the stream ends, what that means for it.
// What was never written is not applied; what was may have been - unless the other side ended the stream in order
// and said that whatever has no answer was never read.
//
// Thread-safe; answers come on gRPC's threads, one at a time, with no lock held.
#ifndef QUORATE_SERVICE_PROPOSAL_LINK_H_
#define QUORATE_SERVICE_PROPOSAL_LINK_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "quorate/proposal_client.h"
#include "service/message_queue.h"
#include "service/proposal_codec.h"
#include "transport/byte_stream.h"

namespace quorate::service {

using ProposedDone = absl::AnyInvocable<void(absl::StatusOr<Proposed>) &&>;
using AnswerDone = absl::AnyInvocable<void(absl::StatusOr<ReadAnswer>) &&>;

inline constexpr char kStreamMethod[] = "/quorate.v1.Proposals/Stream";

struct LinkCounters {
  std::atomic<uint64_t> connects{0};
  std::atomic<uint64_t> messages_out{0};
  std::atomic<uint64_t> messages_in{0};
};

class ProposalLink final : public transport::ByteStreamHandler, public std::enable_shared_from_this<ProposalLink> {
 public:
  // Begins to connect. `no_forwarding`: for everything that is asked. `counters` outlives the link.
  static std::shared_ptr<ProposalLink> Open(transport::ByteStreamClient* client, const Endpoint& to,
                                            absl::Duration connect_timeout, bool no_forwarding, LinkCounters* counters);
  explicit ProposalLink(bool no_forwarding, LinkCounters* counters)
      : no_forwarding_(no_forwarding), counters_(counters) {}

  // True: `done` was taken. False: the link is down or closing, and nothing happened.
  bool Propose(absl::Span<const std::string> records, uint32_t timeout_ms, std::optional<Epoch> expected_epoch,
               ProposedDone* done);
  bool Read(absl::string_view query, uint32_t timeout_ms, AnswerDone* done);

  // Takes nothing more, and ends the stream when everything is answered.
  void Retire();
  // Ends the stream now; what has no answer gets what that means.
  void Cancel();
  [[nodiscard]] bool down() const;
  // How many answers have come; to see whether anything comes at all.
  [[nodiscard]] uint64_t answered() const { return answered_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool has_open() const;

 private:
  struct Question {
    ProposedDone proposed;
    AnswerDone answered;
  };
  struct Answered {
    Question question;
    absl::Status status;
    Proposed proposed;
    ReadAnswer answer;
  };

  void OnMessage(absl::string_view message) override;
  void OnWritten(bool ok) override;
  void OnReadsEnded() override;
  void OnEnd(const absl::Status& status) override;

  // Writes what waits, unless somebody does. `lock` is released while writing.
  void Pump(std::unique_lock<std::mutex>* lock);
  void TakeAnswers();  // of response_, with mutex_ held
  static void Deliver(std::vector<Answered>* answered);

  const bool no_forwarding_;
  LinkCounters* const counters_;
  std::atomic<uint64_t> answered_{0};

  mutable std::mutex mutex_;
  std::condition_variable idle_;
  transport::ByteStream* stream_ = nullptr;       // guarded by mutex_; null when it ended
  int acting_ = 0;                                // guarded by mutex_; threads that use stream_ without the lock
  bool down_ = false;                             // guarded by mutex_
  bool retiring_ = false;                         // guarded by mutex_
  MessageQueue queue_;                            // guarded by mutex_; marked with ids
  uint64_t last_id_ = 0;                          // guarded by mutex_
  absl::flat_hash_map<uint64_t, Question> open_;  // guarded by mutex_

  // The reader's.
  StreamResponse response_;
  std::vector<Answered> taken_;
};

}  // namespace quorate::service

#endif  // QUORATE_SERVICE_PROPOSAL_LINK_H_
