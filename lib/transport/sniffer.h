// Tells protocols apart by the first bytes of a connection. This is where a port that speaks several protocols
// branches: a further one (Kafka's, which begins with a four-byte length and a two-byte API key) is one more
// enumerator here and one more consumer in the accept loop.
//
// A pure function of the bytes so far.
#ifndef QUORATE_LIB_TRANSPORT_SNIFFER_H_
#define QUORATE_LIB_TRANSPORT_SNIFFER_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace quorate::transport {

enum class WireProtocol : uint8_t {
  kUndecided,  // what is there fits more than one protocol: read on
  kHttp2,      // the client preface of HTTP/2 (RFC 9113, section 3.4): gRPC
  kHttp1,      // a request line of HTTP/1: a browser or curl on the wrong port
  kTls,        // a TLS ClientHello
  kUnknown,    // nothing that we speak
};

// No more than this is ever needed to decide.
inline constexpr size_t kSniffBytesMax = 24;

WireProtocol Sniff(absl::string_view first_bytes);
absl::string_view ToString(WireProtocol protocol);

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_SNIFFER_H_
