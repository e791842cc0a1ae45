// Commands about time and messages.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "scenarios/interpreter.h"

namespace quorate::scenarios {
namespace {

absl::Status Unending() {
  return absl::InternalError("messages go back and forth without an end: the nodes talk each other into a loop");
}

// Nodes that stand in vain do so again and again: a sequence of up to four lines that repeats itself is told twice.
std::vector<std::string> WithoutRepetitions(const std::vector<std::string>& lines) {
  std::vector<std::string> out;
  for (size_t i = 0; i < lines.size();) {
    size_t length = 1;
    size_t times = 1;
    for (; length <= 4; ++length) {
      for (times = 1; i + (times + 1) * length <= lines.size(); ++times) {
        const auto begin = lines.begin() + static_cast<std::ptrdiff_t>(i);
        const auto size = static_cast<std::ptrdiff_t>(length);
        if (!std::equal(begin, begin + size, begin + static_cast<std::ptrdiff_t>(times * length))) break;
      }
      if (times > 2) break;
    }
    const size_t told = times > 2 ? 2 * length : 1;
    out.insert(out.end(), lines.begin() + static_cast<std::ptrdiff_t>(i),
               lines.begin() + static_cast<std::ptrdiff_t>(i + told));
    if (times > 2) out.emplace_back("  (and so on)");
    i += times > 2 ? times * length : 1;
  }
  return out;
}

}  // namespace

// ---- Time ---------------------------------------------------------------------------------------------

absl::Status Interpreter::Tick(Words words) {
  const auto duration = ParseDuration(words[0]);
  if (!duration.ok()) return duration.status();
  const auto nodes = NodesOf(words.subspan(1));
  if (!nodes.ok()) return nodes.status();
  world_->Tick(*nodes, *duration);
  return absl::OkStatus();
}

absl::Status Interpreter::Campaign(Words words) {
  const auto node = RunningNode(words[0]);
  if (!node.ok()) return node.status();
  if (!world_->Campaign(**node)) {
    return absl::FailedPreconditionError(absl::StrCat("node ", words[0], " doesn't stand, however long it waits"));
  }
  return absl::OkStatus();
}

absl::Status Interpreter::Elect(Words words) {
  const auto node = RunningNode(words[0]);
  if (!node.ok()) return node.status();
  world_->SetQuiet(true);
  const absl::Status stood = Campaign(words);
  const bool quiet = stood.ok() && world_->Stabilize();
  world_->SetQuiet(false);
  if (!stood.ok()) return stood;
  if (!quiet) return Unending();
  if ((*node)->core->role() != ReplicaRole::kLeader) {
    return absl::FailedPreconditionError(
        absl::StrCat("node ", words[0], " wasn't elected:\n", absl::StrJoin(world_->TakeLines(), "\n")));
  }
  // The way there is told by scripts of its own; here only where it led.
  for (const std::string& line : world_->TakeLines()) {
    if (line.find(" cuts ") != std::string::npos || line.find(" halts") != std::string::npos) world_->Say(line);
  }
  const raft::Core& core = *(*node)->core;
  world_->Say(absl::StrCat("  ", words[0], " leads e", core.epoch().value(), ", all is committed up to ",
                           core.high_watermark().value()));
  return absl::OkStatus();
}

absl::Status Interpreter::RunFor(Words words) {
  const auto duration = ParseDuration(words[0]);
  if (!duration.ok()) return duration.status();
  world_->SetQuiet(true);
  const bool quiet = world_->Run(*duration);
  world_->SetQuiet(false);
  for (std::string& line : WithoutRepetitions(world_->TakeLines())) world_->Say(std::move(line));
  return quiet ? absl::OkStatus() : Unending();
}

// ---- Messages -----------------------------------------------------------------------------------------

absl::Status Interpreter::Deliver(Words words) {
  const auto selection = Selection::Parse(words);
  if (!selection.ok()) return selection.status();
  // What is on its way now; the answers wait for another command.
  const auto packets = world_->network().Select(*selection, /*held=*/false);
  if (packets.empty()) return absl::FailedPreconditionError("no such message is on its way");
  for (const auto& packet : packets) world_->Deliver(packet);
  return absl::OkStatus();
}

absl::Status Interpreter::Drop(Words words) {
  const auto selection = Selection::Parse(words);
  if (!selection.ok()) return selection.status();
  auto packets = world_->network().Select(*selection, /*held=*/false);
  if (packets.empty() && !words.empty()) packets = world_->network().Select(*selection, /*held=*/true);
  // To drop whatever there is, be it nothing, is fine; to name what isn't there is a mistake.
  if (packets.empty() && !words.empty()) return absl::FailedPreconditionError("no such message is on its way");
  for (const auto& packet : packets) world_->network().Take(packet);
  return absl::OkStatus();
}

absl::Status Interpreter::Duplicate(Words words) {
  const auto selection = Selection::Parse(words);
  if (!selection.ok()) return selection.status();
  auto packets = world_->network().Select(*selection, /*held=*/false);
  if (packets.empty()) packets = world_->network().Select(*selection, /*held=*/true);
  if (packets.empty()) return absl::FailedPreconditionError("no such message is on its way");
  for (const auto& packet : packets) world_->network().Duplicate(packet);
  return absl::OkStatus();
}

absl::Status Interpreter::Reorder(Words words) {
  const auto equals = std::find(words.begin(), words.end(), "=");
  const auto which = static_cast<size_t>(equals - words.begin());
  const auto selection = Selection::Parse(words.subspan(0, which));
  if (!selection.ok()) return selection.status();
  const auto packets = world_->network().Select(*selection, /*held=*/false);
  if (packets.size() < 2) return absl::FailedPreconditionError("fewer than two such messages are on their way");
  auto order = packets;
  std::reverse(order.begin(), order.end());
  if (which < words.size()) {
    order.clear();
    for (const std::string& word : words.subspan(which + 1)) {
      const auto n = ParseNumber(word);
      if (!n.ok()) return n.status();
      if (*n < 1 || static_cast<size_t>(*n) > packets.size()) {
        return absl::InvalidArgumentError(absl::StrCat("there are ", packets.size(), " such messages"));
      }
      order.push_back(packets[static_cast<size_t>(*n) - 1]);
    }
    const auto is_in = [&](const auto& packet) { return std::find(order.begin(), order.end(), packet) != order.end(); };
    if (order.size() != packets.size() || !std::all_of(packets.begin(), packets.end(), is_in)) {
      return absl::InvalidArgumentError("the new order must name each of the messages once");
    }
  }
  world_->network().Arrange(packets, order);
  return absl::OkStatus();
}

// As if a later version of quorate led: what it wrote isn't known here.
absl::Status Interpreter::NewerRecord(Words words) {
  const auto selection = Selection::Parse(words);
  if (!selection.ok()) return selection.status();
  for (const auto& packet : world_->network().Select(*selection, /*held=*/false)) {
    auto* push = std::get_if<FetchResponse>(&packet->message.body);
    if (push == nullptr || push->batches.empty()) continue;
    const Batch& first = push->batches.front();
    // Version 0, type 9: no build knows it yet.
    const absl::string_view record("\0\0\x09\0", 4);
    absl::StatusOr<Batch> newer =
        Batch::Make({first.base_offset(), first.epoch(), BatchKind::kControl, first.header().cluster_hash, 0},
                    absl::MakeConstSpan(&record, 1));
    if (!newer.ok()) return newer.status();
    push->batches = {*std::move(newer)};
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError("no such push with records is on its way");
}

absl::Status Interpreter::Hold(Words words) {
  const auto selection = Selection::Parse(words);
  if (!selection.ok()) return selection.status();
  world_->network().Hold(*selection);
  return absl::OkStatus();
}

absl::Status Interpreter::Release(Words words) {
  const auto selection = Selection::Parse(words);
  if (!selection.ok()) return selection.status();
  world_->network().Release(*selection);
  return absl::OkStatus();
}

absl::Status Interpreter::Stabilize(Words words) {
  const bool verbose = !words.empty();
  if (verbose && words[0] != "verbose") return absl::InvalidArgumentError("write: stabilize [verbose]");
  world_->SetQuiet(!verbose);
  const bool quiet = world_->Stabilize();
  world_->SetQuiet(false);
  return quiet ? absl::OkStatus() : Unending();
}

absl::Status Interpreter::Network(Words) {
  world_->SayNetwork();
  return absl::OkStatus();
}

absl::Status Interpreter::Connect(Words words) {
  std::optional<int> from;
  std::optional<int> to;
  if (const absl::Status link = ParseLink(words[0], &from, &to); !link.ok()) return link;
  const auto node = NodeOf(absl::StrCat(from.value_or(0)));
  const auto peer = NodeOf(absl::StrCat(to.value_or(0)));
  if (!node.ok()) return node.status();
  if (!peer.ok()) return peer.status();
  world_->Connect(**node, **peer);
  return absl::OkStatus();
}

absl::Status Interpreter::Disconnect(Words words) {
  std::optional<int> from;
  std::optional<int> to;
  if (const absl::Status link = ParseLink(words[0], &from, &to); !link.ok()) return link;
  const auto peer = NodeOf(absl::StrCat(to.value_or(0)));
  if (!peer.ok()) return peer.status();
  for (const auto& node : world_->nodes()) {
    if (node->id == from.value_or(node->id) && node->id != (*peer)->id) world_->Disconnect(*node, **peer);
  }
  return absl::OkStatus();
}

absl::Status Interpreter::Cut(Words words) {
  std::optional<int> from;
  std::optional<int> to;
  if (const absl::Status link = ParseLink(words[0], &from, &to); !link.ok()) return link;
  for (const auto& a : world_->nodes()) {
    for (const auto& b : world_->nodes()) {
      if (a != b && a->id == from.value_or(a->id) && b->id == to.value_or(b->id)) world_->network().Cut(a->id, b->id);
    }
  }
  return absl::OkStatus();
}

absl::Status Interpreter::Isolate(Words words) {
  const auto node = NodeOf(words[0]);
  if (!node.ok()) return node.status();
  for (const auto& peer : world_->nodes()) {
    if (peer.get() == *node) continue;
    world_->network().Cut((*node)->id, peer->id);
    world_->network().Cut(peer->id, (*node)->id);
  }
  return absl::OkStatus();
}

absl::Status Interpreter::Heal(Words words) {
  if (words.empty()) {
    world_->network().HealAll();
    return absl::OkStatus();
  }
  std::optional<int> from;
  std::optional<int> to;
  if (const absl::Status link = ParseLink(words[0], &from, &to); !link.ok()) return link;
  for (const auto& a : world_->nodes()) {
    for (const auto& b : world_->nodes()) {
      if (a->id == from.value_or(a->id) && b->id == to.value_or(b->id)) world_->network().Heal(a->id, b->id);
    }
  }
  return absl::OkStatus();
}

}  // namespace quorate::scenarios
