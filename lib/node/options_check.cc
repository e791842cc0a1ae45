#include "node/options_check.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "node/endpoint_text.h"
#include "node/listener_security.h"
#include "quorate/limits.h"
#include "quorate/status.h"

namespace quorate {

bool NodeOptions::IsControllerListener(absl::string_view name) const {
  return std::any_of(controller_listener_names.begin(), controller_listener_names.end(),
                     [&](const std::string& controller) { return controller == name; });
}

absl::Status ValidateNodeOptions(const NodeOptions& options) {
  std::vector<node::OptionProblem> problems = node::CheckOptions(options);
  if (problems.empty()) return absl::OkStatus();
  std::string message =
      absl::StrCat("the node's options have ", problems.size(), problems.size() == 1 ? " problem:" : " problems:");
  for (const node::OptionProblem& problem : problems)
    absl::StrAppend(&message, "\n  ", problem.key, ": ", problem.message);
  return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, message);
}

}  // namespace quorate

namespace quorate::node {
namespace {

std::string NamesOf(const std::vector<Endpoint>& endpoints) {
  return endpoints.empty() ? "none" : absl::StrJoin(endpoints, ", ", [](std::string* out, const Endpoint& endpoint) {
    absl::StrAppend(out, endpoint.listener);
  });
}

const Endpoint* FindListener(const std::vector<Endpoint>& endpoints, absl::string_view name) {
  for (const Endpoint& endpoint : endpoints) {
    if (endpoint.listener == name) return &endpoint;
  }
  return nullptr;
}

class Checker {
 public:
  explicit Checker(const NodeOptions& options) : options_(options) {}

  std::vector<OptionProblem> Run() {
    CheckIdentity();
    CheckListenerNames();
    CheckPorts();
    CheckControllerListeners();
    CheckAdvertised();
    CheckSecurity();
    CheckInterBroker();
    CheckQuorum();
    CheckDirectories();
    CheckNumbers();
    return std::move(problems_);
  }

 private:
  template <typename... Parts>
  void Problem(std::string key, std::vector<std::string> also_about, const Parts&... parts) {
    problems_.push_back({std::move(key), absl::StrCat(parts...), std::move(also_about)});
  }

  void CheckIdentity() {
    if (!options_.is_broker && !options_.is_controller) {
      Problem("process.roles", {}, "must name what this process is: broker, controller, or broker,controller");
    }
    if (options_.id.value() < 0) Problem("node.id", {}, "must be set to a number of 0 or more, this node's own");
    if (options_.rack.size() > limits::kRackNameBytesMax) {
      Problem("broker.rack", {}, "has ", options_.rack.size(), " bytes: at most ", limits::kRackNameBytesMax,
              " are allowed");
    }
  }

  void CheckListenerNames() {
    if (options_.listeners.empty()) Problem("listeners", {}, "must name at least one listener (NAME://host:port)");
    if (options_.listeners.size() > limits::kEndpointsMax) {
      Problem("listeners", {}, "names ", options_.listeners.size(), " listeners: at most ", limits::kEndpointsMax,
              " are allowed");
    }
    CheckUnique("listeners", options_.listeners);
    CheckUnique("advertised.listeners", options_.advertised_listeners);
  }

  void CheckUnique(const std::string& key, const std::vector<Endpoint>& endpoints) {
    std::set<absl::string_view> names;
    for (const Endpoint& endpoint : endpoints) {
      if (!names.insert(endpoint.listener).second) {
        Problem(key, {}, "names ", endpoint.listener, " twice: each listener must have a different name");
      }
    }
  }

  // A port belongs to one listener, or to two of which one is on an IPv4 and the other on an IPv6 address.
  void CheckPorts() {
    for (size_t i = 0; i < options_.listeners.size(); ++i) {
      const Endpoint& one = options_.listeners[i];
      for (size_t j = i + 1; j < options_.listeners.size(); ++j) {
        const Endpoint& other = options_.listeners[j];
        const bool both_families = (IsIpv4Literal(one.host) && IsIpv6Literal(other.host)) ||
                                   (IsIpv6Literal(one.host) && IsIpv4Literal(other.host));
        if (one.port != 0 && one.port == other.port && !both_families) {
          Problem("listeners", {}, "has ", one.listener, " and ", other.listener, " on the same port ", one.port,
                  ": each listener needs its own");
        }
      }
    }
  }

