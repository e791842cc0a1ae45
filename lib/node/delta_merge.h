// File: node/delta_merge.h
//
// Two deltas in a row as one, for a publisher that was busy while both came. What was created and
// deleted in between is in neither list; what would become longer than looking at everything becomes "everything".
//
// Pure function; any thread.
#ifndef QUORATE_NODE_DELTA_MERGE_H_
#define QUORATE_NODE_DELTA_MERGE_H_

#include <cstddef>

#include "quorate/metadata.h"

namespace quorate::node {

// Bounds what may wait for a publisher that hangs (fault F-H02).
inline constexpr size_t kMergedDeltaEntriesMax = 100'000;

// `later` begins where `into` ends.
void MergeDelta(MetadataDelta* into, const MetadataDelta& later);

}  // namespace quorate::node

#endif  // QUORATE_NODE_DELTA_MERGE_H_
