// File: metadata/image_check.h
//
// The rules that every image must keep (invariant I-22), checked from scratch: for tests and the
// simulator, which call it after each event. It costs a pass over everything.
//
// Pure; any thread.
#ifndef QUORATE_METADATA_IMAGE_CHECK_H_
#define QUORATE_METADATA_IMAGE_CHECK_H_

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/status/status.h"
#include "quorate/metadata.h"

namespace quorate::metadata {

// After each batch everything holds. After each record within one (fault F-B07) a partition may still
// wait for the election that its batch brings.
enum class CheckMoment { kAfterBatch, kAfterRecord };

// One image by itself. A leader is in the ISR, registered, unfenced; an ISR is a subset of the replicas
// and not empty; nobody in it is unregistered, fenced or in controlled shutdown, unless it is the last
// member; a partition without a leader has no ISR member that could lead; names and ids of topics are a bijection; and
// what is derived (indexes, counts, digest) is what the contents say.
absl::Status CheckImage(const MetadataImage& image, CheckMoment moment = CheckMoment::kAfterBatch);

// A history of images in the order of the log. Leader epochs grow by one exactly when the leader changes,
// partition epochs at every change; broker epochs grow; a deleted topic's id never returns; and the
// delta names all that changed. Give it every batch's image, because several changes of one partition
// between two images can't be told apart.
class HistoryChecker {
 public:
  absl::Status Observe(const MetadataImagePtr& image, const MetadataDelta& delta);

 private:
  MetadataImagePtr last_ = MetadataImage::Empty();
  absl::btree_map<NodeId, BrokerEpoch> highest_epochs_;  // unregistered brokers included
  absl::btree_set<TopicId> deleted_;
};

}  // namespace quorate::metadata

#endif  // QUORATE_METADATA_IMAGE_CHECK_H_
