// Node::Create: everything that can be checked before anything runs.
#include "quorate/node.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "node/node_impl.h"
#include "quorate/status.h"
#include "quorate/system.h"
#include "quorum/options.h"

namespace quorate {
namespace {

void FillDefaults(NodeDependencies* dependencies) {
  if (dependencies->clock == nullptr) dependencies->clock = SystemClock();
  if (dependencies->random == nullptr) dependencies->random = SystemRandom();
  if (dependencies->files == nullptr) dependencies->files = PosixFileSystem();
  if (dependencies->executors == nullptr) dependencies->executors = ThreadExecutorFactory();
  if (dependencies->log_sink == nullptr) dependencies->log_sink = NullLogSink();
  if (dependencies->network == nullptr) dependencies->network = NewGrpcNodeNetwork(dependencies->log_sink);
}

absl::Status OpenDirectory(const NodeOptions& options, NodeDependencies* dependencies) {
  if (dependencies->directory == nullptr) {
    FileStorageOptions storage;
    storage.path = options.metadata_dir();
    storage.segment_bytes = options.metadata_segment_bytes;
    storage.files = dependencies->files;
    storage.executors = dependencies->executors;
    storage.clock = dependencies->clock;
    storage.log_sink = dependencies->log_sink;
    absl::StatusOr<std::unique_ptr<DataDirectory>> directory = DataDirectory::Open(std::move(storage));
    if (!directory.ok()) return directory.status();
    dependencies->directory = *std::move(directory);
  }
  const DirectoryIdentity& identity = dependencies->directory->identity();
  if (identity.node_id != options.id) {
    return MakeError(
        Reason::kWrongReplica, Outcome::kNotApplied,
        absl::StrCat("the data directory ", options.metadata_dir(), " belongs to node ", identity.node_id.value(),
                     ", but node.id is ", options.id.value(), ": give each node its own directory"));
  }
  return absl::OkStatus();
}

absl::StatusOr<QuorumOptions> MakeQuorumOptions(const NodeOptions& options, const DirectoryIdentity& identity) {
  QuorumOptions quorum;
  quorum.cluster_id = identity.cluster_id;
  quorum.self = {options.id, identity.directory_id};
  // What the directory was formatted with belongs to the quorum's history; a configuration may be edited.
  quorum.initial_voters = identity.initial_voters.value_or(options.static_voters);
  quorum.bootstrap_servers = options.bootstrap_servers;
  for (const Voter& voter : options.static_voters) {
    if (options.bootstrap_servers.empty() && voter.key.id != options.id) {
      quorum.bootstrap_servers.push_back(voter.endpoints.front());
    }
  }
  quorum.may_vote = options.is_controller;
  quorum.priority = options.leader_priority;
  quorum.snapshots = options.snapshots;
  quorum.timeouts = options.timeouts;
  if (absl::Status bad = quorum::ValidateOptions(quorum); !bad.ok()) return bad;
  // Needs the endpoints to join with, which are known when the ports are bound (NodeImpl::MakeEngine).
  quorum.auto_join = options.auto_join;
  return quorum;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Node>> Node::Create(NodeOptions options, NodeDependencies dependencies) {
  if (absl::Status bad = ValidateNodeOptions(options); !bad.ok()) return bad;
  FillDefaults(&dependencies);
  if (absl::Status opened = OpenDirectory(options, &dependencies); !opened.ok()) return opened;
  absl::StatusOr<QuorumOptions> quorum = MakeQuorumOptions(options, dependencies.directory->identity());
  if (!quorum.ok()) return quorum.status();
  return std::make_unique<node::NodeImpl>(std::move(options), std::move(dependencies), *std::move(quorum));
}

}  // namespace quorate
