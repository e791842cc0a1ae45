// What waits to be written to one stream: whoever has something to say appends it to the message that goes next, and
// is told whether to write it now. So what comes up while a message is being written leaves together, in the next one.
//
// A message is closed at kMessageBytes, so that a long queue is written in pieces that HTTP/2 likes. Not thread-safe:
// it belongs to whoever guards the stream's state.
#ifndef QUORATE_SERVICE_MESSAGE_QUEUE_H_
#define QUORATE_SERVICE_MESSAGE_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

namespace quorate::service {

class MessageQueue {
 public:
  static constexpr size_t kMessageBytes = 256u << 10;

  // Where to append; call Appended afterwards. `hint`: about how many bytes.
  std::string* Open(size_t hint) {
    if (messages_.empty() || messages_.back().bytes.size() + hint > kMessageBytes) messages_.emplace_back();
    size_before_ = messages_.back().bytes.size();
    return &messages_.back().bytes;
  }
  // `mark`: grows; last_taken() tells the greatest that was in a message taken.
  void Appended(uint64_t mark = 0) {
    bytes_ += messages_.back().bytes.size() - size_before_;
    messages_.back().mark = mark;
  }

  [[nodiscard]] bool empty() const { return messages_.empty(); }
  // Of what waits and of what is being written.
  [[nodiscard]] size_t bytes() const { return bytes_ + written_bytes_; }
  [[nodiscard]] bool writing() const { return writing_; }
  [[nodiscard]] uint64_t last_taken() const { return last_taken_; }

  // The next message, if there is one and none is being written; the caller writes it, and then calls Written.
  bool Take(std::string* message) {
    if (writing_ || messages_.empty()) return false;
    *message = std::move(messages_.front().bytes);
    last_taken_ = messages_.front().mark;
    messages_.pop_front();
    writing_ = true;
    written_bytes_ = message->size();
    bytes_ -= written_bytes_;
    return true;
  }
  void Written() {
    writing_ = false;
    written_bytes_ = 0;
  }
  void Drop() {
    messages_.clear();
    bytes_ = 0;
  }

 private:
  struct Message {
    std::string bytes;
    uint64_t mark = 0;
  };
  std::deque<Message> messages_;
  uint64_t last_taken_ = 0;
  size_t size_before_ = 0;
  size_t bytes_ = 0;
  size_t written_bytes_ = 0;
  bool writing_ = false;
};

}  // namespace quorate::service

#endif  // QUORATE_SERVICE_MESSAGE_QUEUE_H_
