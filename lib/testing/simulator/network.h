// The simulated network: a Transport for each node, and every way in which messages come to grief (faults F-N01 to
// F-N10).
//
// Each directed link has a delay with a heavy tail, loss, repetition (a repeated message may come minutes later),
// reordering, damage on the way, a cut (one way or both) and a clog: what is sent waits until the clog ends.
// Connections stand beside that, because production code listens to them: one breaks soon after the other process
// died, or only when a keepalive gives up - if the machine lost power, or the link was cut. Messages belong to nobody's
// life: what a process sent before it died still arrives, at whoever listens at that address by then (F-N08).
//
// Addressee and fields of each message are checked at arrival by the code that the real transports use.
//
// One thread.
#ifndef QUORATE_TESTING_SIMULATOR_NETWORK_H_
#define QUORATE_TESTING_SIMULATOR_NETWORK_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/xoshiro.h"
#include "quorate/transport.h"
#include "testing/simulator/scheduler.h"

namespace quorate::testing::simulator {

struct NetworkConditions {
  absl::Duration delay = absl::Microseconds(100);  // at least; and up to twice that
  uint32_t tail_permille = 0;                      // how often it is up to 100 times that
  uint32_t loss_permille = 0;
  uint32_t duplicate_permille = 0;
  uint32_t tamper_permille = 0;
  bool reorder = false;  // false: a link keeps the order
};

struct NetworkCounters {
  uint64_t sent = 0;
  uint64_t delivered = 0;
  uint64_t lost = 0;
  uint64_t duplicated = 0;
  uint64_t tampered = 0;
  uint64_t refused = 0;      // by the checks at arrival
  uint64_t unconnected = 0;  // dropped by the sender
  uint64_t cut_off = 0;
};

class SimNetwork {
 public:
  struct Hooks {
    // Every message that a node's core sends, before anything befalls it. False: the sender died before it.
    std::function<bool(int node, const Message&)> on_send;
    // And every one that reaches it, just before it does.
    std::function<void(int node, const Message&)> on_deliver;
    std::function<bool(int node)> is_paused;
  };

  SimNetwork(Scheduler* scheduler, uint64_t seed, const NetworkConditions& conditions, int nodes, Hooks hooks);

  // For one life of `node`'s process, which is reached at `self`.
  std::unique_ptr<Transport> MakeTransport(int node, const Endpoint& self);

  // ---- Faults ----
  // The node's process is gone: what it still says goes nowhere. `announced`: its system says so to the others (the
  // process died); else they notice by themselves, later (the machine did).
  void Died(int node, bool announced);
  void Cut(int from, int to, bool cut);
  [[nodiscard]] bool IsCut(int from, int to) const { return link(from, to).cut; }
  // Connections over cut links break, but not before a keepalive has noticed.
  void BreakCutConnections();
  // `message` reaches `node` now, as if somebody had sent it.
  void Inject(int node, const Message& message);
  void Clog(int from, int to, Instant until) { link(from, to).clogged_until = until; }
  // All connections of a node break, and nothing else.
  void BreakConnections(int node);
  // Whoever connects to the address of one reaches the other (F-N10).
  void SwapAddresses(int a, int b);
  [[nodiscard]] bool swapped() const { return swapped_; }
  // All cuts and clogs end, addresses are right, and from now on nothing is lost, repeated or late.
  void Heal();
  // Delivers what waited for a paused machine.
  void Resumed(int node);

  [[nodiscard]] const NetworkCounters& counters() const { return counters_; }
  [[nodiscard]] size_t waiting() const;  // in the inboxes of paused machines
  // When the last connection breaks, of those that broke without anybody noticing yet.
  [[nodiscard]] Instant last_break() const { return last_break_; }

 private:
  class SimTransport;
  struct Peer {
    Endpoint endpoint;
    bool connected = false;
    bool loss_reported = false;
    uint64_t attempt = 0;  // the latest; older ones are void
  };
  // One life of one node's transport.
  struct Port {
    int node = 0;
    std::string address;
    TransportIdentity identity;
    PeerHandler* handler = nullptr;  // null before Start and after Stop or death
    std::map<NodeId, Peer> peers;
    std::map<ReplicaKey, int> return_path;  // where a replica's newest request came from
  };
  struct Link {
    bool cut = false;
    Instant clogged_until = Instant::FromNanos(0);
    Instant last_arrival = Instant::FromNanos(0);
  };

  Link& link(int from, int to) { return links_[static_cast<size_t>(from * nodes_ + to)]; }
  [[nodiscard]] const Link& link(int from, int to) const { return links_[static_cast<size_t>(from * nodes_ + to)]; }

  absl::Status Start(const std::shared_ptr<Port>& port, const TransportIdentity& identity, PeerHandler* handler);
  void Close(const std::shared_ptr<Port>& port, absl::Duration noticed_after);
  void SetPeer(const std::shared_ptr<Port>& port, NodeId id, const Endpoint& endpoint);
  void Send(const std::shared_ptr<Port>& port, Message message);

  [[nodiscard]] int NodeAt(const Endpoint& endpoint) const;  // -1: nobody
  void Transmit(int from, int to, Message message);
  void Schedule(int from, int to, Instant when, const std::shared_ptr<const Message>& message);
  void Deliver(int from, int to, const std::shared_ptr<const Message>& message);
  void ScheduleAttempt(const std::shared_ptr<Port>& port, NodeId id, absl::Duration delay);
  void Attempt(const std::shared_ptr<Port>& port, NodeId id);
  [[nodiscard]] bool CanConnect(const Port& port, NodeId id, const Peer& peer) const;
  void ScheduleBreak(const std::shared_ptr<Port>& port, NodeId id, absl::Duration delay);
  // Runs now, or when the machine goes on.
  void OnMachine(int node, Task task);
  absl::Duration DrawDelay();

  Scheduler* const scheduler_;
  Xoshiro random_;
  NetworkConditions conditions_;
  const int nodes_;
  const Hooks hooks_;
  std::vector<Link> links_;
  std::vector<std::shared_ptr<Port>> ports_;  // by node; the present life, or null
  std::map<std::string, int> listeners_;      // by address: who is reached there
  std::map<std::string, int> owners_;         // and who should be
  std::vector<std::deque<Task>> inboxes_;     // of paused machines
  NetworkCounters counters_;
  bool swapped_ = false;
  Instant last_break_ = Instant::FromNanos(0);
};

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_NETWORK_H_
