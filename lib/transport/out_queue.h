// What waits to be written to one stream: at most one frame is being written, the others stand behind it, in
// order, bounded in bytes. Decides who writes and who ends the stream, so that both happen exactly once whichever
// threads send, complete and close at the same moment:
//
//   Add      the sender writes the frame itself when nothing is under way; that is the common case, no hand-over
//   Written  the completion of a write takes the next frame
//   Close    said once, by the reader; whoever makes the queue idle after it is told to finish the stream
//
// A failed write stops the writing but not the stream: the reader notices that it broke, too, and closes.
//
// A reader that doesn't read makes the queue grow; over the bound Add says kFull and the caller cuts the stream
// (F-N13). Thread-safe; nothing is called with the lock held.
#ifndef QUORATE_LIB_TRANSPORT_OUT_QUEUE_H_
#define QUORATE_LIB_TRANSPORT_OUT_QUEUE_H_

#include <cstddef>
#include <deque>
#include <mutex>
#include <utility>

namespace quorate::transport {

template <typename Frame>
class OutQueue {
 public:
  enum class Added {
    kWrite,   // the caller writes current() now
    kQueued,  // somebody else will
    kFull,    // dropped: the bound would be exceeded
    kClosed,  // dropped: the stream ends
  };
  enum class Next {
    kWrite,   // the caller writes current() now
    kIdle,    // nothing to do
    kFinish,  // the caller ends the stream; said once
  };

  explicit OutQueue(size_t bytes_max) : bytes_max_(bytes_max) {}

  Added Add(Frame frame, size_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (closing_ || broken_) return Added::kClosed;
    if (bytes_ + bytes > bytes_max_) return Added::kFull;
    bytes_ += bytes;
    if (writing_) {
      waiting_.push_back({std::move(frame), bytes});
      return Added::kQueued;
    }
    writing_ = true;
    current_ = {std::move(frame), bytes};
    return Added::kWrite;
  }

  // The frame under way. Only for the thread that was told kWrite.
  Frame* current() { return &current_.frame; }

  // The write of current() ended; `ok` is false when the stream is broken. `more_behind` says whether the next
  // frame to write has another behind it.
  Next Written(bool ok, bool* more_behind) {
    Entry done;  // freed outside the lock
    const std::lock_guard<std::mutex> lock(mutex_);
    writing_ = false;
    bytes_ -= current_.bytes;
    done = std::move(current_);
    current_ = {};
    if (!ok) broken_ = true;
    if (closing_) return Next::kFinish;
    if (broken_ || waiting_.empty()) return Next::kIdle;
    writing_ = true;
    current_ = std::move(waiting_.front());
    waiting_.pop_front();
    *more_behind = !waiting_.empty();
    return Next::kWrite;
  }

  // Nothing more is written; what waits is dropped. kFinish: the caller ends the stream; kIdle: Written will say so
  // to whoever writes now. Once.
  Next Close() {
    std::deque<Entry> dropped;
    const std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
    dropped.swap(waiting_);
    return writing_ ? Next::kIdle : Next::kFinish;
  }

 private:
  struct Entry {
    Frame frame{};
    size_t bytes = 0;
  };

  const size_t bytes_max_;
  std::mutex mutex_;  // guards the five below
  std::deque<Entry> waiting_;
  size_t bytes_ = 0;
  bool writing_ = false;
  bool closing_ = false;
  bool broken_ = false;
  Entry current_;  // belongs to the writer while writing_, else to whoever holds mutex_
};

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_OUT_QUEUE_H_
