// quorate server: kafka-server-start.sh. Runs one node until it is told to stop, or stops itself.
#include <sys/types.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/signals.h"
#include "cli/spdlog_sink.h"
#include "cli/storage_format.h"
#include "quorate/node.h"
#include "quorate/status.h"

namespace quorate::cli {

namespace {

constexpr char kComponent[] = "server";
constexpr absl::Duration kReadyPoll = absl::Milliseconds(50);
constexpr absl::Duration kFirstComplaint = absl::Seconds(5);
constexpr absl::Duration kFirstInquiry = absl::Seconds(2);
constexpr absl::Duration kInquiryTimeout = absl::Milliseconds(500);

struct ServerArgs {
  std::string config;
  std::vector<std::string> overrides;
  LogLevel log_level = LogLevel::kInfo;
  int64_t shutdown_timeout_ms = 30'000;
};

std::string Roles(const NodeOptions& options) {
  std::vector<std::string> roles;
  if (options.is_broker) roles.push_back("broker");
  if (options.is_controller) roles.push_back("controller");
  return absl::StrJoin(roles, ",");
}

std::string Listed(const std::vector<Endpoint>& endpoints) {
  return absl::StrJoin(endpoints, ", ",
                       [](std::string* out, const Endpoint& endpoint) { absl::StrAppend(out, endpoint.ToString()); });
}

std::string RemedyForStart(const absl::Status& status, const ServerArgs& args) {
  switch (ReasonOf(status)) {
    case Reason::kWrongCluster:
      return "Every directory of a cluster is formatted with the same --cluster-id; see quorate storage info, and "
             "controller.quorum.bootstrap.servers";
    case Reason::kWrongReplica:
      return absl::StrCat("Give this node its own directory (log.dirs), or correct node.id in ", args.config);
    default:
      return "";
  }
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ParseOverrides(const std::vector<std::string>& texts) {
  std::vector<std::pair<std::string, std::string>> overrides;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                       absl::StrCat("--override: '", text, "' isn't KEY=VALUE, such as node.id=1"));
    }
    overrides.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return overrides;
}

// The controllers that the configuration names, without this node's own.
std::vector<Endpoint> OtherControllers(const NodeOptions& options) {
  std::vector<Endpoint> others = options.bootstrap_servers;
  for (const Voter& voter : options.static_voters) {
    if (voter.key.id != options.id) others.insert(others.end(), voter.endpoints.begin(), voter.endpoints.end());
  }
  const auto is_own = [&](const Endpoint& endpoint) {
    const auto same = [&](const Endpoint& own) { return own.host == endpoint.host && own.port == endpoint.port; };
    return std::any_of(options.listeners.begin(), options.listeners.end(), same) ||
           std::any_of(options.advertised_listeners.begin(), options.advertised_listeners.end(), same);
  };
  others.erase(std::remove_if(others.begin(), others.end(), is_own), others.end());
  return others;
}

// One run of a node, from its start to its end.
class Server {
 public:
  Server(const ServerArgs& args, const Context& context, Signals* signals, std::shared_ptr<LogSink> log)
      : args_(args), context_(context), signals_(signals), log_(std::move(log)) {}

  int Run(NodeOptions options) {
    const Instant began = context_.clock->Now();
    Say(absl::StrCat("quorate ", QUORATE_VERSION, ": starting node ", options.id.value(), " (", Roles(options),
                     ") from ", args_.config, ", data in ", options.metadata_dir()));
    is_broker_ = options.is_broker;
    others_ = OtherControllers(options);
    NodeDependencies dependencies;
    dependencies.log_sink = log_;
    dependencies.on_fault = [this](absl::Status) { signals_->Wake(); };
    absl::StatusOr<std::unique_ptr<Node>> node = Node::Create(std::move(options), std::move(dependencies));
    if (!node.ok()) return Refuse(node.status());
    node_ = *std::move(node);
    if (!WaitOutBackoff()) return kExitOk;
    if (absl::Status started = node_->Start(); !started.ok()) return Refuse(started);
    Say(absl::StrCat("listening on ", Listed(node_->bound_endpoints()), "; cluster ",
                     node_->status().cluster_id.ToString()));
    if (!WaitUntilReady(began)) return kExitFailure;
    while (!stopping_ && node_->status().fault.ok()) {
      stopping_ = signals_->Wait(absl::InfiniteDuration()) == Signals::Event::kStop;
    }
    return stopping_ ? Stop() : Halted();
  }

