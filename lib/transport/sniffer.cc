#include "transport/sniffer.h"

#include <algorithm>

#include "absl/strings/match.h"

namespace quorate::transport {
namespace {

constexpr absl::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
static_assert(kHttp2Preface.size() == kSniffBytesMax);
constexpr absl::string_view kHttp1Methods[] = {"GET ",     "POST ",    "PUT ",   "HEAD ", "DELETE ",
                                               "OPTIONS ", "CONNECT ", "PATCH ", "TRACE "};
constexpr char kTlsHandshakeRecord = 0x16;
constexpr char kTlsMajorVersion = 0x03;

// Whether what is there agrees with `pattern` as far as both go.
bool AgreesSoFar(absl::string_view bytes, absl::string_view pattern) {
  const size_t n = std::min(bytes.size(), pattern.size());
  return bytes.substr(0, n) == pattern.substr(0, n);
}

}  // namespace

WireProtocol Sniff(absl::string_view first_bytes) {
  if (first_bytes.empty()) return WireProtocol::kUndecided;
  if (AgreesSoFar(first_bytes, kHttp2Preface)) {
    return first_bytes.size() >= kHttp2Preface.size() ? WireProtocol::kHttp2 : WireProtocol::kUndecided;
  }
  for (const absl::string_view method : kHttp1Methods) {
    if (!AgreesSoFar(first_bytes, method)) continue;
    return first_bytes.size() >= method.size() ? WireProtocol::kHttp1 : WireProtocol::kUndecided;
  }
  if (first_bytes[0] == kTlsHandshakeRecord) {
    if (first_bytes.size() == 1) return WireProtocol::kUndecided;
    return first_bytes[1] == kTlsMajorVersion ? WireProtocol::kTls : WireProtocol::kUnknown;
  }
  return WireProtocol::kUnknown;
}

absl::string_view ToString(WireProtocol protocol) {
  switch (protocol) {
    case WireProtocol::kUndecided:
      return "undecided";
    case WireProtocol::kHttp2:
      return "http2";
    case WireProtocol::kHttp1:
      return "http1";
    case WireProtocol::kTls:
      return "tls";
    case WireProtocol::kUnknown:
      return "unknown";
  }
  return "unknown";
}

}  // namespace quorate::transport
