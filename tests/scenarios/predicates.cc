// What `expect` can say.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "quorate/status.h"
#include "scenarios/interpreter.h"

namespace quorate::scenarios {
namespace {

using Arguments = absl::Span<const std::string>;
using Answer = absl::StatusOr<std::optional<std::string>>;  // nullopt: it holds

Answer Compare(const std::string& expected, const std::string& got) {
  if (expected == got) return std::optional<std::string>();
  return std::optional<std::string>(absl::StrCat("it is ", got));
}

std::string Rest(Arguments words, size_t from) {
  return absl::StrJoin(words.begin() + static_cast<std::ptrdiff_t>(from), words.end(), " ");
}

std::string EpochsOf(const Node& node) {
  std::vector<std::string> epochs;
  for (const Batch& batch : node.disk.log) {
    for (uint32_t i = 0; i < batch.record_count(); ++i) epochs.push_back(absl::StrCat(batch.epoch().value()));
  }
  return absl::StrJoin(epochs, " ");
}

std::string BytesOf(const Node& node) {
  std::string out = Words::Of(node.disk.start);
  for (const Batch& batch : node.disk.log) absl::StrAppend(&out, " ", Words::PlaceOf(batch), ":", batch.crc());
  return out;
}

absl::StatusOr<Node*> NodeAt(World& world, Arguments words, size_t at) {
  const auto id = at < words.size() ? ParseNumber(words[at]) : absl::StatusOr<int64_t>(0);
  Node* node = id.ok() ? world.Find(static_cast<int>(*id)) : nullptr;
  if (node == nullptr) return absl::InvalidArgumentError(absl::StrCat("`", words[0], "` needs a node"));
  return node;
}

// `leader 2`: 2 leads, and nobody leads a later epoch. `leader none`: nobody leads.
Answer Leader(World& world, Arguments words) {
  std::string got = "none";
  Epoch epoch(-1);
  for (const auto& node : world.nodes()) {
    if (!node->running() || node->core->role() != ReplicaRole::kLeader || node->core->epoch() < epoch) continue;
    got = absl::StrCat(node->id);
    epoch = node->core->epoch();
  }
  return Compare(Rest(words, 1), got);
}

// `same-log`: what is on the disks of all nodes, or of those named, is the same to the byte.
Answer SameLog(World& world, Arguments words) {
  std::vector<Node*> nodes;
  for (size_t i = 1; i < words.size(); ++i) {
    const auto node = NodeAt(world, words, i);
    if (!node.ok()) return node.status();
    nodes.push_back(*node);
  }
  if (words.size() == 1) {
    for (const auto& node : world.nodes()) nodes.push_back(node.get());
  }
  for (const Node* node : nodes) {
    if (BytesOf(*node) != BytesOf(*nodes.front())) {
      return std::optional<std::string>(
          absl::StrCat("the log of ", node->id, " differs from that of ", nodes.front()->id));
    }
  }
  return std::optional<std::string>();
}

// `read 1 from 5`, `read 1 refused`, `read 1 waits`.
Answer ReadIs(World& world, Arguments words) {
  const auto id = words.size() > 1 ? ParseNumber(words[1]) : absl::StatusOr<int64_t>(0);
  if (!id.ok()) return id.status();
  const absl::StatusOr<Offset>* answer = world.ReadAnswer(static_cast<uint64_t>(*id));
  const std::string got = answer == nullptr ? "waits"
                          : answer->ok()    ? absl::StrCat("from ", (*answer)->value())
                                            : "refused";
  return Compare(Rest(words, 2), got);
}

// `on-way 1->2 Vote`: such a message is on its way.
Answer OnWay(World& world, Arguments words) {
  const auto selection = Selection::Parse(words.subspan(1));
  if (!selection.ok()) return selection.status();
  if (!world.network().Select(*selection, /*held=*/false).empty()) return std::optional<std::string>();
  return std::optional<std::string>("no such message is on its way");
}

Answer AboutNode(Node& node, Arguments words) {
  const std::string& what = words[0];
  if (what == "log") return Compare(Rest(words, 2), EpochsOf(node));
  if (what == "halted") return Compare("halted", node.halt.has_value() ? "halted" : "not halted");
  if (what == "vote") {
    const ReplicaKey vote = node.disk.election.has_value() ? node.disk.election->voted_for : ReplicaKey();
    return Compare(Rest(words, 2), vote.id == kNoNode ? "nobody" : absl::StrCat(vote.id.value()));
  }
  if (!node.running()) return std::optional<std::string>("the node isn't running");
  const raft::Core& core = *node.core;
  if (what == "role") return Compare(Rest(words, 2), RoleText(core.role()));
  if (what == "epoch") return Compare(Rest(words, 2), absl::StrCat(core.epoch().value()));
  if (what == "hw") return Compare(Rest(words, 2), absl::StrCat(core.high_watermark().value()));
  if (what == "durable") return Compare(Rest(words, 2), absl::StrCat(core.durable_end().value()));
  if (what == "start") return Compare(Rest(words, 2), absl::StrCat(core.log_start().end.value()));
  if (what == "follows") {
    const bool follows = core.role() == ReplicaRole::kFollower;
    return Compare(Rest(words, 2), follows ? Words::Of(core.leader()) : "nobody");
  }
  return Compare(Rest(words, 2), Words::Of(core.voters()));
}

}  // namespace

Answer CheckPredicate(World& world, Arguments words) {
  static const auto* const kAboutNodes = new std::vector<std::string>{"log", "halted",  "vote",  "role",    "epoch",
                                                                      "hw",  "durable", "start", "follows", "voters"};
  if (words.empty()) return absl::InvalidArgumentError("say what is expected");
  if (words[0] == "leader") return Leader(world, words);
  if (words[0] == "same-log") return SameLog(world, words);
  if (words[0] == "read") return ReadIs(world, words);
  if (words[0] == "on-way") return OnWay(world, words);
  if (words[0] == "committed") {
    return Compare(Rest(words, 1), absl::StrCat(world.referee().committed_end().value()));
  }
  if (std::find(kAboutNodes->begin(), kAboutNodes->end(), words[0]) == kAboutNodes->end()) {
    return absl::InvalidArgumentError(absl::StrCat("nothing can be expected of \"", words[0], "\""));
  }
  const auto node = NodeAt(world, words, 1);
  if (!node.ok()) return node.status();
  return AboutNode(**node, words);
}

}  // namespace quorate::scenarios
