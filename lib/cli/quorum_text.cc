#include "cli/quorum_text.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace quorate::cli {

namespace {

using Json = nlohmann::ordered_json;

// Kafka's own spelling of a list of replicas: JSON, with a space after each comma and colon.
std::string ReplicaList(const std::vector<ReplicaStatus>& replicas, bool with_endpoints) {
  std::vector<std::string> entries;
  for (const ReplicaStatus& replica : replicas) {
    std::string entry = absl::StrFormat("{\"id\": %d, \"directoryId\": \"%s\"", replica.key.id.value(),
                                        replica.key.directory.ToString());
    if (with_endpoints) {
      absl::StrAppend(&entry, ", \"endpoints\": [",
                      absl::StrJoin(replica.endpoints, ", ",
                                    [](std::string* out, const Endpoint& endpoint) {
                                      absl::StrAppend(out, "\"", endpoint.ToString(), "\"");
                                    }),
                      "]");
    }
    entries.push_back(entry + "}");
  }
  return absl::StrCat("[", absl::StrJoin(entries, ", "), "]");
}

std::vector<ReplicaStatus> AsReplicas(const std::vector<Voter>& voters) {
  std::vector<ReplicaStatus> replicas;
  for (const Voter& voter : voters) {
    ReplicaStatus& replica = replicas.emplace_back();
    replica.key = voter.key;
    replica.endpoints = voter.endpoints;
  }
  return replicas;
}

Json ReplicasAsJson(const std::vector<ReplicaStatus>& replicas) {
  Json list = Json::array();
  for (const ReplicaStatus& replica : replicas) {
    Json endpoints = Json::array();
    for (const Endpoint& endpoint : replica.endpoints) endpoints.push_back(endpoint.ToString());
    list.push_back(Json{{"id", replica.key.id.value()},
                        {"directoryId", replica.key.directory.ToString()},
                        {"endpoints", std::move(endpoints)}});
  }
  return list;
}

Json PendingAsJson(const std::optional<PendingVoterChange>& pending) {
  if (!pending.has_value()) return nullptr;
  return Json{{"kind", ToString(pending->change.kind).data()},
              {"controllerId", pending->change.voter.key.id.value()},
              {"directoryId", pending->change.voter.key.directory.ToString()},
              {"automatic", pending->change.automatic},
              {"phase", ToString(pending->phase).data()},
              {"record", pending->record.value()},
              {"caughtUpTo", pending->caught_up_to.value()},
              {"catchUpTarget", pending->catch_up_target.value()}};
}

Offset LeaderEnd(const QuorumDescription& quorum) {
  for (const ReplicaStatus& voter : quorum.voters) {
    if (voter.key.id == quorum.leader && voter.log_end != kNoOffset) return voter.log_end;
  }
  return quorum.log_end;
}

struct Row {
  const ReplicaStatus* replica;
  const char* status;
};

// Leader, then followers, then observers, each by id.
std::vector<Row> SortedRows(const QuorumDescription& quorum) {
  const auto by_id = [](const Row& a, const Row& b) { return a.replica->key < b.replica->key; };
  std::vector<Row> rows, followers, observers;
  for (const ReplicaStatus& voter : quorum.voters) {
    (voter.key.id == quorum.leader ? rows : followers)
        .push_back({&voter, voter.key.id == quorum.leader ? "Leader" : "Follower"});
  }
  for (const ReplicaStatus& observer : quorum.observers) observers.push_back({&observer, "Observer"});
  std::sort(followers.begin(), followers.end(), by_id);
  std::sort(observers.begin(), observers.end(), by_id);
  rows.insert(rows.end(), followers.begin(), followers.end());
  rows.insert(rows.end(), observers.begin(), observers.end());
  return rows;
}

std::string ShownTime(absl::Time time, std::optional<absl::Time> ages_from) {
  const int64_t millis = UnixMillis(time);
  if (!ages_from || millis < 0) return absl::StrCat(millis);
  // Two clocks were read, and one may be ahead of the other.
  return absl::StrCat(std::max<int64_t>(0, absl::ToInt64Milliseconds(*ages_from - time)), " ms ago");
}

}  // namespace

std::string PendingChangeText(const PendingVoterChange& pending) {
  const int32_t id = pending.change.voter.key.id.value();
  std::string text;
  switch (pending.change.kind) {
    case VoterChange::Kind::kAdd:
      text = absl::StrCat("adding controller ", id, pending.change.automatic ? ", which asked for it" : "");
      break;
    case VoterChange::Kind::kRemove:
      text = absl::StrCat("removing controller ", id);
      break;
    case VoterChange::Kind::kUpdate:
      text = absl::StrCat("updating the endpoints of controller ", id);
      break;
  }
  switch (pending.phase) {
    case PendingVoterChange::Phase::kProbing:
      return absl::StrCat(text, ": asking its endpoint who is there");
    case PendingVoterChange::Phase::kCatchingUp:
      break;
    case PendingVoterChange::Phase::kCommitting:
      return absl::StrCat(text, ": waiting for a majority to store the new voter set (offset ", pending.record.value(),
                          ")");
  }
  if (pending.caught_up_to == kNoOffset) return absl::StrCat(text, ": catching up, it hasn't fetched yet");
  const int64_t target = std::max<int64_t>(pending.catch_up_target.value(), 1);
  const int64_t done = std::clamp<int64_t>(pending.caught_up_to.value(), 0, target);
  return absl::StrCat(text, ": catching up, ", done, " of ", target, " records (", done * 100 / target, " %)");
}

