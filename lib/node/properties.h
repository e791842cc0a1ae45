// File: node/properties.h
//
// Java's properties format, which Kafka's configuration files are in: `key=value` lines with comments, lines that
// continue after a backslash, and escapes. Kept apart from what the keys mean (configuration.cc), so that each
// value keeps the line that it came from: an error is only of use if it says where.
//
// The rules are those of java.util.Properties.load, except that malformed \u escapes and lines without
// a key are reported with their line instead of thrown or taken as an empty key.
//
// Pure functions; any thread.
#ifndef QUORATE_NODE_PROPERTIES_H_
#define QUORATE_NODE_PROPERTIES_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace quorate::node {

struct Property {
  std::string key;
  std::string value;
  int line = 0;  // of its first line, from 1; 0: not from a file
};

struct PropertyProblem {
  int line = 0;
  std::string message;
};

struct ParsedProperties {
  std::vector<Property> properties;  // in the order of the file; a key may come twice
  std::vector<PropertyProblem> problems;
};

ParsedProperties ParseProperties(absl::string_view text);

}  // namespace quorate::node

#endif  // QUORATE_NODE_PROPERTIES_H_
