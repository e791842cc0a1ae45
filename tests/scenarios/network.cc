#include "scenarios/network.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "scenarios/words.h"

namespace quorate::scenarios {
namespace {

absl::StatusOr<std::optional<int>> ParseEnd(absl::string_view text) {
  if (text == "*") return std::optional<int>();
  int id = 0;
  if (!absl::SimpleAtoi(text, &id) || id < 1) {
    return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is no node; write 2, or * for any"));
  }
  return std::optional<int>(id);
}

}  // namespace

absl::Status ParseLink(absl::string_view text, std::optional<int>* from, std::optional<int>* to) {
  const std::vector<absl::string_view> ends = absl::StrSplit(text, "->");
  if (ends.size() != 2) return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is no link; write 1->2"));
  const auto left = ParseEnd(ends[0]);
  if (!left.ok()) return left.status();
  const auto right = ParseEnd(ends[1]);
  if (!right.ok()) return right.status();
  *from = *left;
  *to = *right;
  return absl::OkStatus();
}

bool Selection::Matches(const Message& message) const {
  return message.from.id.value() == from.value_or(message.from.id.value()) &&
         message.to.id.value() == to.value_or(message.to.id.value()) &&
         (type.empty() || type == Words::TypeOf(message));
}

absl::StatusOr<Selection> Selection::Parse(absl::Span<const std::string> words) {
  Selection selection;
  const std::vector<std::string>& types = Words::Types();
  for (const std::string& word : words) {
    int64_t n = 0;
    if (word.find("->") != std::string::npos) {
      const absl::Status link = ParseLink(word, &selection.from, &selection.to);
      if (!link.ok()) return link;
    } else if (std::find(types.begin(), types.end(), word) != types.end()) {
      selection.type = word;
    } else if (word == "last") {
      selection.last = true;
    } else if (absl::SimpleAtoi(word, &n) && n > 0) {
      selection.n = static_cast<size_t>(n);
    } else {
      return absl::InvalidArgumentError(absl::StrCat("\"", word, "\" selects no messages; say a link (1->2), a type (",
                                                     absl::StrJoin(types, ", "), "), a number from 1, or last"));
    }
  }
  return selection;
}

Network::Fate Network::Send(const Message& message) {
  if (IsCut(message.from.id.value(), message.to.id.value())) return Fate::kLost;
  const bool held =
      std::any_of(holds_.begin(), holds_.end(), [&](const Selection& hold) { return hold.Matches(message); });
  packets_.push_back({message, held});
  return held ? Fate::kHeld : Fate::kOnItsWay;
}

std::vector<Network::Packets::iterator> Network::Select(const Selection& selection, bool held) {
  std::vector<Packets::iterator> found;
  for (auto it = packets_.begin(); it != packets_.end(); ++it) {
    if (it->held == held && selection.Matches(it->message)) found.push_back(it);
  }
  if (selection.last && !found.empty()) return {found.back()};
  if (!selection.n.has_value()) return found;
  return *selection.n <= found.size() ? std::vector<Packets::iterator>{found[*selection.n - 1]}
                                      : std::vector<Packets::iterator>{};
}

std::vector<Network::Packets::iterator> Network::All() {
  std::vector<Packets::iterator> all;
  for (auto it = packets_.begin(); it != packets_.end(); ++it) all.push_back(it);
  return all;
}

Message Network::Take(Packets::iterator packet) {
  Message message = std::move(packet->message);
  packets_.erase(packet);
  return message;
}

void Network::Duplicate(Packets::iterator packet) { packets_.push_back({packet->message, packet->held}); }

void Network::Arrange(const std::vector<Packets::iterator>& packets, const std::vector<Packets::iterator>& order) {
  std::vector<Packet> contents;
  contents.reserve(order.size());
  for (const auto& it : order) contents.push_back(*it);
  for (size_t i = 0; i < packets.size(); ++i) *packets[i] = std::move(contents[i]);
}

void Network::Hold(const Selection& selection) {
  holds_.push_back(selection);
  for (Packet& packet : packets_) packet.held = packet.held || selection.Matches(packet.message);
}

void Network::Release(const Selection& selection) {
  // A hold ends when all that it holds is released by this.
  std::erase_if(holds_, [&](const Selection& hold) {
    return (!selection.from.has_value() || selection.from == hold.from) &&
           (!selection.to.has_value() || selection.to == hold.to) &&
           (selection.type.empty() || selection.type == hold.type);
  });
  for (const auto& packet : Select(selection, /*held=*/true)) packet->held = false;
}

size_t Network::Cut(int from, int to) {
  cut_.insert({from, to});
  const Selection link{from, to, "", std::nullopt, false};
  size_t lost = 0;
  lost += std::erase_if(packets_, [&](const Packet& packet) { return !packet.held && link.Matches(packet.message); });
  return lost;
}

}  // namespace quorate::scenarios
