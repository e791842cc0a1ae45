// File: node/options_check.h
//
// The rules that a node's options must obey, apart from how they were written down. Each broken rule is reported
// under the key that it is about, together with the other keys that it looked at: a reader of a file then adds
// the line, and leaves out what is only the consequence of another mistake.
//
// Pure functions; any thread.
#ifndef QUORATE_NODE_OPTIONS_CHECK_H_
#define QUORATE_NODE_OPTIONS_CHECK_H_

#include <string>
#include <vector>

#include "quorate/node_options.h"

namespace quorate::node {

struct OptionProblem {
  std::string key;      // Kafka's name
  std::string message;  // half a sentence: "must …"
  std::vector<std::string> also_about;
};

std::vector<OptionProblem> CheckOptions(const NodeOptions& options);

// What is allowed but probably not meant.
std::vector<OptionProblem> QuestionableOptions(const NodeOptions& options);

}  // namespace quorate::node

#endif  // QUORATE_NODE_OPTIONS_CHECK_H_
