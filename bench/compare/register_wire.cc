#include <optional>

#include "compare/wire.h"
#include "host/protocol.h"

namespace quorate::compare {
namespace {

class RegisterWire final : public Wire {
 public:
  void Greet(std::string*) override {}

  void Put(uint64_t token, absl::string_view key, absl::string_view value, std::string* out) override {
    host::Command command;
    command.operation = host::Operation::kWrite;
    command.key = key;
    command.argument = value;
    host::AppendRequest(token, command, out);
  }

  void Create(uint64_t token, absl::string_view key, absl::string_view value, std::string* out) override {
    Put(token, key, value, out);
  }

  int64_t Take(absl::string_view in, Emit emit) override {
    int64_t taken = 0;
    while (true) {
      std::optional<absl::string_view> body;
      size_t consumed = 0;
      if (!host::TakeFrame(in, host::kResponseBytesMax, &body, &consumed)) return -1;
      if (!body.has_value()) return taken;
      const std::optional<host::Response> response = host::ParseResponse(*body);
      if (!response.has_value()) return -1;
      emit(response->id, response->result == host::Result::kOk ? PutEnd::kAcknowledged : PutEnd::kRefused);
      in.remove_prefix(consumed);
      taken += static_cast<int64_t>(consumed);
    }
  }
};

}  // namespace

std::unique_ptr<Wire> NewRegisterWire() { return std::make_unique<RegisterWire>(); }

}  // namespace quorate::compare
