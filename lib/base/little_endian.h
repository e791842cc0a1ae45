// Fixed-width integers in little-endian byte order, as all of quorate's formats use them. Readers are
// given memory that was measured before: bounds are the caller's.
#ifndef QUORATE_BASE_LITTLE_ENDIAN_H_
#define QUORATE_BASE_LITTLE_ENDIAN_H_

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

#include "absl/strings/string_view.h"

namespace quorate {

static_assert(std::endian::native == std::endian::little, "quorate's formats are written for little-endian machines");

template <typename T>
T ReadLittleEndian(const char* at) {
  static_assert(std::is_integral_v<T>);
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

template <typename T>
void WriteLittleEndian(T value, char* at) {
  static_assert(std::is_integral_v<T>);
  std::memcpy(at, &value, sizeof(value));
}

template <typename T>
void AppendLittleEndian(T value, std::string* out) {
  char bytes[sizeof(T)];
  WriteLittleEndian(value, bytes);
  out->append(bytes, sizeof(T));
}

// Takes values off the front of a buffer; after the first that doesn't fit, `ok` stays false and the
// values are zero. Check once, at the end.
class ByteReader {
 public:
  explicit ByteReader(absl::string_view bytes) : rest_(bytes) {}
  template <typename T>
  T Take() {
    if (!ok_ || rest_.size() < sizeof(T)) {
      ok_ = false;
      return T{};
    }
    T value = ReadLittleEndian<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return value;
  }
  // A string with a length of type L before it, at most `max` bytes.
  template <typename L>
  absl::string_view TakeString(size_t max) {
    const auto length = Take<L>();
    if (!ok_ || length > max || rest_.size() < static_cast<size_t>(length)) {
      ok_ = false;
      return {};
    }
    absl::string_view out = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return out;
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool AtEnd() const { return ok_ && rest_.empty(); }

 private:
  absl::string_view rest_;
  bool ok_ = true;
};

}  // namespace quorate

#endif  // QUORATE_BASE_LITTLE_ENDIAN_H_
