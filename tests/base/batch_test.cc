#include "quorate/batch.h"

#include "base/crc32c.h"
#include "base/little_endian.h"
#include "base/xoshiro.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "support/catch.h"

namespace quorate {
namespace {

Batch MakeBatch(std::vector<absl::string_view> records) {
  Batch::Header header;
  header.base_offset = Offset(41);
  header.epoch = Epoch(7);
  header.kind = BatchKind::kControl;
  header.cluster_hash = 0x1122334455667788;
  header.append_time_ms = 1700000000123;
  absl::StatusOr<Batch> batch = Batch::Make(header, records);
  REQUIRE(batch.ok());
  return *batch;
}

TEST_CASE("a batch reads back as it was made", "[base][batch]") {
  const Batch made = MakeBatch({"one", "", "three"});
  absl::StatusOr<Batch> read = Batch::Parse(made.bytes());
  REQUIRE(read.ok());
  CHECK(read->base_offset() == Offset(41));
  CHECK(read->end_offset() == Offset(44));
  CHECK(read->epoch() == Epoch(7));
  CHECK(read->kind() == BatchKind::kControl);
  CHECK(read->header().cluster_hash == 0x1122334455667788);
  CHECK(read->header().append_time_ms == 1700000000123);
  CHECK(read->Records() == std::vector<absl::string_view>{"one", "", "three"});
  CHECK(read->crc() == made.crc());
}

TEST_CASE("parsing takes one batch and leaves what follows", "[base][batch]") {
  const Batch made = MakeBatch({"x"});
  const std::string two = std::string(made.bytes().view()) + std::string(made.bytes().view());
  absl::StatusOr<Batch> first = Batch::Parse(Bytes::FromString(two));
  REQUIRE(first.ok());
  CHECK(first->size() == made.size());
}

TEST_CASE("every flipped bit and every cut is found (R-09, F-D01, F-D02)", "[base][batch]") {
  const Batch made = MakeBatch({"payload", "more"});
  const std::string good(made.bytes().view());
  for (size_t i = 0; i < good.size() * 8; ++i) {
    std::string bad = good;
    bad[i / 8] = static_cast<char>(bad[i / 8] ^ (1 << (i % 8)));
    INFO("bit " << i);
    REQUIRE_FALSE(Batch::Parse(Bytes::FromString(bad)).ok());
  }
  for (size_t length = 0; length < good.size(); ++length) {
    REQUIRE_FALSE(Batch::Parse(Bytes::FromString(good.substr(0, length))).ok());
  }
}

TEST_CASE("zero bytes are never a batch (R-07)", "[base][batch]") {
  CHECK(ReasonOf(Batch::Parse(Bytes::FromString(std::string(4096, '\0'))).status()) == Reason::kCorruption);
}

TEST_CASE("hostile lengths are refused before anything is read by them (F-X05)", "[base][batch]") {
  const std::string good(MakeBatch({"payload"}).bytes().view());
  auto with = [&](size_t at, uint32_t value) {
    std::string bad = good;
    WriteLittleEndian(value, bad.data() + at);
    WriteLittleEndian(Crc32c(absl::string_view(bad).substr(12)), bad.data() + 8);
    return Batch::Parse(Bytes::FromString(bad)).status();
  };
  CHECK(ReasonOf(with(4, 0)) == Reason::kTooLarge);
  CHECK(ReasonOf(with(4, UINT32_MAX)) == Reason::kTooLarge);
  CHECK_FALSE(with(28, 0).ok());  // no records
  CHECK_FALSE(with(28, 2).ok());  // more than there are
  CHECK_FALSE(with(28, UINT32_MAX).ok());
  CHECK_FALSE(with(48, UINT32_MAX).ok());  // a record longer than the batch
}

TEST_CASE("a batch over the limit can't be made", "[base][batch]") {
  const std::string half(limits::kBatchBytesMax / 2, 'x');
  const std::vector<absl::string_view> records = {half, half};
  absl::StatusOr<Batch> batch = Batch::Make({}, records);
  REQUIRE_FALSE(batch.ok());
  CHECK(ReasonOf(batch.status()) == Reason::kTooLarge);
  CHECK(OutcomeOf(batch.status()) == Outcome::kNotApplied);
  CHECK_FALSE(Batch::Make({}, {}).ok());
}

}  // namespace
}  // namespace quorate
