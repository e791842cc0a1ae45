// File: node/endpoint_text.h
//
// Kafka's spellings of addresses: "NAME://host:port" for listeners, "host:port" for servers, "id@host:port" for
// voters; "[::1]:9092" for IPv6 literals. Errors are half-sentences that say what is wrong with the text, to be
// put behind the key that it came from.
//
// Pure functions; any thread.
#ifndef QUORATE_NODE_ENDPOINT_TEXT_H_
#define QUORATE_NODE_ENDPOINT_TEXT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "quorate/types.h"

namespace quorate::node {

// "host:port". An empty host is allowed only with `may_be_any`, as is port 0.
absl::StatusOr<Endpoint> ParseAddress(absl::string_view text, bool may_be_any);
// "NAME://host:port"; the name comes out in upper case.
absl::StatusOr<Endpoint> ParseListener(absl::string_view text, bool may_be_any);
// "id@host:port"; the endpoint's listener is `listener`.
absl::StatusOr<Voter> ParseVoter(absl::string_view text, const std::string& listener);

// "0.0.0.0" and "::": good for binding, useless for calling.
bool IsAnyAddress(absl::string_view host);
bool IsIpv4Literal(absl::string_view host);
bool IsIpv6Literal(absl::string_view host);

}  // namespace quorate::node

#endif  // QUORATE_NODE_ENDPOINT_TEXT_H_
