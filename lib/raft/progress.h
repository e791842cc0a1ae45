// What a leader knows of each other replica, for one epoch of leadership: its fetch session and how far it is durable.
//
// Two positions, never confused. `fetch_offset` is what has arrived there and says what to send next; only
// `durable_end` counts for a commit (M-13). Both start anew with each epoch: what a follower held under an
// earlier leader may since have been truncated, and only a position that was validated in *this* epoch backs
// anything (M-17).
//
// Within one epoch a replica's durable end only grows: its log is a prefix of ours and we only append. A new session
// that reports less means that its disk went back in time - a restored backup, a lying drive - and what it acknowledged
// may be gone: it is fenced and never counted again (F-P11). A lower `fetch_offset` alone is fine: bytes that
// were received but not yet synced die with a process (M-20).
//
// Late messages must not fake such a regression, nor put a dead session in the place of the living one. Within a
// session positions are maxima, and the sessions of one life of a process are numbered. Lives are not: an incarnation
// id says "another", not "later", and a duplicate of a past life may arrive after the first word of the present one. So
// a new life has to prove that it came after the one we know: by echoing a read round that was begun since we took that
// one up. That costs a restarted replica one round trip, and nobody else anything.
//
// Single-threaded, like everything here.
#ifndef QUORATE_RAFT_PROGRESS_H_
#define QUORATE_RAFT_PROGRESS_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "absl/time/time.h"
#include "quorate/environment.h"
#include "quorate/messages.h"
#include "quorate/types.h"
#include "quorate/voter_change.h"
#include "raft/voter_set.h"

namespace quorate::raft {

class Progress {
 public:
  // What a FetchRequest is, by its incarnation and session.
  enum class Arrival {
    kNewSession,
    kSameSession,
    kStale,     // of an earlier session: drop it
    kUnproven,  // of another life, perhaps an earlier one: ask for an echo of a round after adopted_round()
  };
  [[nodiscard]] Arrival Classify(const Message& message, const FetchRequest& request) const;

  // A session begins, at a position that was validated. False: its durable end went back, it is fenced now.
  bool Open(const Message& message, const FetchRequest& request, uint64_t round);
  // A session whose position isn't ours: it stays closed. The replica truncates and comes back with another one, or, if
  // our answer was lost, repeats its request.
  void Refuse(const Message& message, const FetchRequest& request, uint64_t round);
  // A further request of the open session. True when it acknowledges something new; else it asks for a sign of life.
  bool Acknowledge(const FetchRequest& request);
  // Nothing can be sent in this session any more; the next request of it is looked at like a first one.
  void Close() { open_ = false; }

  // `bytes` were sent, up to `end`.
  void Sent(Offset end, size_t bytes);
  // How much more may be on its way. Never nothing when all was acknowledged: one batch may be larger than the credit.
  [[nodiscard]] size_t SendRoom() const;

  [[nodiscard]] bool open() const { return open_; }
  [[nodiscard]] bool fenced() const { return fenced_; }
  [[nodiscard]] uint64_t session() const { return session_; }
  [[nodiscard]] IncarnationId incarnation() const { return incarnation_; }
  [[nodiscard]] Offset send_position() const { return send_position_; }
  [[nodiscard]] Offset fetch_offset() const { return fetch_offset_; }
  [[nodiscard]] Offset durable_end() const { return durable_end_; }
  // The latest read round of the leader when it took up the present life.
  [[nodiscard]] uint64_t adopted_round() const { return adopted_round_; }
  [[nodiscard]] uint64_t read_round() const { return read_round_; }

  // ---- Notes of the leader, without rules of their own. --------------------------------------------
  Offset told_high_watermark = kNoOffset;
  uint64_t told_read_round = 0;
  bool owes_answer = false;           // the replica asked for a sign of life
  uint64_t pending_read = 0;          // the one outstanding ReadLog, 0: none
  bool begin_acknowledged = false;    // it knows that we lead
  std::optional<Instant> begin_sent;  // BeginEpoch, last time
  std::optional<Instant> last_fetch;
  uint8_t priority = kPriorityDefault;  // as its last fetch said
  std::optional<Instant> last_caught_up;

 private:
  void Enter(const Message& message, const FetchRequest& request, uint64_t round);

  IncarnationId incarnation_;
  uint64_t adopted_round_ = 0;
  uint64_t session_ = 0;
  bool open_ = false;
  bool fenced_ = false;
  uint32_t credit_bytes_ = 0;
  Offset send_position_;
  Offset fetch_offset_ = kNoOffset;
  Offset durable_end_ = kNoOffset;
  uint64_t read_round_ = 0;
  struct InFlight {
    Offset end;
    size_t bytes;
  };
  std::deque<InFlight> in_flight_;
  size_t in_flight_bytes_ = 0;
};

// All replicas that a leader knows, in key order. A voter is found under its key in the voter set.
class ReplicaTable {
 public:
  using Map = std::map<ReplicaKey, Progress>;

  void Clear() { replicas_.clear(); }
  // The entry of a voter; made when missing.
  Progress& ForVoter(const ReplicaKey& key) { return replicas_[key]; }
  // The entry for a fetching replica, or null when there are too many observers. Observers that were silent for
  // kObserverExpiry make room.
  Progress* FindOrAdd(const ReplicaKey& key, const VoterSet& voters, Instant now);
  // A voter whose directory wasn't recorded before is found under its full key from now on.
  void AdoptKeys(const VoterSet& voters);
  [[nodiscard]] const Progress* Find(const ReplicaKey& key) const;
  void ExpireObservers(const VoterSet& voters, Instant now);

  Map& replicas() { return replicas_; }
  [[nodiscard]] const Map& replicas() const { return replicas_; }

  static constexpr absl::Duration kObserverExpiry = absl::Seconds(300);

 private:
  Map replicas_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_PROGRESS_H_
