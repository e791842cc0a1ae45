#include "quorate/quorum_node.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorate/system.h"
#include "quorum/host_node.h"
#include "quorum/options.h"

namespace quorate {
namespace quorum {
namespace {

void CheckVoters(const QuorumOptions& options, std::vector<std::string>* problems) {
  if (options.initial_voters.size() > limits::kVotersMax) {
    problems->push_back(absl::StrCat("initial_voters has ", options.initial_voters.size(), " voters, the limit is ",
                                     limits::kVotersMax));
  }
  std::set<NodeId> ids;
  for (const Voter& voter : options.initial_voters) {
    if (voter.key.id.value() < 0) {
      problems->push_back(absl::StrCat("initial_voters has the id ", voter.key.id.value(), ", ids start at 0"));
    }
    if (!ids.insert(voter.key.id).second) {
      problems->push_back(absl::StrCat("initial_voters names node ", voter.key.id.value(), " twice"));
    }
    if (voter.endpoints.empty() && options.initial_voters.size() > 1) {
      problems->push_back(absl::StrCat("voter ", voter.key.id.value(), " has no endpoint"));
    }
    if (voter.key.id == options.self.id && !voter.key.Matches(options.self)) {
      problems->push_back(absl::StrCat("initial_voters has this node with directory ", voter.key.directory.ToString(),
                                       ", but it runs on ", options.self.directory.ToString()));
    }
  }
  if (options.initial_voters.empty() && options.bootstrap_servers.empty()) {
    problems->push_back("initial_voters and bootstrap_servers are both empty: there is no quorum to found or to join");
  }
}

void CheckTimeouts(const QuorumTimeouts& timeouts, std::vector<std::string>* problems) {
  const std::pair<absl::string_view, absl::Duration> all[] = {{"election", timeouts.election},
                                                              {"fetch", timeouts.fetch},
                                                              {"election_backoff_max", timeouts.election_backoff_max},
                                                              {"request", timeouts.request},
                                                              {"retry_backoff", timeouts.retry_backoff},
                                                              {"silence_min", timeouts.silence_min},
                                                              {"disk_stall", timeouts.disk_stall}};
  for (const auto& [name, value] : all) {
    if (value < absl::Milliseconds(1) || value > absl::Hours(1)) {
      problems->push_back(
          absl::StrCat("timeouts.", name, " is ", absl::FormatDuration(value), ", allowed are 1ms to 1h"));
    }
  }
  if (timeouts.apply_stall < absl::ZeroDuration() || timeouts.apply_stall > absl::Hours(1)) {
    problems->push_back(absl::StrCat("timeouts.apply_stall is ", absl::FormatDuration(timeouts.apply_stall),
                                     ", allowed are 0 (never) to 1h"));
  }
  if (timeouts.silence_min > timeouts.fetch) {
    problems->push_back(absl::StrCat("timeouts.silence_min is ", absl::FormatDuration(timeouts.silence_min),
                                     ", which is over timeouts.fetch (", absl::FormatDuration(timeouts.fetch), ")"));
  }
}

void CheckPolicy(const SnapshotPolicy& policy, std::vector<std::string>* problems) {
  if (policy.interval < absl::ZeroDuration() || policy.interval == absl::InfiniteDuration()) {
    problems->push_back(absl::StrCat("snapshots.interval is ", absl::FormatDuration(policy.interval),
                                     ", it must be finite and not negative (0: never by time)"));
  }
}

void CheckMembership(const QuorumOptions& options, std::vector<std::string>* problems) {
  if (options.priority > kPriorityMax) {
    problems->push_back(absl::StrCat("priority is ", int{options.priority}, ", allowed are ", int{kPriorityNever},
                                     " (never leads) to ", int{kPriorityMax}));
  }
  if (options.auto_join && !options.may_vote) {
    problems->push_back("auto_join is set on a node that may not vote (may_vote is false)");
  }
  if (options.advertised_endpoints.size() > limits::kEndpointsMax) {
    problems->push_back(absl::StrCat("advertised_endpoints has ", options.advertised_endpoints.size(),
                                     " endpoints, the limit is ", limits::kEndpointsMax));
  }
  for (const Endpoint& endpoint : options.advertised_endpoints) {
    if (endpoint.host.empty() || endpoint.port == 0 || endpoint.host.size() > limits::kHostNameBytesMax ||
        endpoint.listener.size() > limits::kListenerNameBytesMax) {
      problems->push_back(absl::StrCat("advertised_endpoints has \"", endpoint.ToString(),
                                       "\", which others can't connect to: it needs a host, a port, and names within ",
                                       limits::kHostNameBytesMax, " and ", limits::kListenerNameBytesMax, " bytes"));
    }
  }
  if (options.auto_join && options.advertised_endpoints.empty()) {
    problems->push_back("auto_join is set without advertised_endpoints: a voter must say where it is reached");
  }
}

}  // namespace

absl::Status ValidateOptions(const QuorumOptions& options) {
  std::vector<std::string> problems;
  if (options.cluster_id.is_zero()) problems.push_back("cluster_id is not set");
  if (options.self.id.value() < 0) {
    problems.push_back(absl::StrCat("self.id is ", options.self.id.value(), ", ids start at 0"));
  }
  if (options.self.directory.is_zero()) problems.push_back("self.directory is not set");
  CheckVoters(options, &problems);
  CheckMembership(options, &problems);
  CheckTimeouts(options.timeouts, &problems);
  CheckPolicy(options.snapshots, &problems);
  if (options.batch_bytes_max < 1024 || options.batch_bytes_max > limits::kProposalBytesMax) {
    problems.push_back(absl::StrCat("batch_bytes_max is ", options.batch_bytes_max, ", allowed are 1024 to ",
                                    limits::kProposalBytesMax));
  }
  if (options.pending_bytes_max < options.batch_bytes_max ||
      options.pending_bytes_max > limits::kPendingProposalBytesMax) {
    problems.push_back(absl::StrCat("pending_bytes_max is ", options.pending_bytes_max,
                                    ", allowed are batch_bytes_max (", options.batch_bytes_max, ") to ",
                                    limits::kPendingProposalBytesMax));
  }
  if (options.fetch_credit_bytes < 1024 || options.fetch_credit_bytes > limits::kFetchCreditBytesMax) {
    problems.push_back(absl::StrCat("fetch_credit_bytes is ", options.fetch_credit_bytes, ", allowed are 1024 to ",
                                    limits::kFetchCreditBytesMax));
  }
  if (problems.empty()) return absl::OkStatus();
  return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                   absl::StrCat("the quorum's options have ", problems.size(),
                                problems.size() == 1 ? " problem: " : " problems: ", absl::StrJoin(problems, "; ")));
}

void FillDefaults(QuorumDependencies* dependencies) {
  if (dependencies->clock == nullptr) dependencies->clock = SystemClock();
  if (dependencies->random == nullptr) dependencies->random = SystemRandom();
  if (dependencies->executors == nullptr) dependencies->executors = ThreadExecutorFactory();
  if (dependencies->log_sink == nullptr) dependencies->log_sink = NullLogSink();
}

}  // namespace quorum

absl::StatusOr<std::unique_ptr<QuorumNode>> QuorumNode::Create(QuorumOptions options, QuorumDependencies dependencies) {
  absl::Status valid = quorum::ValidateOptions(options);
  if (!valid.ok()) return valid;
  if (dependencies.log == nullptr || dependencies.election_state == nullptr || dependencies.transport == nullptr ||
      dependencies.state_machine == nullptr) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                     "a QuorumNode needs a log, an election state store, a transport and a state machine");
  }
  quorum::FillDefaults(&dependencies);
  return std::make_unique<quorum::HostNode>(std::move(options), std::move(dependencies));
}

absl::string_view ToString(ReplicaRole role) {
  switch (role) {
    case ReplicaRole::kUnattached:
      return "unattached";
    case ReplicaRole::kProspective:
      return "prospective";
    case ReplicaRole::kCandidate:
      return "candidate";
    case ReplicaRole::kLeader:
      return "leader";
    case ReplicaRole::kFollower:
      return "follower";
    case ReplicaRole::kResigned:
      return "resigned";
    case ReplicaRole::kHalted:
      return "halted";
  }
  return "unknown";
}

}  // namespace quorate
