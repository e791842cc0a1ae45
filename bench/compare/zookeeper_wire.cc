// Big endian throughout; each frame begins with its length. A string or buffer is its length and its bytes.
#include <cstring>

#include "absl/strings/str_cat.h"
#include "compare/wire.h"

namespace quorate::compare {
namespace {

// Operations and errors, as in ZooDefs.OpCode and KeeperException.Code.
constexpr int32_t kCreate = 1;
constexpr int32_t kSetData = 5;
constexpr int32_t kAllPermissions = 31;
constexpr int32_t kAnyVersion = -1;
constexpr int32_t kNodeExists = -110;
constexpr int32_t kPasswordBytes = 16;
constexpr size_t kFrameBytesMax = 4u << 20;
constexpr size_t kReplyHeaderBytes = 16;  // xid, zxid, error

void AppendInt(int32_t value, std::string* out) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(static_cast<uint32_t>(value) >> shift));
}

void AppendLong(int64_t value, std::string* out) {
  AppendInt(static_cast<int32_t>(value >> 32), out);
  AppendInt(static_cast<int32_t>(value), out);
}

void AppendBuffer(absl::string_view bytes, std::string* out) {
  AppendInt(static_cast<int32_t>(bytes.size()), out);
  absl::StrAppend(out, bytes);
}

int32_t ReadInt(absl::string_view in) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(in[i]);
  return static_cast<int32_t>(value);
}

// Writes the length of what came after `start` into the four bytes there.
void CloseFrame(size_t start, std::string* out) {
  std::string length;
  AppendInt(static_cast<int32_t>(out->size() - start - 4), &length);
  std::memcpy(out->data() + start, length.data(), 4);
}

class ZooKeeperWire final : public Wire {
 public:
  explicit ZooKeeperWire(int session_timeout_ms) : session_timeout_ms_(session_timeout_ms) {}

  // ConnectRequest. The server reads nothing more from us until the session is there; what follows waits.
  void Greet(std::string* out) override {
    connected_ = false;
    const size_t start = out->size();
    AppendInt(0, out);   // length
    AppendInt(0, out);   // protocol version
    AppendLong(0, out);  // last zxid seen
    AppendInt(session_timeout_ms_, out);
    AppendLong(0, out);  // a new session
    AppendBuffer(std::string(kPasswordBytes, '\0'), out);
    out->push_back(0);  // not read-only
    CloseFrame(start, out);
  }

  void Put(uint64_t token, absl::string_view key, absl::string_view value, std::string* out) override {
    const size_t start = Begin(token, kSetData, out);
    AppendBuffer(absl::StrCat("/", key), out);
    AppendBuffer(value, out);
    AppendInt(kAnyVersion, out);
    CloseFrame(start, out);
  }

  void Create(uint64_t token, absl::string_view key, absl::string_view value, std::string* out) override {
    const size_t start = Begin(token, kCreate, out);
    AppendBuffer(absl::StrCat("/", key), out);
    AppendBuffer(value, out);
    AppendInt(1, out);  // one ACL
    AppendInt(kAllPermissions, out);
    AppendBuffer("world", out);
    AppendBuffer("anyone", out);
    AppendInt(0, out);  // persistent
    CloseFrame(start, out);
  }

  int64_t Take(absl::string_view in, Emit emit) override {
    int64_t taken = 0;
    while (in.size() >= 4) {
      const int32_t length = ReadInt(in);
      if (length < 0 || static_cast<size_t>(length) > kFrameBytesMax) return -1;
      const size_t whole = 4 + static_cast<size_t>(length);
      if (in.size() < whole) break;
      if (!TakeFrame(in.substr(4, static_cast<size_t>(length)), emit)) return -1;
      in.remove_prefix(whole);
      taken += static_cast<int64_t>(whole);
    }
    return taken;
  }

 private:
  static size_t Begin(uint64_t token, int32_t operation, std::string* out) {
    const size_t start = out->size();
    AppendInt(0, out);
    AppendInt(static_cast<int32_t>(token + 1), out);  // negative ones are the server's own
    AppendInt(operation, out);
    return start;
  }

  bool TakeFrame(absl::string_view frame, Emit emit) {
    if (!connected_) {
      // ConnectResponse: version, the session's timeout (0: refused), session, password.
      connected_ = frame.size() >= 8 && ReadInt(frame.substr(4)) > 0;
      return connected_;
    }
    if (frame.size() < kReplyHeaderBytes) return false;
    const int32_t xid = ReadInt(frame);
    const int32_t error = ReadInt(frame.substr(12));
    // What exists was created by an earlier run of the same loop: nobody else is here.
    const bool acknowledged = error == 0 || error == kNodeExists;
    if (xid > 0) emit(static_cast<uint64_t>(xid) - 1, acknowledged ? PutEnd::kAcknowledged : PutEnd::kRefused);
    return true;
  }

  const int session_timeout_ms_;
  bool connected_ = false;
};

}  // namespace

std::unique_ptr<Wire> NewZooKeeperWire(int session_timeout_ms) {
  return std::make_unique<ZooKeeperWire>(session_timeout_ms);
}

}  // namespace quorate::compare
