// File: node/strict_parse.h
//
// Protobuf's parser accepts what it doesn't know; here that is an error: a field that we would silently not honour is
// worse than a refusal (fault F-P12). Sizes were checked by the transport before (limits::kRpcMessageBytesMax).
//
// Only for .cc files: it brings protobuf along. Pure functions; any thread.
#ifndef QUORATE_NODE_STRICT_PARSE_H_
#define QUORATE_NODE_STRICT_PARSE_H_

#include <google/protobuf/message.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace quorate::node {

// kInvalidArgument, naming the message's type, for malformed bytes, text that isn't UTF-8, and unknown fields.
absl::Status ParseStrictly(absl::string_view bytes, google::protobuf::Message* message);

}  // namespace quorate::node

#endif  // QUORATE_NODE_STRICT_PARSE_H_
