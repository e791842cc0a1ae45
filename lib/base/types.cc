#include "quorate/types.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "quorate/status.h"

namespace quorate {
namespace {

constexpr size_t kUuidTextLength = 22;

uint64_t BigEndian64(const char* at) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = (value << 8) | static_cast<uint8_t>(at[i]);
  return value;
}

}  // namespace

absl::StatusOr<Uuid> Uuid::Parse(absl::string_view text) {
  std::string bytes;
  // 22 characters carry 132 bits: the last one's low four must be zero, or two texts would name one id.
  if (text.size() != kUuidTextLength || !absl::WebSafeBase64Unescape(text, &bytes) || bytes.size() != 16) {
    return MakeError(
        Reason::kInvalidArgument, Outcome::kNotApplied,
        absl::StrCat("'", text.substr(0, 64), "' is not an id: expected 22 characters of URL-safe base64, ",
                     "as `quorate storage random-uuid` prints them"));
  }
  Uuid id(BigEndian64(bytes.data()), BigEndian64(bytes.data() + 8));
  if (id.ToString() != text) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                     absl::StrCat("'", text, "' is not an id: its last character has bits that no id has"));
  }
  return id;
}

std::string Uuid::ToString() const {
  std::string bytes(16, '\0');
  for (int i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>(high_ >> (56 - 8 * i));
    bytes[8 + i] = static_cast<char>(low_ >> (56 - 8 * i));
  }
  std::string text = absl::WebSafeBase64Escape(bytes);
  while (!text.empty() && text.back() == '=') text.pop_back();
  return text;
}

std::string ReplicaKey::ToString() const {
  return directory.is_zero() ? absl::StrCat(id.value()) : absl::StrCat(id.value(), ":", directory.ToString());
}

std::string Endpoint::Address() const {
  const bool ipv6 = host.find(':') != std::string::npos;
  return ipv6 ? absl::StrCat("[", host, "]:", port) : absl::StrCat(host, ":", port);
}

std::string Endpoint::ToString() const { return absl::StrCat(listener, "://", Address()); }

}  // namespace quorate
