// File: controller/config.h
//
// What the controller is told once. The comments give Kafka's configuration keys.
#ifndef QUORATE_CONTROLLER_CONFIG_H_
#define QUORATE_CONTROLLER_CONFIG_H_

#include <cstdint>

#include "absl/time/time.h"
#include "quorate/metadata.h"
#include "quorate/types.h"

namespace quorate::controller {

struct ControllerConfig {
  ClusterId cluster_id;
  absl::Duration broker_session_timeout = absl::Seconds(9);  // broker.session.timeout.ms
  int32_t default_partitions = 1;                            // num.partitions
  int32_t default_replication_factor = 1;                    // default.replication.factor
  bool delete_topic_enable = true;                           // delete.topic.enable
  bool unclean_leader_election_enable = false;               // unclean.leader.election.enable
  int16_t bootstrap_metadata_version = kMetadataVersionMax;  // of a new cluster
};

}  // namespace quorate::controller

#endif  // QUORATE_CONTROLLER_CONFIG_H_
