// File: broker/isr_keeper.h
//
// Keeps the ISRs of the partitions that this broker leads as large as they may be: it proposes to the
// controller (AlterPartition, KIP-497) to take a replica back in once it is in sync. Shrinking is the controller's
// part: it takes out who is fenced or leaves.
//
// Until partitions have data, there is nothing that a replica could lack: a replica that is assigned, registered,
// unfenced and not leaving is in sync. What decides is one function (Wanted); the data plane will replace
// "alive" by "has caught up" there and nowhere else.
//
// Proposals are optimistic. Each names the leader epoch and the partition epoch that it is based on, and the epoch
// of each member's registration, so a proposal that was overtaken is refused and never does harm (F-B05). The
// answer decides what comes next:
//
//   0                                      the new ISR arrives with the metadata
//   3, 100   unknown partition or topic    forget it; it was deleted
//   41       not the active controller     again, after a pause: the controller moved, or is behind us
//   42, 74, 95, 107 and others             we are behind: look again with the next image, or after a pause
//                                          (there may be none: what was ahead of us may be rolled back)
//   77       for the whole request         wait for our new registration
//   lost, or no leader                     again, after a pause
//
// One request at a time, with at most kChangesPerRequest changes, so that a controller is never flooded.
//
// Threads: as Lifecycle. OnMetadata costs what changed, or what this broker leads when a broker came or went.
#ifndef QUORATE_BROKER_ISR_KEEPER_H_
#define QUORATE_BROKER_ISR_KEEPER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "absl/time/time.h"
#include "broker/controller_channel.h"
#include "quorate/environment.h"
#include "quorate/log_sink.h"

namespace quorate::broker {

class IsrKeeper : public std::enable_shared_from_this<IsrKeeper> {
 public:
  static constexpr size_t kChangesPerRequest = 1000;

  static std::shared_ptr<IsrKeeper> Make(NodeId self, Clock* clock, Executor* executor, ControllerChannel* channel,
                                         absl::Duration request_timeout, std::shared_ptr<LogSink> log_sink);

  void OnMetadata(MetadataImagePtr image, const MetadataDelta& delta);
  // Our registration; kNoBrokerEpoch while there is none or we are leaving: then nothing is proposed.
  void SetBrokerEpoch(BrokerEpoch epoch);
  void OnControllerChanged();
  void Stop();

  // The ISR that `partition` should have: nullopt when the present one is right.
  static std::optional<ReplicaList> Wanted(const MetadataImage& image, const PartitionInfo& partition);

 private:
  IsrKeeper(NodeId self, Clock* clock, Executor* executor, ControllerChannel* channel, absl::Duration request_timeout,
            std::shared_ptr<LogSink> log_sink);

  void Post(absl::AnyInvocable<void(IsrKeeper&) &&> action);
  void LookAt(const PartitionId& id);
  void LookAtAll();
  void SendDue();
  void OnReply(std::vector<PartitionId> asked, BrokerEpoch asked_as, absl::StatusOr<IsrChangeReply> reply);
  void RetryLater();

  const NodeId self_;
  Clock* const clock_;
  Executor* const executor_;
  ControllerChannel* const channel_;
  const absl::Duration request_timeout_;
  const std::shared_ptr<LogSink> log_sink_;

  // ---- On the executor only. ----
  bool stopped_ = false;
  MetadataImagePtr image_;
  BrokerEpoch epoch_ = kNoBrokerEpoch;
  std::set<PartitionId> pending_;  // to be proposed, as far as the image then still says so
  bool in_flight_ = false;
  bool waiting_ = false;  // for the timer
  uint64_t timer_round_ = 0;
  absl::Duration backoff_ = absl::ZeroDuration();
};

}  // namespace quorate::broker

#endif  // QUORATE_BROKER_ISR_KEEPER_H_