  void CheckControllerListeners() {
    const std::vector<std::string>& names = options_.controller_listener_names;
    if (names.empty()) {
      Problem("controller.listener.names", {},
              "must name the listeners of controllers (as a rule CONTROLLER), on every node");
      return;
    }
    std::set<absl::string_view> seen;
    for (const std::string& name : names) {
      if (!seen.insert(name).second) Problem("controller.listener.names", {}, "names ", name, " twice");
      const bool bound = FindListener(options_.listeners, name) != nullptr;
      if (options_.is_controller && !bound) {
        Problem("controller.listener.names", {"listeners", "process.roles"}, "names ", name,
                ", which isn't among the listeners (", NamesOf(options_.listeners),
                "): a controller must listen on each of them");
      }
      if (!options_.is_controller && options_.is_broker && bound) {
        Problem("listeners", {"controller.listener.names", "process.roles"}, "has the controller listener ", name,
                ", but this process is no controller");
      }
    }
    if (options_.is_controller && !options_.is_broker) {
      for (const Endpoint& endpoint : options_.listeners) {
        if (options_.IsControllerListener(endpoint.listener)) continue;
        Problem(
            "listeners", {"controller.listener.names", "process.roles"}, "has ", endpoint.listener,
            ", which isn't in controller.listener.names: a process that is only a controller has only such listeners");
      }
    }
    if (options_.is_broker && !options_.listeners.empty() && BrokerListeners().empty()) {
      Problem("listeners", {"controller.listener.names", "process.roles"},
              "has no listener for the broker: all of them are in controller.listener.names");
    }
  }

  std::vector<Endpoint> BrokerListeners() const {
    std::vector<Endpoint> kept;
    for (const Endpoint& endpoint : options_.listeners) {
      if (!options_.IsControllerListener(endpoint.listener)) kept.push_back(endpoint);
    }
    return kept;
  }

  void CheckAdvertised() {
    for (const Endpoint& endpoint : options_.advertised_listeners) {
      if (FindListener(options_.listeners, endpoint.listener) == nullptr) {
        Problem("advertised.listeners", {"listeners"}, "has ", endpoint.listener, ", which isn't among the listeners (",
                NamesOf(options_.listeners), ")");
      }
      if (IsAnyAddress(endpoint.host)) {
        Problem("advertised.listeners", {}, "tells others to connect to ", endpoint.host, " for ", endpoint.listener,
                ": give an address that they can reach");
      }
    }
    for (const Endpoint& endpoint : options_.listeners) {
      if (IsAnyAddress(endpoint.host) && FindListener(options_.advertised_listeners, endpoint.listener) == nullptr) {
        Problem("advertised.listeners", {"listeners"}, "must have an address for ", endpoint.listener,
                ", which listens on ", endpoint.host, ": others can't connect to that");
      }
    }
  }

  void CheckSecurity() {
    std::set<absl::string_view> seen;
    for (const auto& [name, protocol] : options_.security_protocols) {
      if (!seen.insert(name).second) Problem("listener.security.protocol.map", {}, "names ", name, " twice");
    }
    std::vector<std::string> used;
    for (const Endpoint& endpoint : options_.listeners) used.push_back(endpoint.listener);
    for (const std::string& name : options_.controller_listener_names) {
      if (std::find(used.begin(), used.end(), name) == used.end()) used.push_back(name);
    }
    for (const std::string& name : used) {
      SecurityProtocol protocol;
      if (!FindSecurityProtocol(options_, name, &protocol)) {
        Problem("listener.security.protocol.map", {"listeners", "controller.listener.names"},
                "has no entry for the listener ", name, ": add ", name, ":PLAINTEXT");
      } else if (protocol != SecurityProtocol::kPlaintext) {
        Problem("listener.security.protocol.map", {"listeners", "controller.listener.names"}, "makes ", name,
                " a listener of ", ProtocolName(protocol), ": this version of quorate speaks only PLAINTEXT");
      }
    }
  }

