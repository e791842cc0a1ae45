#include "metadata/image_check.h"

#include <algorithm>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "metadata/digest.h"
#include "metadata/image_state.h"
#include "quorate/status.h"

namespace quorate::metadata {
namespace {

absl::Status Broken(absl::string_view rule) {
  return MakeError(Reason::kCorruption, Outcome::kUnknown,
                   absl::StrCat("The metadata breaks invariant I-22: ", rule, "."));
}

std::string Show(const PartitionId& id) { return absl::StrCat(id.topic.ToString(), "-", id.partition); }

std::string Show(const PartitionInfo& p) {
  std::string text = absl::StrCat("leader ", p.leader.value(), " replicas");
  for (NodeId id : p.replicas) absl::StrAppend(&text, " ", id.value());
  absl::StrAppend(&text, " isr");
  for (NodeId id : p.isr) absl::StrAppend(&text, " ", id.value());
  return text;
}

// What an image derives from its contents, derived again in the dullest way.
struct Derived {
  struct PerBroker {
    size_t replicates = 0;
    size_t in_isr = 0;
    size_t leads = 0;
  };
  std::map<NodeId, PerBroker> brokers;
  size_t topics = 0;
  size_t partitions = 0;
  size_t leaderless = 0;
  MetadataDigest digest;
};

absl::Status CheckPartition(const MetadataImage& image, const PartitionId& id, const PartitionInfo& p,
                            CheckMoment moment) {
  auto active = [&image](NodeId broker) {
    const BrokerInfo* info = image.FindBroker(broker);
    return info != nullptr && info->active();
  };
  const std::string where = absl::StrCat("partition ", Show(id), " (", Show(p), ")");
  if (p.isr.empty()) return Broken(absl::StrCat(where, " has an empty ISR"));
  for (NodeId member : p.isr) {
    if (!p.HasReplica(member)) return Broken(absl::StrCat(where, " has an ISR member that is no replica"));
    if (!active(member) && (p.isr.size() > 1 || p.leader != kNoNode)) {
      return Broken(absl::StrCat(where, " has ISR member ", member.value(), ", which isn't active"));
    }
  }
  if (p.leader != kNoNode && !p.InIsr(p.leader)) return Broken(absl::StrCat(where, " is led from outside its ISR"));
  if (moment == CheckMoment::kAfterBatch && p.leader == kNoNode && std::any_of(p.isr.begin(), p.isr.end(), active)) {
    return Broken(absl::StrCat(where, " has no leader although an ISR member is active"));
  }
  return absl::OkStatus();
}

absl::Status CheckTopics(const MetadataImage& image, CheckMoment moment, Derived& derived) {
  absl::Status status;
  std::string last_name;
  image.ForEachTopic([&](const TopicInfo& topic) {
    ++derived.topics;
    if (derived.topics > 1 && !(last_name < topic.name)) status = Broken("topics aren't sorted by name");
    last_name = std::string(topic.name);
    auto by_id = image.FindTopic(topic.id);
    auto by_name = image.FindTopic(topic.name);
    if (!by_id || by_id->name != topic.name || !by_name || by_name->id != topic.id) {
      status = Broken(absl::StrCat("topic ", topic.name, " isn't found by its name and id alike"));
    }
    AddTo(derived.digest, HashTopic(topic.id, topic.name));
    int32_t next = 0;
    image.ForEachPartition(topic.id, [&](const PartitionId& id, const PartitionInfo& p) {
      if (id.partition != next++ || id.topic != topic.id) status = Broken(absl::StrCat("partitions of ", topic.name));
      if (absl::Status s = CheckPartition(image, id, p, moment); !s.ok()) status = s;
      ++derived.partitions;
      if (p.leader == kNoNode) ++derived.leaderless;
      for (NodeId r : p.replicas) ++derived.brokers[r].replicates;
      for (NodeId r : p.isr) ++derived.brokers[r].in_isr;
      if (p.leader != kNoNode) ++derived.brokers[p.leader].leads;
      AddTo(derived.digest, HashPartition(id, p));
      return status.ok();
    });
    if (next != topic.partition_count) status = Broken(absl::StrCat("the partition count of ", topic.name));
    return status.ok();
  });
  return status;
}

absl::Status CheckHoldings(const MetadataImage& image, NodeId id, const Derived::PerBroker& expected) {
  Derived::PerBroker walked;
  image.ForEachReplicaOf(id, [&](const PartitionId&, const PartitionInfo& p) {
    if (p.HasReplica(id)) ++walked.replicates;
    return true;
  });
  image.ForEachIsrOf(id, [&](const PartitionId&, const PartitionInfo& p) {
    if (p.InIsr(id)) ++walked.in_isr;
    return true;
  });
  image.ForEachLedBy(id, [&](const PartitionId&, const PartitionInfo& p) {
    if (p.leader == id) ++walked.leads;
    return true;
  });
  auto same = [](const Derived::PerBroker& a, const Derived::PerBroker& b) {
    return a.replicates == b.replicates && a.in_isr == b.in_isr && a.leads == b.leads;
  };
  if (same(walked, expected) && same({image.ReplicaCount(id), image.IsrCount(id), image.LeaderCount(id)}, expected)) {
    return absl::OkStatus();
  }
  return Broken(absl::StrCat("the index of broker ", id.value(), " differs from the partitions"));
}

}  // namespace

absl::Status CheckImage(const MetadataImage& image, CheckMoment moment) {
  Derived derived;
  if (absl::Status status = CheckTopics(image, moment, derived); !status.ok()) return status;
  image.ForEachFeature([&](absl::string_view name, int16_t level) {
    AddTo(derived.digest, HashFeature(name, level));
    return true;
  });
  size_t brokers = 0;
  image.ForEachBroker([&](const BrokerInfo& broker) {
    ++brokers;
    AddTo(derived.digest, HashBroker(broker));
    derived.brokers[broker.id];
    return true;
  });
  for (const auto& [id, expected] : derived.brokers) {
    if (absl::Status status = CheckHoldings(image, id, expected); !status.ok()) return status;
  }
  if (image.state().holdings.size() > derived.brokers.size()) return Broken("an index outlived its last partition");
  if (brokers != image.broker_count() || derived.topics != image.topic_count() ||
      derived.partitions != image.partition_count() || derived.leaderless != image.leaderless_count()) {
    return Broken("a count differs from the contents");
  }
  if (!(derived.digest == image.digest())) return Broken("the digest differs from the contents");
  return absl::OkStatus();
}

namespace {

absl::Status CheckChange(const PartitionId& id, const PartitionInfo& before, const PartitionInfo& after) {
  const int32_t changes = after.partition_epoch - before.partition_epoch;
  const int32_t elections = after.leader_epoch - before.leader_epoch;
  const bool moved = before.leader != after.leader;
  const bool same_epochs = before == after || changes > 0;
  if (changes < 0 || elections < 0 || elections > changes || !same_epochs || (moved && elections == 0)) {
    return Broken(absl::StrCat("partition ", Show(id), " went from (", Show(before), ") to (", Show(after),
                               ") with leader epoch +", elections, " and partition epoch +", changes));
  }
  if (changes == 1 && elections != (moved ? 1 : 0)) {
    return Broken(absl::StrCat("partition ", Show(id), " has leader epoch +", elections, " where its leader ",
                               moved ? "changed" : "stayed"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status HistoryChecker::Observe(const MetadataImagePtr& image, const MetadataDelta& delta) {
  absl::Status status = CheckImage(*image);
  if (!status.ok()) return status;
  for (const MetadataDelta::Topic& topic : delta.topics_deleted) deleted_.insert(topic.id);
  size_t changed = 0;
  image->ForEachTopic([&](const TopicInfo& topic) {
    if (deleted_.contains(topic.id)) status = Broken(absl::StrCat("deleted topic ", topic.id.ToString(), " is back"));
    image->ForEachPartition(topic.id, [&](const PartitionId& id, const PartitionInfo& after) {
      auto before = last_->FindPartition(id.topic, id.partition);
      if (before && *before == after) return true;
      ++changed;
      if (!std::binary_search(delta.partitions.begin(), delta.partitions.end(), id)) {
        status = Broken(absl::StrCat("the delta leaves out partition ", Show(id)));
      } else if (before) {
        status = CheckChange(id, *before, after);
      }
      return status.ok();
    });
    return status.ok();
  });
  if (!status.ok()) return status;
  if (changed != delta.partitions.size()) return Broken("the delta names partitions that didn't change");
  last_->ForEachTopic([&](const TopicInfo& topic) {
    if (!image->FindTopic(topic.id) && !deleted_.contains(topic.id)) {
      status = Broken(absl::StrCat("the delta leaves out the deleted topic ", topic.name));
    }
    return status.ok();
  });
  image->ForEachBroker([&](const BrokerInfo& broker) {
    const BrokerInfo* before = last_->FindBroker(broker.id);
    auto [highest, first] = highest_epochs_.try_emplace(broker.id, broker.epoch);
    const bool renewed = before == nullptr || before->incarnation != broker.incarnation;
    if (!first && (broker.epoch < highest->second || (renewed && broker.epoch == highest->second))) {
      status = Broken(absl::StrCat("broker ", broker.id.value(), " registered in epoch ", broker.epoch.value(),
                                   " after epoch ", highest->second.value()));
    }
    highest->second = broker.epoch;
    if ((before == nullptr || !(*before == broker)) &&
        !std::binary_search(delta.brokers.begin(), delta.brokers.end(), broker.id)) {
      status = Broken(absl::StrCat("the delta leaves out broker ", broker.id.value()));
    }
    return status.ok();
  });
  last_ = image;
  return status;
}

}  // namespace quorate::metadata
