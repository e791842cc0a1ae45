#include "transport/sniffer.h"

#include <string>

#include "support/catch.h"

namespace quorate::transport {
namespace {

TEST_CASE("the first bytes tell the protocol", "[transport]") {
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  CHECK(Sniff(preface) == WireProtocol::kHttp2);
  CHECK(Sniff("GET / HTTP/1.1\r\n") == WireProtocol::kHttp1);
  CHECK(Sniff("POST /x") == WireProtocol::kHttp1);
  CHECK(Sniff("PRIVET") == WireProtocol::kUnknown);
  CHECK(Sniff("GETTING") == WireProtocol::kUnknown);
  CHECK(Sniff(std::string("\x16\x03\x01", 3)) == WireProtocol::kTls);
  CHECK(Sniff(std::string("\x16\x09", 2)) == WireProtocol::kUnknown);
  CHECK(Sniff(std::string("\0\0\0\x10\0\x12", 6)) == WireProtocol::kUnknown);
  CHECK(Sniff("") == WireProtocol::kUndecided);
}

TEST_CASE("no verdict changes when more bytes come", "[transport]") {
  for (const std::string whole :
       {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PUT /kafka HTTP/1.1\r\n\r\n", "PATCH / HTTP/1.1\r\n\r\n"}) {
    const WireProtocol verdict = Sniff(whole);
    REQUIRE(verdict != WireProtocol::kUnknown);
    for (size_t n = 0; n <= whole.size(); ++n) {
      const WireProtocol early = Sniff(whole.substr(0, n));
      INFO(whole << " after " << n);
      CHECK((early == WireProtocol::kUndecided || early == verdict));
    }
  }
}

TEST_CASE("the verdict never needs more than the promised bytes", "[transport]") {
  for (int first = 0; first < 256; ++first) {
    std::string bytes(kSniffBytesMax, static_cast<char>(first));
    CHECK(Sniff(bytes) != WireProtocol::kUndecided);
  }
  CHECK(Sniff("PRI * HTTP/2.0\r\n\r\nSM\r\n\rX") == WireProtocol::kUnknown);
}

}  // namespace
}  // namespace quorate::transport
