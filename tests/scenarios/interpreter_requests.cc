// Commands about what is asked of the cores, by clients, operators and hosts.
#include "absl/strings/str_cat.h"
#include "scenarios/interpreter.h"

namespace quorate::scenarios {
namespace {

// How long a question may wait when the script doesn't say.
constexpr absl::Duration kPatience = absl::Seconds(30);

// Takes "within TIME" off the end of `words`.
absl::StatusOr<absl::Duration> TakeWithin(absl::Span<const std::string>* words) {
  if (words->size() < 2 || (*words)[words->size() - 2] != "within") return kPatience;
  const auto duration = ParseDuration(words->back());
  *words = words->subspan(0, words->size() - 2);
  return duration;
}

}  // namespace

absl::Status Interpreter::Propose(Words words) {
  const auto node = RunningNode(words[0]);
  if (!node.ok()) return node.status();
  absl::Status refused;
  world_->Do(**node, [&](raft::Core& core, Instant now) {
    const absl::string_view view = words[1];
    refused = core.Propose(now, absl::MakeConstSpan(&view, 1), 0).status();
  });
  if (!refused.ok()) world_->Say(absl::StrCat("  ", words[0], " refuses: ", scenarios::Words::Of(refused)));
  return absl::OkStatus();
}

absl::Status Interpreter::Read(Words words) {
  const auto node = RunningNode(words[0]);
  if (!node.ok()) return node.status();
  world_->Read(**node);
  return absl::OkStatus();
}

absl::Status Interpreter::ChangeVoter(VoterChange change, Node& leader, Words options) {
  const auto within = TakeWithin(&options);
  if (!within.ok()) return within.status();
  bool dry_run = false;
  for (const std::string& word : options) {
    if (word == "dry-run") {
      dry_run = true;
    } else if (word == "automatic") {
      change.automatic = true;
    } else {
      return absl::InvalidArgumentError(absl::StrCat("unknown option \"", word, "\""));
    }
  }
  const uint64_t id = ++last_change_;
  world_->Do(leader,
             [&](raft::Core& core, Instant now) { core.RequestVoterChange(now, id, change, now + *within, dry_run); });
  return absl::OkStatus();
}

absl::Status Interpreter::AddVoter(Words words) {
  const auto node = NodeOf(words[0]);
  const auto leader = RunningNode(words[1]);
  if (!node.ok()) return node.status();
  if (!leader.ok()) return leader.status();
  const raft::CoreConfig& config = (*node)->config;
  return ChangeVoter(VoterChange{VoterChange::Kind::kAdd, Voter{config.self, config.advertised_endpoints, 0, 1}, false},
                     **leader, words.subspan(2));
}

absl::Status Interpreter::RemoveVoter(Words words) {
  const auto node = NodeOf(words[0]);
  const auto leader = RunningNode(words[1]);
  if (!node.ok()) return node.status();
  if (!leader.ok()) return leader.status();
  // The replica that votes under that id: after a wiped disk it isn't the one that runs there.
  ReplicaKey key = (*node)->config.self;
  for (const Voter& voter : (*leader)->core->voters()) {
    if (voter.key.id == key.id) key = voter.key;
  }
  return ChangeVoter(VoterChange{VoterChange::Kind::kRemove, Voter{key, {}, 0, 1}, false}, **leader, words.subspan(2));
}

absl::Status Interpreter::UpdateVoter(Words words) {
  const auto node = NodeOf(words[0]);
  const auto leader = RunningNode(words[1]);
  if (!node.ok()) return node.status();
  if (!leader.ok()) return leader.status();
  (*node)->config.advertised_endpoints = {Endpoint{"CONTROLLER", words[2], 9093}};
  const raft::CoreConfig& config = (*node)->config;
  return ChangeVoter(
      VoterChange{VoterChange::Kind::kUpdate, Voter{config.self, config.advertised_endpoints, 0, 1}, false}, **leader,
      {});
}

absl::Status Interpreter::Transfer(Words words) {
  const auto leader = RunningNode(words[0]);
  if (!leader.ok()) return leader.status();
  Words rest = words.subspan(1);
  const auto within = TakeWithin(&rest);
  if (!within.ok()) return within.status();
  std::optional<NodeId> to;
  if (!rest.empty()) {
    const auto node = NodeOf(rest[0]);
    if (!node.ok()) return node.status();
    to = NodeId((*node)->id);
  }
  const uint64_t id = ++last_transfer_;
  world_->Do(**leader, [&](raft::Core& core, Instant now) { core.TransferLeadership(now, id, to, now + *within); });
  return absl::OkStatus();
}

absl::Status Interpreter::Resign(Words words) {
  const auto node = RunningNode(words[0]);
  if (!node.ok()) return node.status();
  world_->Do(**node, [](raft::Core& core, Instant now) { core.Resign(now, /*shutting_down=*/false); });
  return absl::OkStatus();
}

absl::Status Interpreter::Stop(Words words) {
  const auto node = RunningNode(words[0]);
  if (!node.ok()) return node.status();
  world_->Do(**node, [](raft::Core& core, Instant now) { core.Resign(now, /*shutting_down=*/true); });
  return absl::OkStatus();
}

absl::Status Interpreter::Suspect(Words words) {
  const auto node = RunningNode(words[0]);
  const auto leader = NodeOf(words[1]);
  if (!node.ok()) return node.status();
  if (!leader.ok()) return leader.status();
  world_->Do(**node, [&](raft::Core& core, Instant now) { core.SuspectLeader(now, NodeId((*leader)->id)); });
  return absl::OkStatus();
}

absl::Status Interpreter::StateMachine(Words words) {
  const auto node = RunningNode(words[0]);
  if (!node.ok()) return node.status();
  if (words[1] != "stuck" && words[1] != "works")
    return absl::InvalidArgumentError("write: state-machine NODE stuck|works");
  const bool stuck = words[1] == "stuck";
  world_->Do(**node, [&](raft::Core& core, Instant now) { core.ApplyStalled(now, stuck); });
  return absl::OkStatus();
}

absl::Status Interpreter::Snapshot(Words words) {
  const auto node = RunningNode(words[0]);
  if (!node.ok()) return node.status();
  const auto end = ParseNumber(words[1]);
  if (!end.ok()) return end.status();
  Offset trim_to(*end);
  if (words.size() > 2) {
    if (words.size() != 4 || words[2] != "trim")
      return absl::InvalidArgumentError("write: snapshot NODE END [trim OFFSET]");
    const auto offset = ParseNumber(words[3]);
    if (!offset.ok()) return offset.status();
    trim_to = Offset(*offset);
  }
  return world_->TakeSnapshot(**node, Offset(*end), trim_to);
}

}  // namespace quorate::scenarios
