#include "grpc_load.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "host/host.h"
#include "process_load.h"
#include "quorate/transport_adapters.h"
#include "recorder.h"

namespace quorate::bench {

absl::StatusOr<LoadResult> RunGrpcLoad(const LoadSpec& spec, const Endpoint& server, ProposalMode mode,
                                       bool forwarding) {
  ProposalClientOptions options;
  options.servers = {server};
  options.mode = mode;
  options.forwarding = forwarding;
  options.window = std::max(options.window, static_cast<size_t>(spec.callers));
  absl::StatusOr<std::unique_ptr<ProposalClient>> client = ProposalClient::Create(std::move(options));
  if (!client.ok()) return client.status();
  ProposeOptions propose;
  propose.timeout = kCallTimeout;
  const Caller caller = [raw = client->get(), propose](const host::Command& command, CallDone done) {
    std::string record;
    host::AppendCommand(command, &record);
    raw->Propose(std::move(record), propose,
                 [done = std::move(done)](const absl::StatusOr<Proposed>& proposed) { done(proposed.status()); });
  };
  if (!spec.record) return RunAsyncLoad(spec, caller);
  Recorder recorder;
  LoadResult result = RunAsyncLoad(spec, recorder.Recording(caller));
  result.history = recorder.TakeHistory();
  return result;
}

LoadResult RunEchoLoad(const LoadSpec& spec, const Endpoint& server) {
  const std::unique_ptr<RpcClient> client = NewGrpcRpcClient();
  return RunAsyncLoad(spec, [raw = client.get(), &server](const host::Command& command, CallDone done) {
    std::string payload;
    host::AppendCommand(command, &payload);
    raw->Call(server, host::kEchoMethod, std::move(payload), kCallTimeout,
              [done = std::move(done)](const absl::StatusOr<std::string>& answer) { done(answer.status()); });
  });
}

}  // namespace quorate::bench
