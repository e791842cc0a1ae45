// File: broker/lifecycle.h
//
// A broker's life in the cluster: it registers with the active controller, catches up with the metadata up to its own
// registration, is unfenced, says every few seconds that it is alive, and before it stops asks to be
// relieved of what it leads (KIP-631, KIP-500). The states are Kafka's:
//
//   NotRunning -> Starting -> Recovery -> Running -> PendingControlledShutdown -> ShuttingDown
//
// Recovery comes back when the controller fences a running broker (its heartbeats got lost, F-B04), Starting when it no
// longer knows the registration: an answer STALE_BROKER_EPOCH or BROKER_ID_NOT_REGISTERED makes the broker register
// again, as a new incarnation (F-B01). A second process under the same node id therefore can't take turns with us: the
// controller refuses it as a duplicate for as long as the first one is heard (F-B02).
//
// Kafka polls every 10 ms while it waits for its metadata; here OnMetadata makes the next heartbeat due at once, so
// that a start costs two round trips and no polling. After a failure it waits 100 ms, then twice as long each
// time, at most half of the session timeout, with a random part so that brokers don't come in step; news of another
// controller ends the wait.
//
// Threads: every method may be called from any thread; all state lives on `executor`, which is serial and outlives
// every call to the channel. Listener functions run on it, too. After Stop nothing of it runs any more but
// answers that are still on their way, which are dropped.
#ifndef QUORATE_BROKER_LIFECYCLE_H_
#define QUORATE_BROKER_LIFECYCLE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "broker/controller_channel.h"
#include "quorate/broker_types.h"
#include "quorate/environment.h"
#include "quorate/log_sink.h"
#include "quorate/status.h"

namespace quorate::broker {

struct LifecycleOptions {
  NodeId id = kNoNode;
  ClusterId cluster_id;
  std::vector<BrokerEndpoint> endpoints;
  std::vector<FeatureRange> features;
  std::vector<DirectoryId> log_dirs;
  std::optional<std::string> rack;
  absl::Duration heartbeat_interval = absl::Milliseconds(2000);
  absl::Duration session_timeout = absl::Milliseconds(9000);
  // Without a registration by then, on_failed is called; trying goes on.
  absl::Duration initial_registration_timeout = absl::Seconds(60);
};

struct LifecycleStatus {
  BrokerState state = BrokerState::kNotRunning;
  BrokerEpoch epoch = kNoBrokerEpoch;
  absl::Status problem;  // of the last request; OK after one that succeeded
};

struct LifecycleListener {
  // Called after each change of the status.
  absl::AnyInvocable<void(const LifecycleStatus&)> on_change;
  // The first registration didn't come about in time. At most once.
  absl::AnyInvocable<void(absl::Status)> on_failed;
};

class Lifecycle : public std::enable_shared_from_this<Lifecycle> {
 public:
  // Pointers outlive Stop and the channel's answers.
  static std::shared_ptr<Lifecycle> Make(LifecycleOptions options, Clock* clock, Random* random, Executor* executor,
                                         ControllerChannel* channel, std::shared_ptr<LogSink> log_sink,
                                         LifecycleListener listener);

  // Begins to register.
  void Start();
  // This node has applied the metadata up to `end`. One thread at a time; costs an atomic store unless this is what
  // the broker waits for.
  void OnMetadata(Offset end);
  // Tells the controller now how far our metadata are: a broker that leaves may go once all others know it.
  void ReportMetadata();
  // Another controller is active, or one is known again.
  void OnControllerChanged();
  // The host is ready for clients. Until then every heartbeat asks to stay fenced.
  void SetReady();

  // Asks to be relieved. `done` runs exactly once: OK when the controller has moved everything away (or nothing was
  // registered), kNoLeader when there is no controller to do so for a while, DeadlineExceeded after `timeout`,
  // kShuttingDown at Stop. Sends nothing afterwards. Called again meanwhile, it is the same shutdown, with the earlier
  // of the deadlines; called again after it succeeded, OK at once.
  void BeginControlledShutdown(absl::Duration timeout, absl::AnyInvocable<void(absl::Status) &&> done);

  // Sends nothing any more.
  void Stop();

 private:
  Lifecycle(LifecycleOptions options, Clock* clock, Random* random, Executor* executor, ControllerChannel* channel,
            std::shared_ptr<LogSink> log_sink, LifecycleListener listener);

  void Post(absl::AnyInvocable<void(Lifecycle&) &&> action);
  void SendDue();
  void SendRegistration();
  void SendHeartbeat();
  void OnRegistered(absl::StatusOr<BrokerEpoch> epoch);
  void OnHeartbeatReply(absl::StatusOr<HeartbeatReply> reply);
  void OnFailure(const absl::Status& why);
  void OnFenced(const HeartbeatReply& reply);
  bool GivesUpHandOver(const absl::Status& why);
  void RegisterAnew(const absl::Status& why);
  void ScheduleNext(absl::Duration in);
  void HurryUp();
  void CheckInitialRegistration();
  void ArmShutdownTimer(absl::Duration timeout);
  void FinishControlledShutdown(const absl::Status& result);
  void SetState(BrokerState state);
  void Report();
  void Log(LogLevel level, absl::string_view line);
  [[nodiscard]] bool IsCaughtUp() const;
  [[nodiscard]] absl::Duration RequestTimeout() const;

  const LifecycleOptions options_;
  Clock* const clock_;
  Random* const random_;
  Executor* const executor_;
  ControllerChannel* const channel_;
  const std::shared_ptr<LogSink> log_sink_;
  LifecycleListener listener_;

  std::atomic<int64_t> metadata_end_{0};
  // The end of metadata that holds our registration, while we wait for it; else out of reach.
  std::atomic<int64_t> awaited_end_{INT64_MAX};

  // ---- On the executor only. ----
  LifecycleStatus status_;
  IncarnationId incarnation_;
  bool started_ = false;
  bool stopped_ = false;
  bool ready_ = false;
  bool ever_registered_ = false;
  bool in_flight_ = false;
  bool hurry_ = false;        // something changed while a request was in flight
  uint64_t timer_round_ = 0;  // tells the timer that counts from its predecessors
  Executor::TimerId timer_ = Executor::kNoTimer;
  absl::Duration backoff_ = absl::ZeroDuration();
  Reason logged_reason_ = Reason::kUnspecified;  // of the last failure that was logged
  Instant log_again_at_;
  std::optional<Instant> alone_since_;  // in a controlled shutdown: no controller has answered since
  std::vector<absl::AnyInvocable<void(absl::Status) &&>> shutdown_done_;
  Instant shutdown_deadline_ = Instant::Infinite();
  Executor::TimerId shutdown_timer_ = Executor::kNoTimer;
  bool relieved_ = false;  // a controlled shutdown succeeded
};

}  // namespace quorate::broker

#endif  // QUORATE_BROKER_LIFECYCLE_H_
