#include "host/protocol.h"

#include <cstring>
#include <type_traits>

namespace quorate::host {
namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the bytes are copied as they are");

template <typename Number>
void AppendNumber(Number number, std::string* out) {
  char bytes[sizeof(number)];
  std::memcpy(bytes, &number, sizeof(number));
  out->append(bytes, sizeof(number));
}

// Takes a number off the front; the caller has checked the length.
template <typename Number>
Number TakeNumber(absl::string_view* bytes) {
  Number number;
  std::memcpy(&number, bytes->data(), sizeof(number));
  bytes->remove_prefix(sizeof(number));
  return number;
}

absl::string_view TakeBytes(absl::string_view* bytes, size_t count) {
  const absl::string_view taken = bytes->substr(0, count);
  bytes->remove_prefix(count);
  return taken;
}

constexpr size_t kCommandHeaderBytes = 4;

}  // namespace

void AppendCommand(const Command& command, std::string* out) {
  AppendNumber(command.operation, out);
  AppendNumber(static_cast<uint8_t>(command.key.size()), out);
  AppendNumber(static_cast<uint16_t>(command.expected.size()), out);
  out->append(command.key.data(), command.key.size());
  out->append(command.expected.data(), command.expected.size());
  out->append(command.argument.data(), command.argument.size());
}

void AppendRequest(uint64_t id, const Command& command, std::string* out) {
  const size_t command_bytes =
      kCommandHeaderBytes + command.key.size() + command.expected.size() + command.argument.size();
  AppendNumber(static_cast<uint32_t>(kIdBytes + command_bytes), out);
  AppendNumber(id, out);
  AppendCommand(command, out);
}

void AppendResponse(uint64_t id, absl::string_view outcome, std::string* out) {
  AppendNumber(static_cast<uint32_t>(kIdBytes + outcome.size()), out);
  AppendNumber(id, out);
  out->append(outcome.data(), outcome.size());
}

std::string EncodeOutcome(Result result, absl::string_view payload) {
  std::string out(1, static_cast<char>(result));
  out.append(payload.data(), payload.size());
  return out;
}

std::string EncodeRefusal(Result result, const Refusal& refusal) {
  std::string out(1, static_cast<char>(result));
  AppendNumber(refusal.leader.value(), &out);
  out.append(refusal.message.data(), refusal.message.size());
  return out;
}

std::string EncodeStaleValue(const StaleValue& value) {
  std::string out(1, static_cast<char>(Result::kOk));
  AppendNumber(value.position.epoch.value(), &out);
  AppendNumber(value.position.end.value(), &out);
  out.append(value.value.data(), value.value.size());
  return out;
}

std::optional<Command> ParseCommand(absl::string_view bytes) {
  if (bytes.size() < kCommandHeaderBytes) return std::nullopt;
  Command command;
  command.operation = TakeNumber<Operation>(&bytes);
  const auto key_bytes = TakeNumber<uint8_t>(&bytes);
  const auto expected_bytes = TakeNumber<uint16_t>(&bytes);
  if (command.operation < Operation::kRead || command.operation > Operation::kTransfer) return std::nullopt;
  if (bytes.size() < size_t{key_bytes} + expected_bytes) return std::nullopt;
  command.key = TakeBytes(&bytes, key_bytes);
  command.expected = TakeBytes(&bytes, expected_bytes);
  command.argument = bytes;
  return command;
}

std::optional<Refusal> ParseRefusal(absl::string_view payload) {
  if (payload.size() < sizeof(NodeId::rep)) return std::nullopt;
  const NodeId leader(TakeNumber<NodeId::rep>(&payload));
  return Refusal{leader, payload};
}

std::optional<StaleValue> ParseStaleValue(absl::string_view payload) {
  if (payload.size() < sizeof(Epoch::rep) + sizeof(Offset::rep)) return std::nullopt;
  StaleValue value;
  value.position.epoch = Epoch(TakeNumber<Epoch::rep>(&payload));
  value.position.end = Offset(TakeNumber<Offset::rep>(&payload));
  value.value = payload;
  return value;
}

bool TakeFrame(absl::string_view bytes, size_t bytes_max, std::optional<absl::string_view>* body, size_t* consumed) {
  if (bytes.size() < kLengthBytes) return true;
  const auto length = TakeNumber<uint32_t>(&bytes);
  if (length < kIdBytes || length > bytes_max) return false;
  if (bytes.size() < length) return true;
  *body = bytes.substr(0, length);
  *consumed = kLengthBytes + length;
  return true;
}

Request ParseRequest(absl::string_view body) {
  const auto id = TakeNumber<uint64_t>(&body);
  return Request{id, body};
}

std::optional<Response> ParseResponse(absl::string_view body) {
  if (body.size() < kIdBytes + 1) return std::nullopt;
  Response response;
  response.id = TakeNumber<uint64_t>(&body);
  response.result = TakeNumber<Result>(&body);
  response.payload = body;
  if (response.result > Result::kRejected) return std::nullopt;
  return response;
}

}  // namespace quorate::host
