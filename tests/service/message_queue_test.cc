#include "service/message_queue.h"

#include <string>

#include "support/catch.h"

namespace quorate::service {
namespace {

void Say(MessageQueue* queue, const std::string& text, uint64_t mark = 0) {
  queue->Open(text.size())->append(text);
  queue->Appended(mark);
}

TEST_CASE("What comes while a message is written goes into the next one") {
  MessageQueue queue;
  std::string message;
  CHECK_FALSE(queue.Take(&message));
  Say(&queue, "a", 1);
  REQUIRE(queue.Take(&message));
  CHECK(message == "a");
  CHECK(queue.last_taken() == 1);
  Say(&queue, "b", 2);
  Say(&queue, "c", 3);
  CHECK_FALSE(queue.Take(&message));
  CHECK(queue.bytes() == 3);
  queue.Written();
  REQUIRE(queue.Take(&message));
  CHECK(message == "bc");
  CHECK(queue.last_taken() == 3);
  queue.Written();
  CHECK(queue.empty());
  CHECK(queue.bytes() == 0);
}

TEST_CASE("A long queue is several messages, and dropping it leaves what is being written") {
  MessageQueue queue;
  const std::string half(MessageQueue::kMessageBytes / 2 + 1, 'x');
  Say(&queue, half);
  Say(&queue, half);
  Say(&queue, std::string(3 * MessageQueue::kMessageBytes, 'y'));
  std::string message;
  REQUIRE(queue.Take(&message));
  CHECK(message == half);
  queue.Written();
  REQUIRE(queue.Take(&message));
  CHECK(message == half);
  queue.Drop();
  CHECK(queue.writing());
  CHECK(queue.bytes() == half.size());
  queue.Written();
  CHECK(queue.bytes() == 0);
  CHECK_FALSE(queue.Take(&message));
}

}  // namespace
}  // namespace quorate::service