 private:
  void Say(const std::string& line) { log_->Write(LogLevel::kInfo, kComponent, line); }

  int Refuse(const absl::Status& status) { return Fail(context_, status.message(), RemedyForStart(status, args_)); }

  // F-P05: who dies again and again is started again ever later. False when told to stop meanwhile.
  bool WaitOutBackoff() {
    const absl::Duration backoff = node_->start_backoff();
    if (backoff <= absl::ZeroDuration()) return true;
    const NodeStatus status = node_->status();
    log_->Write(LogLevel::kWarning, kComponent,
                absl::StrCat("node ", status.id.value(), " was started ", status.unclean_starts,
                             " times in a row without a clean stop; waiting ", absl::FormatDuration(backoff),
                             " before the next start. Look in the log for why it died; quorate.start.backoff.max.ms "
                             "bounds the wait, and docs/durability.md tells about it"));
    const Instant until = context_.clock->Now() + backoff;
    while (context_.clock->Now() < until) {
      if (signals_->Wait(until - context_.clock->Now()) != Signals::Event::kStop) continue;
      Say("stopped before the start");
      return false;
    }
    return true;
  }

  // What keeps the node from being of use; OK when it is.
  absl::Status Missing(const NodeStatus& status) const {
    if (!status.broker_problem.ok()) return status.broker_problem;
    if (status.leadership.leader == kNoNode) {
      return MakeError(Reason::kNoLeader, Outcome::kNotApplied,
                       "no leader is known yet: a majority of the controllers must be up and reachable");
    }
    if (is_broker_ && status.broker != BrokerState::kRunning) {
      return MakeError(Reason::kUnspecified, Outcome::kNotApplied,
                       absl::StrCat("the broker is ", std::string(ToString(status.broker)), " and not yet in service"));
    }
    return absl::OkStatus();
  }

  // Asks the configured controllers which cluster they are of. Peers of another cluster don't talk to us (F-N09), so
  // a node that was formatted with a wrong id would otherwise look for a leader for ever.
  absl::Status CheckOthersCluster(const ClusterId& ours) {
    for (const Endpoint& other : others_) {
      AdminClientOptions options;
      options.servers = {other};
      options.timeout = kInquiryTimeout;
      absl::StatusOr<std::unique_ptr<AdminClient>> admin = context_.make_admin(std::move(options));
      if (!admin.ok()) continue;
      absl::StatusOr<QuorumDescription> quorum = (*admin)->DescribeQuorum();
      if (!quorum.ok() || quorum->cluster_id.is_zero() || quorum->cluster_id == ours) continue;
      return MakeError(
          Reason::kWrongCluster, Outcome::kNotApplied,
          absl::StrCat("this node's data directory belongs to cluster ", ours.ToString(), ", and the controller at ",
                       other.Address(), " to cluster ", quorum->cluster_id.ToString()));
    }
    return absl::OkStatus();
  }

  // False when the node can never become ready: it belongs to another cluster. Everything else may come
  // right by itself (others still start, a network heals), so it is said, ever less often, and waited for.
  bool WaitUntilReady(Instant began) {
    absl::Duration next_complaint = kFirstComplaint, next_inquiry = kFirstInquiry;
    while (true) {
      const NodeStatus status = node_->status();
      if (!status.fault.ok()) return true;
      absl::Status missing = Missing(status);
      const absl::Duration waited = context_.clock->Now() - began;
      if (missing.ok()) {
        Say(absl::StrCat("ready after ", absl::ToInt64Milliseconds(waited), " ms: node ",
                         status.leadership.leader.value(), " leads epoch ", status.leadership.epoch.value()));
        return true;
      }
      if (status.leadership.leader == kNoNode && waited >= next_inquiry) {
        if (absl::Status other = CheckOthersCluster(status.cluster_id); !other.ok()) missing = other;
        next_inquiry = waited * 2;
      }
      if (ReasonOf(missing) == Reason::kWrongCluster) {
        Refuse(missing);
        node_->Shutdown(absl::ZeroDuration()).IgnoreError();
        return false;
      }
      if (waited >= next_complaint) {
        log_->Write(LogLevel::kWarning, kComponent,
                    absl::StrCat("not ready after ", absl::ToInt64Seconds(waited), " s: ", missing.message()));
        next_complaint = waited * 2;
      }
      switch (signals_->Wait(kReadyPoll)) {
        case Signals::Event::kStop:
          stopping_ = true;
          return true;
        case Signals::Event::kWoken:
        case Signals::Event::kTimeout:
          break;
      }
    }
  }

