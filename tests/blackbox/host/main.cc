// register_host: a quorum member as a host would embed it, with files, fsync and gRPC between peers, and named
// registers as its state. Tests kill it, and benchmarks compare it.
//
// Exit codes: 0 after SIGTERM or SIGINT; 1 when it could not start; 2 when the node stopped itself. The cause is the
// last line on standard error.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "blackbox/host/options.h"
#include "blackbox/host/server.h"
#include "blackbox/host/service.h"
#include "quorate/quorum_node.h"
#include "quorate/storage_adapters.h"
#include "quorate/system.h"
#include "quorate/transport_adapters.h"

namespace quorate::blackbox {
namespace {

constexpr absl::Duration kShutdownDeadline = absl::Seconds(5);

class StderrSink final : public LogSink {
 public:
  explicit StderrSink(bool debug) : least_(debug ? LogLevel::kDebug : LogLevel::kInfo) {}
  bool Enabled(LogLevel level) const override { return level >= least_; }
  void Write(LogLevel level, absl::string_view component, absl::string_view line) override {
    if (!Enabled(level)) return;
    const std::string text = absl::StrFormat("%d %s %s\n", SystemClock()->Now().nanos(), component, line);
    (void)!::write(STDERR_FILENO, text.data(), text.size());  // one call: lines of several threads don't mix
  }

 private:
  const LogLevel least_;
};

// The signals that end the process, and the node's own end, as one thing to wait for.
class Ending {
 public:
  // Before any thread is started: they inherit the mask.
  Ending() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    // A write over the file size limit shall fail like one to a full disk.
    ::signal(SIGXFSZ, SIG_IGN);
    signals_ = ::signalfd(-1, &signals, SFD_CLOEXEC);
    fault_ = ::eventfd(0, EFD_CLOEXEC);
  }
  ~Ending() {
    ::close(signals_);
    ::close(fault_);
  }
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;

  // Any thread.
  void Fault(absl::Status cause) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      cause_ = std::move(cause);
    }
    const uint64_t one = 1;
    (void)!::write(fault_, &one, sizeof(one));
  }

  // OK: a signal.
  absl::Status Wait() {
    pollfd both[] = {{signals_, POLLIN, 0}, {fault_, POLLIN, 0}};
    while (::poll(both, 2, -1) < 0 && errno == EINTR) {
    }
    return cause();
  }

  absl::Status cause() {
    std::lock_guard<std::mutex> lock(mutex_);
    return cause_;
  }

 private:
  int signals_ = -1;
  int fault_ = -1;
  std::mutex mutex_;
  absl::Status cause_;
};

int Fail(int code, const absl::Status& status) {
  absl::FPrintF(stderr, "error: %s\n", status.message());
  return code;
}

// Where peers reach this node: as the first voter set has it, unless the command line says so.
absl::StatusOr<Endpoint> PeerEndpoint(const HostOptions& options, const DirectoryIdentity& identity) {
  if (options.listen) return *options.listen;
  for (const Voter& voter : identity.initial_voters.value_or(std::vector<Voter>())) {
    if (voter.key.id == identity.node_id && !voter.endpoints.empty()) return voter.endpoints.front();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(options.directory, " doesn't have this node among its first voters; --listen says where it is"));
}

QuorumOptions MakeQuorumOptions(const HostOptions& options, const DirectoryIdentity& identity, const Endpoint& self) {
  QuorumOptions quorum;
  quorum.cluster_id = identity.cluster_id;
  quorum.self = {identity.node_id, identity.directory_id};
  quorum.initial_voters = identity.initial_voters.value_or(std::vector<Voter>());
  quorum.bootstrap_servers = options.bootstrap_servers;
  quorum.advertised_endpoints = {self};
  quorum.auto_join = options.auto_join;
  quorum.snapshots = options.snapshots;
  quorum.timeouts = options.timeouts;
  quorum.tail_cache_bytes = options.tail_cache_bytes;
  return quorum;
}

int Run(const HostOptions& options, Ending* ending) {
  auto log_sink = std::make_shared<StderrSink>(options.log_debug);
  FileStorageOptions storage;
  storage.path = options.directory;
  storage.segment_bytes = options.segment_bytes;
  storage.log_sink = log_sink;
  absl::StatusOr<std::unique_ptr<DataDirectory>> directory = DataDirectory::Open(std::move(storage));
  if (!directory.ok()) return Fail(1, directory.status());
  absl::StatusOr<Endpoint> self = PeerEndpoint(options, (*directory)->identity());
  if (!self.ok()) return Fail(1, self.status());

  GrpcListenerOptions listening;
  listening.bind = *self;
  listening.log_sink = log_sink;
  absl::StatusOr<std::unique_ptr<GrpcListener>> listener = GrpcListener::Create(std::move(listening));
  if (!listener.ok()) return Fail(1, listener.status());

  Registers registers;
  QuorumDependencies dependencies;
  dependencies.log = (*directory)->MakeLogStore();
  dependencies.election_state = (*directory)->MakeElectionStateStore();
  dependencies.snapshots = (*directory)->MakeSnapshotStore();
  GrpcTransportOptions transport;
  transport.listener = listener->get();
  transport.log_sink = log_sink;
  dependencies.transport = NewGrpcTransport(std::move(transport));
  dependencies.state_machine = &registers;
  dependencies.log_sink = log_sink;
  dependencies.on_fault = [ending](absl::Status cause) { ending->Fault(std::move(cause)); };
  absl::StatusOr<std::unique_ptr<QuorumNode>> node =
      QuorumNode::Create(MakeQuorumOptions(options, (*directory)->identity(), *self), std::move(dependencies));
  if (!node.ok()) return Fail(1, node.status());

  if (absl::Status started = (*listener)->Start(); !started.ok()) return Fail(1, started);
  if (absl::Status started = (*node)->Start(); !started.ok()) return Fail(1, started);
  Service service(node->get(), &registers, options.request_timeout);
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(options.client_port, &service);
  if (!server.ok()) return Fail(1, server.status());

  (void)ending->Wait();
  // Answers whatever is under way; then the answers are sent.
  const absl::Status stopped = (*node)->Shutdown(kShutdownDeadline);
  (*server)->Stop(absl::Seconds(1));
  (*listener)->Stop(absl::Seconds(1));
  if (absl::Status fault = ending->cause(); !fault.ok()) return Fail(2, fault);
  if (!stopped.ok()) absl::FPrintF(stderr, "stopped without handing over: %s\n", stopped.message());
  return 0;
}

}  // namespace
}  // namespace quorate::blackbox

int main(int argc, char** argv) {
  int exit_code = 0;
  const auto options = quorate::blackbox::ParseOptions(argc, argv, &exit_code);
  if (!options) return exit_code;
  quorate::blackbox::Ending ending;
  return quorate::blackbox::Run(*options, &ending);
}
