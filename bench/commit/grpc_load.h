// The load of clients over gRPC: quorate's own service for programs outside of the quorum (quorate/proposal_client.h).
#ifndef QUORATE_BENCH_COMMIT_GRPC_LOAD_H_
#define QUORATE_BENCH_COMMIT_GRPC_LOAD_H_

#include "absl/status/statusor.h"
#include "load.h"
#include "quorate/proposal_client.h"

namespace quorate::bench {

// Runs the load of writes against one node, which passes them on if it doesn't lead and `forwarding` is set. Blocks.
absl::StatusOr<LoadResult> RunGrpcLoad(const LoadSpec& spec, const Endpoint& server, ProposalMode mode,
                                       bool forwarding);
// The same calls with the same bytes, each answered by the server's gRPC thread at once (host::kEchoMethod). Blocks.
LoadResult RunEchoLoad(const LoadSpec& spec, const Endpoint& server);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_COMMIT_GRPC_LOAD_H_