  void CheckInterBroker() {
    if (!options_.is_broker) return;
    const std::vector<Endpoint> mine = BrokerListeners();
    if (mine.empty()) return;
    const std::string& name = options_.inter_broker_listener;
    if (!name.empty() && FindListener(mine, name) == nullptr) {
      Problem("inter.broker.listener.name", {"listeners", "controller.listener.names"}, "is ", name,
              ", which is not a listener of this broker (", NamesOf(mine), ")");
    } else if (InterBrokerListener(options_).empty()) {
      Problem("inter.broker.listener.name", {"listeners", "controller.listener.names"},
              "must say which of this broker's listeners (", NamesOf(mine), ") other brokers use");
    }
  }

  void CheckQuorum() {
    if (options_.static_voters.empty() && options_.bootstrap_servers.empty()) {
      Problem("controller.quorum.bootstrap.servers", {"controller.quorum.voters"},
              "must name controllers (host:port,…), unless controller.quorum.voters names the voters (id@host:port,…)");
    }
    if (options_.static_voters.size() > limits::kVotersMax) {
      Problem("controller.quorum.voters", {}, "names ", options_.static_voters.size(), " voters: at most ",
              limits::kVotersMax, " are allowed");
    }
    if (options_.auto_join && !options_.is_controller) {
      Problem("controller.quorum.auto.join.enable", {"process.roles"},
              "is true, but this process is no controller: only a controller can become a voter");
    }
    if (options_.leader_priority > kPriorityMax) {
      Problem("quorate.leader.priority", {}, "is ", int{options_.leader_priority}, ": it must be from ",
              int{kPriorityNever}, " (never leads) to ", int{kPriorityMax});
    }
    std::set<NodeId> ids;
    for (const Voter& voter : options_.static_voters) {
      if (!ids.insert(voter.key.id).second) {
        Problem("controller.quorum.voters", {}, "names node ", voter.key.id.value(), " twice");
      }
      if (voter.endpoints.empty()) {
        Problem("controller.quorum.voters", {}, "has no address for node ", voter.key.id.value());
      }
    }
    if (options_.static_voters.empty() || options_.id.value() < 0) return;
    const bool is_named = ids.count(options_.id) > 0;
    if (options_.is_controller && !is_named) {
      Problem("controller.quorum.voters", {"node.id", "process.roles"}, "doesn't name this controller's node.id ",
              options_.id.value());
    }
    if (!options_.is_controller && is_named) {
      Problem("node.id", {"controller.quorum.voters", "process.roles"}, "is ", options_.id.value(),
              ", which controller.quorum.voters names as a voter, but this process is no controller");
    }
  }

  void CheckDirectories() {
    if (options_.metadata_dir().empty()) {
      Problem("log.dirs", {"metadata.log.dir", "log.dir"}, "must name the directory for this node's data");
    }
  }

  void CheckDuration(const std::string& key, absl::Duration value, absl::Duration min,
                     absl::Duration max = absl::Milliseconds(INT32_MAX)) {
    if (value < min || value > max) {
      Problem(key, {}, "is ", absl::ToInt64Milliseconds(value), " ms: it must be from ", absl::ToInt64Milliseconds(min),
              " to ", absl::ToInt64Milliseconds(max));
    }
  }

