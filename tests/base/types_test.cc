#include "quorate/types.h"

#include "base/crc32c.h"
#include "base/crc64.h"
#include "base/xoshiro.h"
#include "support/catch.h"

namespace quorate {
namespace {

TEST_CASE("ids read and print as Kafka's do", "[base][types]") {
  Xoshiro random(7);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t high = random.Next();
    const Uuid id(high, random.Next());
    const std::string text = id.ToString();
    REQUIRE(text.size() == 22);
    absl::StatusOr<Uuid> again = Uuid::Parse(text);
    REQUIRE(again.ok());
    REQUIRE(*again == id);
  }
  // The fixed topic id of the metadata log, as Kafka prints it.
  CHECK(Uuid(0, 1).ToString() == "AAAAAAAAAAAAAAAAAAAAAQ");
  CHECK(Uuid(0, 99).is_reserved());
  CHECK_FALSE(Uuid(0, 100).is_reserved());
}

TEST_CASE("a text that is no id is refused, not bent into one", "[base][types]") {
  for (const char* text : {"", "short", "AAAAAAAAAAAAAAAAAAAAAQ==", "AAAAAAAAAAAAAAAAAAAAAR", "AAAAAAAAAAA AAAAAAAAAQ",
                           "AAAAAAAAAAAAAAAAAAAAAQA"}) {
    INFO(text);
    CHECK_FALSE(Uuid::Parse(text).ok());
  }
}

TEST_CASE("a replica key without a directory matches any directory", "[base][types]") {
  const ReplicaKey any{NodeId(1), {}};
  const ReplicaKey one{NodeId(1), DirectoryId(Uuid(1, 1))};
  const ReplicaKey two{NodeId(1), DirectoryId(Uuid(1, 2))};
  CHECK(any.Matches(one));
  CHECK(two.Matches(any));
  CHECK_FALSE(one.Matches(two));
  CHECK_FALSE(one.Matches({NodeId(2), one.directory}));
}

TEST_CASE("logs compare by epoch before offset (M-03)", "[base][types]") {
  CHECK(LogPosition{Epoch(3), Offset(1)} > LogPosition{Epoch(2), Offset(100)});
  CHECK(LogPosition{Epoch(3), Offset(2)} > LogPosition{Epoch(3), Offset(1)});
}

TEST_CASE("addresses put IPv6 into brackets", "[base][types]") {
  CHECK(Endpoint{"CONTROLLER", "::1", 9093}.ToString() == "CONTROLLER://[::1]:9093");
  CHECK(Endpoint{"PLAINTEXT", "localhost", 9092}.Address() == "localhost:9092");
}

TEST_CASE("CRC-64/ECMA-182 agrees with the published check value and can be extended", "[base][crc]") {
  CHECK(Crc64("123456789") == 0x6C40DF5F0B497347);
  CHECK(Crc64("") == 0);
  const std::string text(1000, 'x');
  for (size_t cut : {0, 1, 7, 500, 1000}) {
    CHECK(ExtendCrc64(Crc64(text.substr(0, cut)), absl::string_view(text).substr(cut)) == Crc64(text));
  }
}

TEST_CASE("CRC-32C agrees with the published check values", "[base][crc]") {
  CHECK(Crc32c("123456789") == 0xe3069283);              // the polynomial's standard check value
  CHECK(Crc32c(std::string(32, '\0')) == 0x8a9136aa);    // RFC 3720, B.4
  CHECK(Crc32c(std::string(32, '\xff')) == 0x62a8ab43);  // RFC 3720, B.4
  CHECK(ExtendCrc32c(Crc32c("1234"), "56789") == Crc32c("123456789"));
}

TEST_CASE("the generator replays from its seed", "[base][random]") {
  Xoshiro a(42), b(42), c(43);
  const uint64_t first = a.Next();
  CHECK(first == b.Next());
  CHECK(first != c.Next());
  for (int i = 0; i < 1000; ++i) CHECK(a.Below(7) < 7);
}

}  // namespace
}  // namespace quorate
