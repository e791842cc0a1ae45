// What every transport asks of a message before anybody else sees it: that it belongs to this cluster, that it is
// meant for this replica, that it doesn't come from ourselves, and that its fields can be true at all. Each adapter
// calls the same code, so that an adapter can't forget a check and a test of one covers all.
//
// Nothing here knows the protocol: whether an epoch is stale or a vote is due is the core's business. What is
// refused here could not be meant by any correct member in any state, so it is dropped without an answer.
//
// Pure functions; thread-safe.
#ifndef QUORATE_LIB_TRANSPORT_ADMISSION_H_
#define QUORATE_LIB_TRANSPORT_ADMISSION_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "quorate/messages.h"
#include "quorate/transport.h"

namespace quorate::transport {

// Why a message was dropped; one counter each.
enum class Refusal : uint8_t {
  kNone,
  kWrongCluster,  // F-N09
  kWrongReplica,  // F-N10
  kSelf,          // F-N11
  kInvalid,       // F-N06, F-N17, F-X04
};

// Cluster, addressee and sender of a message that arrived at `self`.
Refusal CheckAddress(const TransportIdentity& self, const Message& message);

// Ranges and sizes of all fields. kInvalidArgument names the field, its value and what is allowed.
absl::Status CheckFields(const Message& message);

// Whether `endpoint` can be shown to people and resolved: lengths, and printable characters only (F-X08).
absl::Status CheckEndpoint(const Endpoint& endpoint);

// Checks the identity with which a connection introduces itself. `intended` is whom the connecting side means to
// reach: kNoNode and below when it doesn't know. The status says which value differs.
absl::Status CheckIntroduction(const TransportIdentity& self, const TransportIdentity& remote, NodeId intended);

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_ADMISSION_H_
