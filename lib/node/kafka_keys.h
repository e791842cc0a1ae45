// File: node/kafka_keys.h
//
// What to say about a key that quorate doesn't read. A KRaft server.properties works as it is, so such keys are no
// error; but each deserves the right sentence: Kafka's own keys that have no effect here, keys of ZooKeeper's
// time, and misspelled ones, with the key that was probably meant.
//
// Pure functions; any thread.
#ifndef QUORATE_NODE_KAFKA_KEYS_H_
#define QUORATE_NODE_KAFKA_KEYS_H_

#include <string>

#include "absl/strings/string_view.h"

namespace quorate::node {

// Half a sentence to follow the key: "is not known; did you mean 'listeners'?".
std::string RemarkOnUnreadKey(absl::string_view key);

}  // namespace quorate::node

#endif  // QUORATE_NODE_KAFKA_KEYS_H_