  void CheckNumbers() {
    const absl::Duration one = absl::Milliseconds(1);
    const absl::Duration hour = absl::Hours(1);  // the quorum's own bound
    CheckDuration("controller.quorum.election.timeout.ms", options_.timeouts.election, one, hour);
    CheckDuration("controller.quorum.fetch.timeout.ms", options_.timeouts.fetch, one, hour);
    CheckDuration("controller.quorum.election.backoff.max.ms", options_.timeouts.election_backoff_max, one, hour);
    CheckDuration("controller.quorum.request.timeout.ms", options_.timeouts.request, one, hour);
    CheckDuration("controller.quorum.retry.backoff.ms", options_.timeouts.retry_backoff, one, hour);
    CheckDuration("quorate.quorum.silence.min.ms", options_.timeouts.silence_min, one, hour);
    CheckDuration("quorate.quorum.disk.stall.ms", options_.timeouts.disk_stall, one, hour);
    CheckDuration("quorate.quorum.apply.stall.ms", options_.timeouts.apply_stall, absl::ZeroDuration(), hour);
    if (options_.timeouts.silence_min > options_.timeouts.fetch) {
      Problem("quorate.quorum.silence.min.ms", {"controller.quorum.fetch.timeout.ms"}, "is ",
              absl::ToInt64Milliseconds(options_.timeouts.silence_min),
              " ms: it must not be longer than controller.quorum.fetch.timeout.ms (",
              absl::ToInt64Milliseconds(options_.timeouts.fetch), " ms)");
    }
    CheckDuration("metadata.log.max.snapshot.interval.ms", options_.snapshots.interval, absl::ZeroDuration());
    CheckDuration("quorate.start.backoff.max.ms", options_.start_backoff_max, absl::ZeroDuration(), hour);
    CheckDuration("broker.heartbeat.interval.ms", options_.broker_heartbeat_interval, one);
    CheckDuration("broker.session.timeout.ms", options_.broker_session_timeout, one);
    CheckDuration("initial.broker.registration.timeout.ms", options_.initial_registration_timeout, one);
    CheckDuration("metadata.max.idle.interval.ms", options_.metadata_idle_interval, absl::ZeroDuration());
    if (options_.metadata_segment_bytes < (8u << 20) || options_.metadata_segment_bytes > (1u << 30)) {
      Problem("metadata.log.segment.bytes", {}, "is ", options_.metadata_segment_bytes, ": it must be from ", 8 << 20,
              " to ", 1 << 30);
    }
    if (options_.num_partitions < 1 || options_.num_partitions > limits::kPartitionsPerTopicMax) {
      Problem("num.partitions", {}, "is ", options_.num_partitions, ": it must be from 1 to ",
              limits::kPartitionsPerTopicMax);
    }
    if (options_.default_replication_factor < 1) {
      Problem("default.replication.factor", {}, "is ", options_.default_replication_factor,
              ": it must be from 1 to 32767");
    }
    if (options_.waiting_requests_max == 0) Problem("waiting_requests_max", {}, "must be at least 1");
    if (options_.connections_max < 0) Problem("max.connections", {}, "must not be negative");
    if (options_.connections_per_address_max < 0) Problem("max.connections.per.ip", {}, "must not be negative");
  }

  const NodeOptions& options_;
  std::vector<OptionProblem> problems_;
};

}  // namespace

std::vector<OptionProblem> CheckOptions(const NodeOptions& options) { return Checker(options).Run(); }

std::vector<OptionProblem> QuestionableOptions(const NodeOptions& options) {
  std::vector<OptionProblem> found;
  if (options.is_broker && options.broker_heartbeat_interval * 2 > options.broker_session_timeout) {
    found.push_back({"broker.session.timeout.ms",
                     "is less than twice broker.heartbeat.interval.ms: one lost heartbeat fences a broker",
                     {}});
  }
  if (options.log_dirs.size() > 1) {
    found.push_back({"log.dirs",
                     absl::StrCat("names ", options.log_dirs.size(), " directories: only the metadata log is kept, in ",
                                  options.metadata_dir(), "; the others stay empty"),
                     {}});
  }
  if (!options.is_controller && options.controller_listener_names.size() > 1) {
    found.push_back({"controller.listener.names",
                     absl::StrCat("names several listeners: ", options.controller_listener_names[0],
                                  " is the one that is used for calling controllers"),
                     {}});
  }
  if (options.timeouts.fetch < options.timeouts.election) {
    found.push_back(
        {"controller.quorum.fetch.timeout.ms",
         "is shorter than controller.quorum.election.timeout.ms: a new leader may be given up before it is known",
         {}});
  }
  if (options.auto_join && !options.static_voters.empty()) {
    found.push_back({"controller.quorum.auto.join.enable",
                     "has no effect together with controller.quorum.voters: such a quorum has the voters that are "
                     "listed there",
                     {}});
  }
  if (options.snapshots.log_bytes == 0 && options.snapshots.interval == absl::ZeroDuration()) {
    found.push_back({"metadata.log.max.snapshot.interval.ms",
                     "is 0, and no snapshots are taken by bytes either: the log grows for ever",
                     {}});
  }
  return found;
}

}  // namespace quorate::node
