// File: quorate/node_options.h
//
// What a Node is told at its start: its roles, where it listens, who its quorum is, where its data
// lies. A host fills the struct, or reads a KRaft `server.properties` into it; both go through the
// same checks, and the names in comments are the keys that Kafka users know (docs/configuration.md has
// all of them).
//
//   std::vector<std::string> warnings;
//   auto options = quorate::ParseServerProperties(text, "server.properties", {}, &warnings);
//   if (!options.ok()) return options.status();   // every problem at once, each with its line
//
// Plain values. No field is read after Node::Create returned.
#ifndef QUORATE_NODE_OPTIONS_H_
#define QUORATE_NODE_OPTIONS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "quorate/metadata.h"
#include "quorate/quorum_types.h"
#include "quorate/types.h"
#include "quorate/voter_change.h"

namespace quorate {

struct NodeOptions {
  // ---- Who --------------------------------------------------------------------------------------
  NodeId id = kNoNode;         // node.id
  bool is_broker = false;      // process.roles
  bool is_controller = false;  // process.roles
  std::string rack;            // broker.rack; empty: none

  // ---- Where ------------------------------------------------------------------------------------
  // listeners: what this node binds. An empty host means every interface, port 0 any free port. A node has
  // one port per name; names are upper case and differ from each other.
  std::vector<Endpoint> listeners;
  // advertised.listeners: what others are told. A name that isn't in here is advertised as it is bound;
  // an empty host then becomes this machine's host name, port 0 the port that was got.
  std::vector<Endpoint> advertised_listeners;
  // controller.listener.names: which names belong to controllers; the first is used for calling out.
  std::vector<std::string> controller_listener_names;
  // inter.broker.listener.name; empty: the listener whose protocol is PLAINTEXT.
  std::string inter_broker_listener;
  // listener.security.protocol.map; empty: each name that is a protocol's name is that protocol, and
  // controller listeners are PLAINTEXT. Only PLAINTEXT is supported so far.
  std::vector<std::pair<std::string, SecurityProtocol>> security_protocols;

  // ---- The quorum -------------------------------------------------------------------------------
  // controller.quorum.voters: a static quorum, by id. Used as long as neither the log nor the data directory
  // names voters (KIP-853).
  std::vector<Voter> static_voters;
  // controller.quorum.bootstrap.servers: where to ask for the quorum.
  std::vector<Endpoint> bootstrap_servers;
  QuorumTimeouts timeouts;  // controller.quorum.*.ms, quorate.quorum.*.ms
  // controller.quorum.auto.join.enable: a controller that is no voter asks to become one (KIP-1186), unless it was
  // removed before. Controllers only.
  bool auto_join = false;
  // quorate.leader.priority: how much this controller wants to lead, 0 (never) to 10 (quorate/voter_change.h).
  uint8_t leader_priority = kPriorityDefault;

  // ---- Data -------------------------------------------------------------------------------------
  std::vector<std::string> log_dirs;            // log.dirs, log.dir
  std::string metadata_log_dir;                 // metadata.log.dir; empty: the first of log_dirs
  uint64_t metadata_segment_bytes = 16u << 20;  // metadata.log.segment.bytes
  // metadata.log.max.record.bytes.between.snapshots, metadata.log.max.snapshot.interval.ms,
  // quorate.snapshot.send.bytes.per.second
  SnapshotPolicy snapshots;
  // quorate.start.backoff.max.ms: bound of Node::start_backoff(); 0: it is always 0.
  absl::Duration start_backoff_max = absl::Minutes(1);

  // ---- Brokers ----------------------------------------------------------------------------------
  absl::Duration broker_heartbeat_interval = absl::Milliseconds(2000);      // broker.heartbeat.interval.ms
  absl::Duration broker_session_timeout = absl::Milliseconds(9000);         // broker.session.timeout.ms
  absl::Duration initial_registration_timeout = absl::Milliseconds(60000);  // initial.broker.registration.timeout.ms
  bool controlled_shutdown = true;                                          // controlled.shutdown.enable

  // ---- Topics -----------------------------------------------------------------------------------
  int32_t num_partitions = 1;              // num.partitions
  int16_t default_replication_factor = 1;  // default.replication.factor
  bool delete_topics = true;               // delete.topic.enable
  bool unclean_leader_election = false;    // unclean.leader.election.enable

  // ---- The controller ---------------------------------------------------------------------------
  // metadata.max.idle.interval.ms: an idle active controller writes an empty record this often (KIP-835); 0: never.
  absl::Duration metadata_idle_interval = absl::Milliseconds(500);
  // Requests that wait for a leader on this node; over it the answer is kOverloaded.
  size_t waiting_requests_max = 1024;
  // Connections on one listener and from one address (max.connections, max.connections.per.ip); 0: limits.h.
  int connections_max = 0;
  int connections_per_address_max = 0;

  [[nodiscard]] const std::string& metadata_dir() const {
    return metadata_log_dir.empty() && !log_dirs.empty() ? log_dirs.front() : metadata_log_dir;
  }
  [[nodiscard]] bool IsControllerListener(absl::string_view name) const;
};

// OK, or one kInvalidArgument that lists every problem, a line for each, by key.
absl::Status ValidateNodeOptions(const NodeOptions& options);

// Reads Kafka's properties format (Java's: comments, continued lines, escapes). `overrides` are key-value pairs
// that win over the text, as with `--override k=v`. An error lists every problem at once: line, key,
// value, and what is allowed. A key that nobody knows is one, with the key that was probably meant; keys that Kafka
// knows and quorate does without are none: `warnings` gets a sentence for each. `file_name` is only for messages.
absl::StatusOr<NodeOptions> ParseServerProperties(absl::string_view text, const std::string& file_name,
                                                  const std::vector<std::pair<std::string, std::string>>& overrides,
                                                  std::vector<std::string>* warnings);

}  // namespace quorate

#endif  // QUORATE_NODE_OPTIONS_H_
