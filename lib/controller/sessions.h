// File: controller/sessions.h
//
// When each broker was last heard, and what it said about its progress. Soft state: it is in no record
// and no image. A new controller starts with a fresh deadline for everybody, so that its own election
// fences nobody (fault F-B04).
//
// A broker that is fenced is heard as well but has no deadline; Track and Untrack follow the image.
//
// Not thread-safe; owned by the controller.
#ifndef QUORATE_CONTROLLER_SESSIONS_H_
#define QUORATE_CONTROLLER_SESSIONS_H_

#include <optional>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/time/time.h"
#include "quorate/environment.h"
#include "quorate/types.h"

namespace quorate::controller {

class Sessions {
 public:
  explicit Sessions(absl::Duration timeout) : timeout_(timeout) {}

  void Clear();
  // Heard at `now`.
  void Touch(NodeId broker, Instant now);
  void SetMetadataOffset(NodeId broker, Offset offset);
  // The last offset of the records that began its controlled shutdown.
  void SetShutdownOffset(NodeId broker, Offset offset);

  // Its silence counts, or no longer. Neither forgets when it was heard.
  void Track(NodeId broker);
  void Untrack(NodeId broker);
  // As if never heard.
  void Forget(NodeId broker);

  // Tracked, and heard no longer ago than the timeout.
  [[nodiscard]] bool Valid(NodeId broker, Instant now) const;
  [[nodiscard]] Offset MetadataOffset(NodeId broker) const;  // kNoOffset until it said
  [[nodiscard]] std::optional<Offset> ShutdownOffset(NodeId broker) const;

  // The tracked brokers whose sessions ended, the longest ago first; among equals by id.
  [[nodiscard]] std::vector<NodeId> Stale(Instant now) const;
  // When Stale will have something to say, if nothing is heard until then.
  [[nodiscard]] Instant NextDeadline() const;

 private:
  struct Session {
    Instant valid_until;  // inclusive
    bool tracked = false;
    Offset metadata_offset = kNoOffset;
    std::optional<Offset> shutdown_offset;
  };

  absl::Duration timeout_;
  absl::btree_map<NodeId, Session> sessions_;
  absl::btree_set<std::pair<Instant, NodeId>> deadlines_;  // of the tracked ones
};

}  // namespace quorate::controller

#endif  // QUORATE_CONTROLLER_SESSIONS_H_
