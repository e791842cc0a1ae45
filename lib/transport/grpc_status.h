// An error across the wire: gRPC's code and message for any client, and the detail of quorate/status.h (reason,
// outcome, leader hint, Kafka's error number) beside them, as binary trailing metadata, so that our own client gives
// its caller the very status that the handler returned.
#ifndef QUORATE_LIB_TRANSPORT_GRPC_STATUS_H_
#define QUORATE_LIB_TRANSPORT_GRPC_STATUS_H_

#include <grpcpp/client_context.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace quorate::transport {

inline constexpr char kStatusMetadataKey[] = "quorate-status-bin";

// `context` gets the detail; the call must not be finished yet.
grpc::Status ToGrpcStatus(const absl::Status& status, grpc::ServerContextBase* context);

// What the server said, or what gRPC says about it. `address` is named in the message when it couldn't be
// reached; `what` names the call ("/quorate.v1.Admin/CreateTopics").
absl::Status FromGrpcStatus(const grpc::Status& status, const grpc::ClientContext& context, absl::string_view address,
                            absl::string_view what);

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_GRPC_STATUS_H_
