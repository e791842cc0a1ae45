#include "host/host.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "quorate/system.h"

namespace quorate::host {
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

  void Wait() {
    pollfd both[] = {{signals_, POLLIN, 0}, {fault_, POLLIN, 0}};
    while (::poll(both, 2, -1) < 0 && errno == EINTR) {
    }
  }

  // OK: it was a signal.
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

}  // namespace

absl::StatusOr<std::unique_ptr<Host>> Host::Start(const HostOptions& options,
                                                  std::function<void(absl::Status)> on_fault, const WrapService& wrap) {
  std::unique_ptr<Host> host(new Host());
  if (absl::Status opened = host->Open(options, std::move(on_fault)); !opened.ok()) return opened;
  if (absl::Status serves = host->Serve(options, wrap); !serves.ok()) return serves;
  return host;
}

Host::~Host() {
  if (stopped_ || node_ == nullptr) return;
  if (proposals_ != nullptr) proposals_->Stop(absl::ZeroDuration());
  (void)node_->Shutdown(absl::ZeroDuration());
  if (server_ != nullptr) server_->Stop(absl::ZeroDuration());
}

absl::Status Host::Open(const HostOptions& options, std::function<void(absl::Status)> on_fault) {
  log_sink_ = std::make_shared<StderrSink>(options.log_debug);
  FileStorageOptions storage;
  storage.path = options.directory;
  storage.segment_bytes = options.segment_bytes;
  storage.log_sink = log_sink_;
  absl::StatusOr<std::unique_ptr<DataDirectory>> directory = DataDirectory::Open(std::move(storage));
  if (!directory.ok()) return directory.status();
  directory_ = *std::move(directory);
  const absl::StatusOr<Endpoint> self = PeerEndpoint(options, directory_->identity());
  if (!self.ok()) return self.status();

  GrpcListenerOptions listening;
  listening.bind = *self;
  listening.log_sink = log_sink_;
  absl::StatusOr<std::unique_ptr<GrpcListener>> listener = GrpcListener::Create(std::move(listening));
  if (!listener.ok()) return listener.status();
  listener_ = *std::move(listener);

  QuorumDependencies dependencies;
  if (absl::Status made = MakeStores(options, &dependencies); !made.ok()) return made;
  GrpcTransportOptions transport;
  transport.listener = listener_.get();
  transport.log_sink = log_sink_;
  dependencies.transport = NewGrpcTransport(std::move(transport));
  dependencies.state_machine = &registers_;
  dependencies.log_sink = log_sink_;
  dependencies.on_fault = std::move(on_fault);
  absl::StatusOr<std::unique_ptr<QuorumNode>> node =
      QuorumNode::Create(MakeQuorumOptions(options, directory_->identity(), *self), std::move(dependencies));
  if (!node.ok()) return node.status();
  node_ = *std::move(node);
  return absl::OkStatus();
}

absl::Status Host::MakeStores(const HostOptions& options, QuorumDependencies* dependencies) {
  if (!options.memory_storage) {
    dependencies->log = directory_->MakeLogStore();
    dependencies->election_state = directory_->MakeElectionStateStore();
    dependencies->snapshots = directory_->MakeSnapshotStore();
    return absl::OkStatus();
  }
  memory_executor_ = ThreadExecutorFactory()->MakeSerial("memory-log");
  dependencies->log = NewMemoryLogStore(memory_executor_.get());
  dependencies->election_state = NewMemoryElectionStateStore(memory_executor_.get());
  dependencies->snapshots = NewMemorySnapshotStore();
  return absl::OkStatus();
}

absl::Status Host::Serve(const HostOptions& options, const WrapService& wrap) {
  ProposalServiceOptions proposals;
  proposals.node = node_.get();
  proposals.listener = listener_.get();
  proposals.query = [this](absl::string_view key) { return std::string(registers_.Value(key)); };
  proposals.log_sink = log_sink_;
  absl::StatusOr<std::unique_ptr<ProposalService>> made = ProposalService::Create(std::move(proposals));
  if (!made.ok()) return made.status();
  proposals_ = *std::move(made);
  listener_->Handle(kEchoMethod,
                    [](RpcRequest request, RpcReply reply) { std::move(reply)(std::move(request.payload)); });
  if (absl::Status started = listener_->Start(); !started.ok()) return started;
  if (absl::Status started = node_->Start(); !started.ok()) return started;
  service_ = std::make_unique<Service>(node_.get(), &registers_, options.request_timeout);
  if (wrap != nullptr) wrapped_ = wrap(this);
  RequestHandler* const handler = wrapped_ != nullptr ? wrapped_.get() : service_.get();
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(options.client_port, handler);
  if (!server.ok()) return server.status();
  server_ = *std::move(server);
  return absl::OkStatus();
}

absl::Status Host::Stop() {
  stopped_ = true;
  // Answers whatever is under way; then the answers are sent.
  proposals_->Stop(absl::Seconds(1));
  const absl::Status stopped = node_->Shutdown(kShutdownDeadline);
  server_->Stop(absl::Seconds(1));
  listener_->Stop(absl::Seconds(1));
  return stopped;
}

int RunHost(const HostOptions& options, const Host::WrapService& wrap) {
  Ending ending;
  absl::StatusOr<std::unique_ptr<Host>> host = Host::Start(
      options, [&ending](absl::Status cause) { ending.Fault(std::move(cause)); }, wrap);
  if (!host.ok()) return Fail(1, host.status());
  ending.Wait();
  const absl::Status stopped = (*host)->Stop();
  if (absl::Status fault = ending.cause(); !fault.ok()) return Fail(2, fault);
  if (!stopped.ok()) absl::FPrintF(stderr, "stopped without handing over: %s\n", stopped.message());
  return 0;
}

}  // namespace quorate::host
