#include "node/kafka_keys.h"

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace quorate::node {
namespace {

// The keys that configuration.cc reads, for suggestions.
constexpr absl::string_view kReadKeys[] = {"advertised.listeners",
                                           "broker.heartbeat.interval.ms",
                                           "broker.id",
                                           "broker.rack",
                                           "broker.session.timeout.ms",
                                           "controlled.shutdown.enable",
                                           "controller.listener.names",
                                           "controller.quorum.auto.join.enable",
                                           "controller.quorum.bootstrap.servers",
                                           "controller.quorum.election.backoff.max.ms",
                                           "controller.quorum.election.timeout.ms",
                                           "controller.quorum.fetch.timeout.ms",
                                           "controller.quorum.request.timeout.ms",
                                           "controller.quorum.retry.backoff.ms",
                                           "controller.quorum.voters",
                                           "default.replication.factor",
                                           "delete.topic.enable",
                                           "initial.broker.registration.timeout.ms",
                                           "inter.broker.listener.name",
                                           "listener.security.protocol.map",
                                           "listeners",
                                           "log.dir",
                                           "log.dirs",
                                           "max.connections",
                                           "max.connections.per.ip",
                                           "metadata.log.dir",
                                           "metadata.log.max.record.bytes.between.snapshots",
                                           "metadata.log.max.snapshot.interval.ms",
                                           "metadata.log.segment.bytes",
                                           "metadata.max.idle.interval.ms",
                                           "node.id",
                                           "num.partitions",
                                           "process.roles",
                                           "quorate.leader.priority",
                                           "quorate.quorum.apply.stall.ms",
                                           "quorate.quorum.disk.stall.ms",
                                           "quorate.quorum.silence.min.ms",
                                           "quorate.snapshot.send.bytes.per.second",
                                           "quorate.start.backoff.max.ms",
                                           "security.inter.broker.protocol",
                                           "unclean.leader.election.enable"};

struct Remark {
  absl::string_view pattern;  // a key; or with a '.' at the end, the start of keys
  absl::string_view text;
};

// The first match counts.
constexpr Remark kRemarks[] = {
    {"authorizer.class.name",
     "has no effect: quorate has no authorizer, so everybody who can connect may do everything"},
    {"auto.create.topics.enable", "has no effect: topics are only created on request"},
    {"auto.leader.rebalance.enable",
     "has no effect yet: leaderships aren't moved back to the preferred replicas by themselves"},
    {"controller.quorum.append.linger.ms", "has no effect: quorate doesn't wait to fill a batch"},
    {"controller.quorum.", "has no effect here, though Kafka knows such keys"},
    {"early.start.listeners", "has no effect: every listener accepts from the start"},
    {"metadata.max.retention.",
     "has no effect: the two newest snapshots and the log behind the older one are kept, whatever their age and size"},
    {"metadata.log.segment.ms", "has no effect: segments end by size only"},
    {"min.insync.replicas", "has no effect yet: there is no data of partitions"},
    {"zookeeper.", "belongs to ZooKeeper, which quorate does without"},
    {"log.", "has no effect yet: only the metadata log is kept"},
    {"ssl.", "has no effect: this version speaks only PLAINTEXT"},
    {"sasl.", "has no effect: this version speaks only PLAINTEXT"},
    {"num.", "has no effect: quorate has no such threads"},
    {"socket.", "has no effect here, though Kafka knows such keys"},
};

// Kafka's other groups of keys, none of which has a counterpart here.
constexpr absl::string_view kKafkaGroups[] = {
    "add.",        "advertised.", "alter.",       "authorizer.",  "auto.",       "background.",  "bootstrap.",
    "broker.",     "client.",     "compression.", "config.",      "connection.", "connections.", "controlled.",
    "controller.", "cordoned.",   "create.",      "delegation.",  "delete.",     "early.",       "eligible.",
    "enable.",     "fetch.",      "follower.",    "group.",       "initial.",    "inter.",       "internal.",
    "kafka.",      "leader.",     "listener.",    "max.",         "message.",    "metadata.",    "metric.",
    "metrics.",    "offset.",     "offsets.",     "password.",    "principal.",  "producer.",    "quota.",
    "queued.",     "remote.",     "replica.",     "replication.", "request.",    "reserved.",    "security.",
    "server.",     "share.",      "streams.",     "super.",       "telemetry.",  "transaction.", "transactional.",
    "unclean.",    "unstable."};

size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j - 1] + 1, above + 1, diagonal + (a[i - 1] == b[j - 1] ? 0u : 1u)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

UnreadKey JudgeUnreadKey(absl::string_view key) {
  absl::string_view nearest;
  size_t nearest_distance = 3;  // further away is another word, not a slip
  if (key.size() <= 128) {
    for (absl::string_view known : kReadKeys) {
      if (const size_t distance = EditDistance(key, known); distance < nearest_distance) {
        nearest = known;
        nearest_distance = distance;
      }
    }
  }
  if (!nearest.empty()) return {false, absl::StrCat("is not known; did you mean '", nearest, "'?")};
  for (const Remark& remark : kRemarks) {
    const bool is_group = absl::EndsWith(remark.pattern, ".");
    if (is_group ? absl::StartsWith(key, remark.pattern) : key == remark.pattern)
      return {true, std::string(remark.text)};
  }
  for (absl::string_view group : kKafkaGroups) {
    if (absl::StartsWith(key, group)) return {true, "has no effect here, though Kafka knows such keys"};
  }
  return {false, "is not known, neither here nor to Kafka: correct it, or take the line out"};
}

}  // namespace quorate::node
