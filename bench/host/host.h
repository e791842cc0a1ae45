// A quorum member as a host would embed it, with files, fsync and gRPC between peers, and named registers as its state:
// what register_host is around, and what benchmarks put their callers into.
//
// Threads: Start, Stop and the destructor are the owner's. The node and the registers say theirs.
#ifndef QUORATE_BENCH_HOST_HOST_H_
#define QUORATE_BENCH_HOST_HOST_H_

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "host/options.h"
#include "host/registers.h"
#include "host/server.h"
#include "host/service.h"
#include "quorate/log_sink.h"
#include "quorate/proposal_service.h"
#include "quorate/quorum_node.h"
#include "quorate/storage_adapters.h"
#include "quorate/transport_adapters.h"

namespace quorate::host {

// A unary method on the peers' port that answers with what it got: what a gRPC call costs that does nothing.
inline constexpr char kEchoMethod[] = "/quorate.bench.Host/Echo";

class Host {
 public:
  // Makes what takes the clients' requests in the service's stead: a benchmark may want to see them first. The host
  // owns it, and destroys it before the service and the node.
  using WrapService = std::function<std::unique_ptr<RequestHandler>(Host*)>;

  // Recovers, joins the quorum and serves clients. `on_fault` runs once if the node halts itself, on any thread.
  static absl::StatusOr<std::unique_ptr<Host>> Start(const HostOptions& options,
                                                     std::function<void(absl::Status)> on_fault,
                                                     const WrapService& wrap = nullptr);
  ~Host();  // stops without a hand-over what still runs
  // Answers whatever is under way and hands leadership over. An error: stopped without an orderly hand-over.
  absl::Status Stop();

  [[nodiscard]] QuorumNode* node() { return node_.get(); }
  [[nodiscard]] Service* service() { return service_.get(); }
  [[nodiscard]] const Registers& registers() const { return registers_; }

 private:
  Host() = default;
  absl::Status Open(const HostOptions& options, std::function<void(absl::Status)> on_fault);
  absl::Status Serve(const HostOptions& options, const WrapService& wrap);
  absl::Status MakeStores(const HostOptions& options, QuorumDependencies* dependencies);

  std::shared_ptr<LogSink> log_sink_;
  std::unique_ptr<Executor> memory_executor_;  // of stores in memory
  std::unique_ptr<DataDirectory> directory_;
  std::unique_ptr<GrpcListener> listener_;
  Registers registers_;
  std::unique_ptr<QuorumNode> node_;
  std::unique_ptr<ProposalService> proposals_;  // on the peers' port, over gRPC
  std::unique_ptr<Service> service_;
  std::unique_ptr<RequestHandler> wrapped_;  // null: the service itself
  std::unique_ptr<Server> server_;
  bool stopped_ = false;
};

// The clients' requests until a signal ends the process; its exit code: 0 after SIGTERM or SIGINT, 1 when it could not
// start, 2 when the node stopped itself. The cause is the last line on standard error. To be called before the process
// has a second thread.
int RunHost(const HostOptions& options, const Host::WrapService& wrap = nullptr);

}  // namespace quorate::host

#endif  // QUORATE_BENCH_HOST_HOST_H_
