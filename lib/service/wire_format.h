// Protobuf's wire format, as far as the messages of proposals.proto use it: varints and length-delimited fields.
//
// Why not protobuf's own CodedInputStream: it copies into strings and counts in int. Here fields are views into
// memory that was measured before, and the first thing that is wrong ends the reading. Writers know the size of
// everything before they write it, so that bytes go straight into their last place.
//
// Values; one thread at a time.
#ifndef QUORATE_LIB_SERVICE_WIRE_FORMAT_H_
#define QUORATE_LIB_SERVICE_WIRE_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace quorate::service {

enum class WireType : uint8_t { kVarint = 0, kBytes = 2 };

constexpr uint32_t WireKey(uint32_t field, WireType type) { return field << 3 | static_cast<uint32_t>(type); }

class WireReader {
 public:
  explicit WireReader(absl::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  // The key of the next field; 0 at the end, and after an error. Field 0 and keys beyond 32 bits are errors.
  uint32_t NextKey() {
    if (!ok_ || at_ == end_) return 0;
    const uint64_t key = TakeVarint();
    if (!ok_ || key < 8 || key > UINT32_MAX) {
      ok_ = false;
      return 0;
    }
    return static_cast<uint32_t>(key);
  }
  uint64_t TakeVarint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) break;
      const auto byte = static_cast<uint8_t>(*at_++);
      // The tenth byte has room for one bit.
      if (shift == 63 && byte > 1) break;
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    ok_ = false;
    return 0;
  }
  // At most `max`, or it is an error.
  uint64_t TakeVarint(uint64_t max) {
    const uint64_t value = TakeVarint();
    if (value <= max) return value;
    ok_ = false;
    return 0;
  }
  absl::string_view TakeBytes() {
    const uint64_t length = TakeVarint();
    if (!ok_ || length > static_cast<uint64_t>(end_ - at_)) {
      ok_ = false;
      return {};
    }
    const absl::string_view out(at_, static_cast<size_t>(length));
    at_ += length;
    return out;
  }
  void Fail() { ok_ = false; }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  const char* at_;
  const char* const end_;
  bool ok_ = true;
};

inline size_t VarintSize(uint64_t value) {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

inline void AppendVarint(uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

// Fields up to number 15: their keys take one byte. What protobuf leaves out - a zero, nothing - is left out.
inline size_t VarintFieldSize(uint64_t value) { return value == 0 ? 0 : 1 + VarintSize(value); }
inline void AppendVarintField(uint32_t field, uint64_t value, std::string* out) {
  if (value == 0) return;
  out->push_back(static_cast<char>(WireKey(field, WireType::kVarint)));
  AppendVarint(value, out);
}

inline size_t BytesFieldSize(size_t length) { return 1 + VarintSize(length) + length; }
inline void AppendBytesPrefix(uint32_t field, size_t length, std::string* out) {
  out->push_back(static_cast<char>(WireKey(field, WireType::kBytes)));
  AppendVarint(length, out);
}
inline void AppendBytesField(uint32_t field, absl::string_view bytes, std::string* out) {
  AppendBytesPrefix(field, bytes.size(), out);
  out->append(bytes.data(), bytes.size());
}

}  // namespace quorate::service

#endif  // QUORATE_LIB_SERVICE_WIRE_FORMAT_H_