  int Stop() {
    Say(absl::StrCat("stopping on ", ::strsignal(signals_->last_signal()), " (a second one ends the process at once)"));
    signals_->LetTheNextOneKill();
    const Instant began = context_.clock->Now();
    const absl::Status stopped = node_->Shutdown(absl::Milliseconds(args_.shutdown_timeout_ms));
    const absl::Status fault = node_->status().fault;
    if (!fault.ok()) return Halted();
    const int64_t millis = absl::ToInt64Milliseconds(context_.clock->Now() - began);
    if (args_.shutdown_timeout_ms == 0) {
      Say(absl::StrCat("stopped after ", millis, " ms without a hand-over (--shutdown-timeout-ms 0)"));
      return kExitOk;
    }
    if (!stopped.ok()) {
      return Fail(context_, absl::StrCat("stopped after ", millis, " ms, but not in order: ", stopped.message()),
                  "Nothing that was acknowledged is lost; others take over when this node's session ends");
    }
    Say(absl::StrCat("stopped in order after ", millis, " ms"));
    return kExitOk;
  }

  int Halted() {
    const absl::Status fault = node_->status().fault;
    log_->Write(LogLevel::kError, kComponent, absl::StrCat("the node halted itself: ", fault.message()));
    node_->Shutdown(absl::Seconds(5)).IgnoreError();
    return Fail(context_, absl::StrCat("the node halted itself: ", fault.message()), RemedyForStart(fault, args_));
  }

  const ServerArgs& args_;
  const Context& context_;
  Signals* const signals_;
  const std::shared_ptr<LogSink> log_;
  std::unique_ptr<Node> node_;
  bool is_broker_ = false;
  std::vector<Endpoint> others_;
  bool stopping_ = false;
};

int RunServer(const ServerArgs& args, const Context& context) {
  // Before anything that may start a thread: the mask is inherited.
  absl::StatusOr<std::unique_ptr<Signals>> signals = Signals::Create();
  if (!signals.ok()) return Fail(context, signals.status());
  auto overrides = ParseOverrides(args.overrides);
  if (!overrides.ok()) return Fail(context, overrides.status());
  absl::StatusOr<NodeOptions> options = ReadNodeOptions(context, args.config, *overrides);
  if (!options.ok()) return Fail(context, options.status());
  return Server(args, context, signals->get(), NewStderrLogSink(args.log_level)).Run(*std::move(options));
}

}  // namespace

void AddServerCommand(CLI::App* app, Context* context) {
  CLI::App* command =
      app->add_subcommand("server", "Run a node: a controller, a broker, or both (kafka-server-start.sh)");
  auto args = std::make_shared<ServerArgs>();
  command->add_option("FILE", args->config, "The node's properties file, as Kafka's server.properties")->required();
  command->add_option("--override", args->overrides, "Wins over the file; may be repeated")
      ->type_name("KEY=VALUE")
      ->take_all()
      ->expected(1);
  AddChoice<LogLevel>(command, "--log-level", &args->log_level,
                      {{"debug", LogLevel::kDebug},
                       {"info", LogLevel::kInfo},
                       {"warning", LogLevel::kWarning},
                       {"error", LogLevel::kError}},
                      "What to log: debug, info, warning or error [info]")
      ->type_name("LEVEL");
  command
      ->add_option("--shutdown-timeout-ms", args->shutdown_timeout_ms,
                   "How long an orderly stop may take: leaderships are handed over first [30000]")
      ->type_name("MS")
      ->check(WholeNumber(0, 3'600'000));
  command->callback([args, context] { context->exit_code = RunServer(*args, *context); });
}

}  // namespace quorate::cli
