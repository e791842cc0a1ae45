#include <google/protobuf/stubs/logging.h>

#include <set>

#include "fuzz/fuzz.h"
#include "node/admin_codec.h"
#include "quorate/limits.h"

// The admin service's changes of the quorum, and its description: requests come from whoever can connect, answers from
// whatever answers at the address that was given.
namespace quorate::fuzz {
namespace {

// Reads `bytes`, and what is written of it again: the same once more.
template <typename Decode, typename Encode>
void CheckStable(absl::string_view bytes, Decode decode, Encode encode, const char* what) {
  auto call = decode(bytes);
  if (!call.ok()) return Promise(!call.status().message().empty(), "a refusal says why");
  const std::string once = encode(*call);
  auto again = decode(once);
  Promise(again.ok(), what);
  Promise(encode(*again) == once, what);
}

void CheckKey(const ReplicaKey& key) {
  Promise(key.id.value() >= 0, "an id is not negative");
  Promise(!key.directory.value().is_reserved(), "a directory id is a real one");
}

void CheckRequests(absl::string_view bytes) {
  const auto add = [](absl::string_view in) {
    bool forwarded = false;
    auto call = node::DecodeAddController(in, &forwarded);
    if (!call.ok()) return call;
    CheckKey(call->voter.key);
    Promise(!call->voter.endpoints.empty() && call->voter.endpoints.size() <= limits::kEndpointsMax,
            "a voter can be reached, and not at any number of places");
    std::set<std::string> listeners;
    for (const Endpoint& endpoint : call->voter.endpoints) {
      Promise(listeners.insert(endpoint.listener).second, "a listener has one endpoint");
      Promise(!endpoint.host.empty() && endpoint.host.size() <= limits::kHostNameBytesMax && endpoint.port != 0 &&
                  endpoint.listener.size() <= limits::kListenerNameBytesMax,
              "an endpoint is one, and within its limits");
    }
    return call;
  };
  const auto remove = [](absl::string_view in) {
    bool forwarded = false;
    auto call = node::DecodeRemoveController(in, &forwarded);
    if (call.ok()) CheckKey(call->key);
    return call;
  };
  const auto transfer = [](absl::string_view in) {
    bool forwarded = false;
    auto call = node::DecodeTransferLeadership(in, &forwarded);
    if (call.ok() && call->to.has_value()) Promise(call->to->value() >= 0, "an id is not negative");
    return call;
  };
  CheckStable(bytes, add, node::EncodeAddController, "a request to add is read as it was written");
  CheckStable(bytes, remove, node::EncodeRemoveController, "a request to remove is read as it was written");
  CheckStable(bytes, transfer, node::EncodeTransferLeadership, "a request to transfer is read as it was written");
  bool forwarded = false;
  (void)node::DecodeDescribeQuorum(bytes, &forwarded);
}

void CheckAnswers(absl::string_view bytes) {
  CheckStable(bytes, node::DecodeQuorum, node::EncodeQuorum, "a description is read as it was written");
  (void)node::DecodeNothing(bytes);
}

}  // namespace
}  // namespace quorate::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Protobuf would tell of every text that isn't UTF-8.
  [[maybe_unused]] static google::protobuf::LogHandler* const kLoud = google::protobuf::SetLogHandler(nullptr);
  quorate::fuzz::CheckRequests(quorate::fuzz::AsText(data, size));
  quorate::fuzz::CheckAnswers(quorate::fuzz::AsText(data, size));
  return 0;
}