FollowerLag MaxFollowerLag(const QuorumDescription& quorum) {
  FollowerLag lag;
  const Offset leader_end = LeaderEnd(quorum);
  absl::Time leader_caught_up = absl::InfinitePast();
  absl::Time slowest = absl::InfiniteFuture();
  for (const ReplicaStatus& voter : quorum.voters) {
    lag.records = std::max(lag.records, leader_end - std::max(voter.log_end, Offset(0)));
    slowest = std::min(slowest, voter.last_caught_up);
    if (voter.key.id == quorum.leader) leader_caught_up = voter.last_caught_up;
  }
  if (UnixMillis(leader_caught_up) > 0 && UnixMillis(slowest) > 0) {
    lag.millis = std::max<int64_t>(0, absl::ToInt64Milliseconds(leader_caught_up - slowest));
  }
  return lag;
}

void PrintQuorumStatus(std::ostream& out, OutputFormat format, const QuorumDescription& quorum) {
  const FollowerLag lag = MaxFollowerLag(quorum);
  if (format == OutputFormat::kJson) {
    out << Json{{"clusterId", quorum.cluster_id.ToString()},
                {"leaderId", quorum.leader.value()},
                {"leaderEpoch", quorum.epoch.value()},
                {"highWatermark", quorum.high_watermark.value()},
                {"maxFollowerLag", lag.records},
                {"maxFollowerLagTimeMs", lag.millis},
                {"currentVoters", ReplicasAsJson(quorum.voters)},
                {"currentObservers", ReplicasAsJson(quorum.observers)},
                {"committedVoters",
                 quorum.committed_voters ? ReplicasAsJson(AsReplicas(*quorum.committed_voters)) : Json(nullptr)},
                {"pendingChange", PendingAsJson(quorum.voter_change)},
                {"snapshot",
                 Json{{"endOffset", quorum.snapshot.end.value()}, {"epoch", quorum.snapshot.epoch.value()}}},
                {"leaderDiskAgeMs", absl::ToInt64Milliseconds(quorum.disk_age)},
                {"leaderApplyAgeMs", absl::ToInt64Milliseconds(quorum.apply_age)},
                {"leaderApplyStalled", quorum.apply_stalled}}
               .dump(2)
        << '\n';
    return;
  }
  const auto line = [&](const char* label, const std::string& value) {
    out << absl::StrFormat("%-24s%s\n", label, value);
  };
  line("ClusterId:", quorum.cluster_id.ToString());
  line("LeaderId:", absl::StrCat(quorum.leader.value()));
  line("LeaderEpoch:", absl::StrCat(quorum.epoch.value()));
  line("HighWatermark:", absl::StrCat(quorum.high_watermark.value()));
  line("MaxFollowerLag:", absl::StrCat(lag.records));
  line("MaxFollowerLagTimeMs:", absl::StrCat(lag.millis));
  line("CurrentVoters:", ReplicaList(quorum.voters, true));
  line("CurrentObservers:", ReplicaList(quorum.observers, false));
  // Not Kafka's; only there while the voter set changes.
  if (quorum.committed_voters) line("CommittedVoters:", ReplicaList(AsReplicas(*quorum.committed_voters), true));
  if (quorum.voter_change) line("PendingChange:", PendingChangeText(*quorum.voter_change));
  // Nor these; only there when something has been under way for a while: a disk that hangs, a state machine that is
  // stuck.
  if (const int64_t age = absl::ToInt64Milliseconds(quorum.disk_age); age > 0) {
    line("LeaderDiskAgeMs:", absl::StrCat(age));
  }
  if (const int64_t age = absl::ToInt64Milliseconds(quorum.apply_age); age > 0) {
    line("LeaderApplyAgeMs:", absl::StrCat(age, quorum.apply_stalled ? " (stalled)" : ""));
  }
}

void PrintReplication(std::ostream& out, OutputFormat format, const QuorumDescription& quorum,
                      std::optional<absl::Time> ages_from) {
  const Offset leader_end = LeaderEnd(quorum);
  Json list = Json::array();
  std::vector<std::vector<std::string>> table = {
      {"NodeId", "DirectoryId", "LogEndOffset", "Lag", "LastFetchTimestamp", "LastCaughtUpTimestamp", "Status"}};
  for (const Row& row : SortedRows(quorum)) {
    const ReplicaStatus& replica = *row.replica;
    const int64_t lag = leader_end - std::max(replica.log_end, Offset(0));
    if (format == OutputFormat::kJson) {
      list.push_back(Json{{"nodeId", replica.key.id.value()},
                          {"directoryId", replica.key.directory.ToString()},
                          {"logEndOffset", replica.log_end.value()},
                          {"lag", lag},
                          {"lastFetchTimestamp", UnixMillis(replica.last_fetch)},
                          {"lastCaughtUpTimestamp", UnixMillis(replica.last_caught_up)},
                          {"status", row.status}});
      continue;
    }
    table.push_back({absl::StrCat(replica.key.id.value()), replica.key.directory.ToString(),
                     absl::StrCat(replica.log_end.value()), absl::StrCat(lag), ShownTime(replica.last_fetch, ages_from),
                     ShownTime(replica.last_caught_up, ages_from), row.status});
  }
  if (format == OutputFormat::kJson) {
    out << Json{{"replicas", std::move(list)}}.dump(2) << '\n';
  } else {
    PrintTable(out, table);
  }
}

}  // namespace quorate::cli
