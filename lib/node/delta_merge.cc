#include "node/delta_merge.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

namespace quorate::node {
namespace {

template <typename T>
std::vector<T> Union(const std::vector<T>& a, const std::vector<T>& b) {
  std::vector<T> both;
  both.reserve(a.size() + b.size());
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both;
}

void BecomeEverything(MetadataDelta* delta) {
  MetadataDelta whole;
  whole.base = std::move(delta->base);
  whole.everything = true;
  *delta = std::move(whole);
}

}  // namespace

void MergeDelta(MetadataDelta* into, const MetadataDelta& later) {
  if (into->everything) return;
  if (later.everything) {
    BecomeEverything(into);
    return;
  }
  std::set<TopicId> created;
  for (const MetadataDelta::Topic& topic : into->topics_created) created.insert(topic.id);
  std::set<TopicId> gone;
  for (const MetadataDelta::Topic& topic : later.topics_deleted) {
    gone.insert(topic.id);
    if (created.count(topic.id) == 0) into->topics_deleted.push_back(topic);
  }
  if (!gone.empty()) {
    std::erase_if(into->topics_created, [&](const MetadataDelta::Topic& topic) { return gone.count(topic.id) > 0; });
    std::erase_if(into->partitions, [&](const PartitionId& id) { return gone.count(id.topic) > 0; });
  }
  into->topics_created.insert(into->topics_created.end(), later.topics_created.begin(), later.topics_created.end());
  into->partitions = Union(into->partitions, later.partitions);
  into->brokers = Union(into->brokers, later.brokers);
  into->features_changed |= later.features_changed;
  if (into->partitions.size() + into->topics_created.size() + into->topics_deleted.size() > kMergedDeltaEntriesMax) {
    BecomeEverything(into);
  }
}

}  // namespace quorate::node
