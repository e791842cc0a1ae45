// The messages that are on their way in a scenario. Nothing moves by itself: the script says what arrives, in which
// order, how often, and what never does.
//
// Messages outlive both of their ends: one that was sent before a crash can arrive after the restart (fault F-N08).
//
// Single-threaded.
#ifndef QUORATE_TESTS_SCENARIOS_NETWORK_H_
#define QUORATE_TESTS_SCENARIOS_NETWORK_H_

#include <cstdint>
#include <list>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "quorate/messages.h"

namespace quorate::scenarios {

// Which messages: "1->2 Vote 1", "*->3", "Fetch", "2->* last", or nothing at all for all of them.
struct Selection {
  std::optional<int> from;
  std::optional<int> to;
  std::string type;         // empty: any
  std::optional<size_t> n;  // the n-th of those, from 1
  bool last = false;

  [[nodiscard]] bool Matches(const Message& message) const;
  static absl::StatusOr<Selection> Parse(absl::Span<const std::string> words);
};

// "1->2", "*->2".
absl::Status ParseLink(absl::string_view text, std::optional<int>* from, std::optional<int>* to);

class Network {
 public:
  struct Packet {
    Message message;
    bool held = false;
  };
  using Packets = std::list<Packet>;

  enum class Fate { kOnItsWay, kHeld, kLost };
  Fate Send(const Message& message);

  // In the order in which they were sent.
  std::vector<Packets::iterator> Select(const Selection& selection, bool held);
  std::vector<Packets::iterator> All();
  Message Take(Packets::iterator packet);
  void Duplicate(Packets::iterator packet);
  // Puts those into the order in which they are given, at the places that they have.
  void Arrange(const std::vector<Packets::iterator>& packets, const std::vector<Packets::iterator>& order);

  // From now on, and what is on its way.
  void Hold(const Selection& selection);
  void Release(const Selection& selection);
  // What is sent over a cut link is lost; so is what is on its way, but not what is held.
  size_t Cut(int from, int to);
  void Heal(int from, int to) { cut_.erase({from, to}); }
  void HealAll() { cut_.clear(); }
  [[nodiscard]] bool IsCut(int from, int to) const { return cut_.count({from, to}) > 0; }

 private:
  Packets packets_;
  std::vector<Selection> holds_;
  std::set<std::pair<int, int>> cut_;
};

}  // namespace quorate::scenarios

#endif  // QUORATE_TESTS_SCENARIOS_NETWORK_H_
