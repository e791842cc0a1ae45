#include "quorate/messages.h"

#include "base/overloaded.h"

namespace quorate {

bool Message::IsResponse() const {
  return std::visit(Overloaded{[](const VoteResponse&) { return true; }, [](const BeginEpochResponse&) { return true; },
                               [](const EndEpochResponse&) { return true; }, [](const FetchResponse&) { return true; },
                               [](const ReadResponse&) { return true; }, [](const SnapshotResponse&) { return true; },
                               [](const ProbeResponse&) { return true; },
                               [](const VoterChangeResponse&) { return true; }, [](const auto&) { return false; }},
                    body);
}

absl::string_view Message::TypeName() const {
  static constexpr absl::string_view kNames[] = {
      "VoteRequest",     "VoteResponse",     "BeginEpochRequest",  "BeginEpochResponse",
      "EndEpochRequest", "EndEpochResponse", "FetchRequest",       "FetchResponse",
      "ReadRequest",     "ReadResponse",     "SnapshotRequest",    "SnapshotResponse",
      "ProbeRequest",    "ProbeResponse",    "VoterChangeRequest", "VoterChangeResponse"};
  static_assert(std::size(kNames) == std::variant_size_v<MessageBody>);
  return kNames[body.index()];
}

}  // namespace quorate
