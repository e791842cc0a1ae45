// File: node/kafka_keys.h
//
// What to say about a key that quorate doesn't read. A KRaft server.properties works as it is, so Kafka's own keys that
// have no effect here, and those of ZooKeeper's time, are named in a warning. A key that nobody knows is an error,
// with the one that was probably meant: a slip of the pen that only warns runs a cluster on defaults for years.
//
// Pure functions; any thread.
#ifndef QUORATE_NODE_KAFKA_KEYS_H_
#define QUORATE_NODE_KAFKA_KEYS_H_

#include <string>

#include "absl/strings/string_view.h"

namespace quorate::node {

struct UnreadKey {
  bool tolerated = false;
  std::string remark;  // half a sentence to follow the key: "is not known; did you mean 'listeners'?"
};
UnreadKey JudgeUnreadKey(absl::string_view key);

}  // namespace quorate::node

#endif  // QUORATE_NODE_KAFKA_KEYS_H_
