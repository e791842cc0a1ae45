// The table of commands, and those about nodes and their disks.
#include "scenarios/interpreter.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace quorate::scenarios {

const std::vector<Interpreter::Entry>& Interpreter::Table() {
  using I = Interpreter;
  static const auto* const kTable = new std::vector<Entry>{
      {"nodes VOTERS [spares=N] [observers=N] [seed=N] [fetch=TIME] [election=TIME] [tail=BYTES] [chunk=BYTES] "
       "[auto-join] [priority.NODE=N]",
       1, kMany, &I::Nodes},
      {"log NODE EPOCH...", 2, kMany, &I::Log},
      {"start [NODE...]", 0, kMany, &I::Start},
      {"restart NODE", 1, 1, &I::Restart},
      {"crash NODE [keep [N]]", 1, 3, &I::Crash},
      {"wipe NODE", 1, 1, &I::Wipe},
      {"backup NODE", 1, 1, &I::Backup},
      {"rollback NODE", 1, 1, &I::Rollback},
      {"pause NODE", 1, 1, &I::Pause},
      {"resume NODE TIME", 2, 2, &I::Resume},
      {"hold-disk NODE [store|log|read|snapshot]...", 1, 5, &I::HoldDisk},
      {"free-disk NODE", 1, 1, &I::FreeDisk},
      {"sync NODE [N]", 1, 2, &I::Sync},
      {"store NODE [N]", 1, 2, &I::Store},
      {"finish-read NODE [N]", 1, 2, &I::FinishRead},
      {"finish-snapshot NODE [N]", 1, 2, &I::FinishSnapshot},
      {"show [NODE...]", 0, kMany, &I::Show},
      {"expect [not] PREDICATE", 1, kMany, &I::Expect},
      {"tolerate INVARIANT...", 1, kMany, &I::Tolerate},
      {"tick TIME [NODE...]", 1, kMany, &I::Tick},
      {"campaign NODE", 1, 1, &I::Campaign},
      {"elect NODE", 1, 1, &I::Elect},
      {"run TIME", 1, 1, &I::RunFor},
      {"deliver [MESSAGES]", 0, 3, &I::Deliver},
      {"drop [MESSAGES]", 0, 3, &I::Drop},
      {"duplicate [MESSAGES]", 0, 3, &I::Duplicate},
      {"reorder [LINK] [TYPE] [= N...]", 0, kMany, &I::Reorder},
      {"newer-record LINK", 1, 1, &I::NewerRecord},
      {"hold [LINK] [TYPE]", 0, 2, &I::Hold},
      {"release [LINK] [TYPE]", 0, 2, &I::Release},
      {"stabilize [verbose]", 0, 1, &I::Stabilize},
      {"network", 0, 0, &I::Network},
      {"connect NODE->NODE", 1, 1, &I::Connect},
      {"disconnect NODE->NODE", 1, 1, &I::Disconnect},
      {"cut LINK", 1, 1, &I::Cut},
      {"isolate NODE", 1, 1, &I::Isolate},
      {"heal [LINK]", 0, 1, &I::Heal},
      {"propose NODE TEXT", 2, 2, &I::Propose},
      {"read NODE", 1, 1, &I::Read},
      {"add-voter NODE LEADER [automatic] [dry-run] [within TIME]", 2, 6, &I::AddVoter},
      {"remove-voter NODE LEADER [dry-run] [within TIME]", 2, 5, &I::RemoveVoter},
      {"update-voter NODE LEADER HOST", 3, 3, &I::UpdateVoter},
      {"transfer LEADER [NODE] [within TIME]", 1, 4, &I::Transfer},
      {"resign NODE", 1, 1, &I::Resign},
      {"stop NODE", 1, 1, &I::Stop},
      {"suspect NODE LEADER", 2, 2, &I::Suspect},
      {"state-machine NODE stuck|works", 2, 2, &I::StateMachine},
      {"snapshot NODE END [trim OFFSET]", 2, 4, &I::Snapshot},
  };
  return *kTable;
}

std::vector<std::string> Interpreter::Usages() {
  std::vector<std::string> usages;
  for (const Entry& entry : Table()) usages.emplace_back(entry.usage);
  std::sort(usages.begin(), usages.end());
  return usages;
}

absl::StatusOr<std::vector<std::string>> Interpreter::Run(absl::string_view command) {
  if (absl::ConsumePrefix(&command, "quietly ") && world_ != nullptr) world_->SetQuiet(true);
  const auto lines = RunAloud(command);
  if (world_ != nullptr) world_->SetQuiet(false);
  return lines;
}

absl::StatusOr<std::vector<std::string>> Interpreter::RunAloud(absl::string_view command) {
  const std::vector<std::string> words = absl::StrSplit(command, ' ', absl::SkipEmpty());
  for (const Entry& entry : Table()) {
    const std::vector<std::string> usage = absl::StrSplit(entry.usage, ' ');
    if (words.empty() || words.front() != usage.front()) continue;
    const Words arguments = absl::MakeConstSpan(words).subspan(1);
    if (arguments.size() < entry.words_min || arguments.size() > entry.words_max) {
      return absl::InvalidArgumentError(absl::StrCat("write: ", entry.usage));
    }
    if (world_ == nullptr && entry.handler != &Interpreter::Nodes) {
      return absl::InvalidArgumentError("a script begins with `nodes`");
    }
    if (const absl::Status done = (this->*entry.handler)(arguments); !done.ok()) return done;
    std::vector<std::string> lines = world_->TakeLines();
    for (const std::string& told : world_->referee().TakeTolerated()) lines.push_back("tolerated: " + told);
    if (const auto violations = world_->referee().TakeViolations(); !violations.empty()) {
      return absl::InternalError(
          absl::StrCat(absl::StrJoin(violations, "\n"), "\nafter:\n", absl::StrJoin(lines, "\n")));
    }
    return lines;
  }
  return absl::InvalidArgumentError(absl::StrCat("unknown command \"", words.empty() ? "" : words.front(), "\""));
}

absl::StatusOr<Node*> Interpreter::NodeOf(absl::string_view word) {
  const auto id = ParseNumber(word);
  if (!id.ok()) return id.status();
  Node* node = world_->Find(static_cast<int>(*id));
  if (node == nullptr) return absl::InvalidArgumentError(absl::StrCat("there is no node ", word));
  return node;
}

absl::StatusOr<Node*> Interpreter::RunningNode(absl::string_view word) {
  auto node = NodeOf(word);
  if (node.ok() && !(*node)->running())
    return absl::InvalidArgumentError(absl::StrCat("node ", word, " isn't running"));
  if (node.ok() && (*node)->paused) return absl::InvalidArgumentError(absl::StrCat("node ", word, " is paused"));
  return node;
}

absl::StatusOr<std::vector<Node*>> Interpreter::NodesOf(Words words) {
  std::vector<Node*> nodes;
  for (const std::string& word : words) {
    auto node = NodeOf(word);
    if (!node.ok()) return node.status();
    nodes.push_back(*node);
  }
  if (words.empty()) {
    for (const auto& node : world_->nodes()) nodes.push_back(node.get());
  }
  return nodes;
}

absl::Status Interpreter::Nodes(Words words) {
  if (world_ != nullptr) return absl::InvalidArgumentError("`nodes` is said once");
  WorldOptions options;
  const auto voters = ParseNumber(words[0]);
  if (!voters.ok() || *voters > 9) return absl::InvalidArgumentError("say how many voters there are, up to 9");
  options.voters = static_cast<int>(*voters);
  for (const std::string& word : words.subspan(1)) {
    const std::pair<std::string, std::string> option = absl::StrSplit(word, absl::MaxSplits('=', 1));
    const auto& [name, value] = option;
    if (name == "auto-join") {
      options.auto_join = true;
      continue;
    }
    if (name == "fetch" || name == "election") {
      const auto duration = ParseDuration(value);
      if (!duration.ok()) return duration.status();
      (name == "fetch" ? options.timeouts.fetch : options.timeouts.election) = *duration;
      continue;
    }
    const auto number = ParseNumber(value);
    if (!number.ok()) return number.status();
    const auto n = *number;
    if (name == "spares") {
      options.spares = static_cast<int>(n);
    } else if (name == "observers") {
      options.observers = static_cast<int>(n);
    } else if (name == "seed") {
      options.seed = static_cast<uint64_t>(n);
    } else if (name == "tail") {
      options.tail_cache_bytes = static_cast<size_t>(n);
    } else if (name == "chunk") {
      options.chunk_bytes = static_cast<uint32_t>(n);
    } else if (int64_t id = 0; absl::StartsWith(name, "priority.")) {
      const auto node = ParseNumber(name.substr(9));
      if (!node.ok()) return node.status();
      id = *node;
      options.priorities[static_cast<int>(id)] = static_cast<uint8_t>(n);
    } else {
      return absl::InvalidArgumentError(absl::StrCat("unknown option \"", name, "\""));
    }
  }
  // A script says itself how long a node waits; nothing is learned from a rhythm that it doesn't have.
  options.timeouts.silence_min = options.timeouts.fetch;
  options.timeouts.disk_stall = options.timeouts.fetch;
  world_ = std::make_unique<World>(options);
  return absl::OkStatus();
}

absl::Status Interpreter::Log(Words words) {
  const auto node = NodeOf(words[0]);
  if (!node.ok()) return node.status();
  if ((*node)->core != nullptr || !(*node)->disk.log.empty()) {
    return absl::InvalidArgumentError("a log is given to a node once, before it starts");
  }
  std::vector<Epoch> epochs;
  for (const std::string& word : words.subspan(1)) {
    const auto epoch = ParseNumber(word);
    if (!epoch.ok()) return epoch.status();
    epochs.emplace_back(static_cast<int32_t>(*epoch));
    if (epochs.size() > 1 && epochs.back() < epochs[epochs.size() - 2]) {
      return absl::InvalidArgumentError("epochs don't fall along a log");
    }
  }
  world_->GiveLog(**node, epochs);
  return absl::OkStatus();
}

absl::Status Interpreter::Start(Words words) {
  const auto nodes = NodesOf(words);
  if (!nodes.ok()) return nodes.status();
  for (Node* node : *nodes) {
    if (node->core != nullptr) return absl::InvalidArgumentError(absl::StrCat("node ", node->id, " runs already"));
  }
  for (Node* node : *nodes) world_->Start(*node);
  for (Node* node : *nodes) {
    for (const auto& peer : world_->nodes()) {
      if (peer.get() != node && peer->running()) world_->Connect(*node, *peer);
    }
  }
  // Their first look around finds nobody, as if they had started one after the other. Nobody wants to read it.
  for (const auto& packet : world_->network().All()) world_->network().Take(packet);
  std::vector<std::string> lines = world_->TakeLines();
  for (std::string& line : lines) {
    if (line.find("->") == std::string::npos) world_->Say(std::move(line));
  }
  return absl::OkStatus();
}

absl::Status Interpreter::Restart(Words words) {
  const auto node = NodeOf(words[0]);
  if (!node.ok()) return node.status();
  if ((*node)->core != nullptr && !(*node)->halt.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat("node ", words[0], " runs; crash it first"));
  }
  (*node)->jobs.clear();
  world_->Start(**node);
  for (const auto& peer : world_->nodes()) {
    if (peer.get() == *node || !peer->running()) continue;
    world_->Connect(**node, *peer);
    world_->Connect(*peer, **node);
  }
  return absl::OkStatus();
}

absl::Status Interpreter::Crash(Words words) {
  const auto node = NodeOf(words[0]);
  if (!node.ok()) return node.status();
  if ((*node)->core == nullptr) return absl::InvalidArgumentError(absl::StrCat("node ", words[0], " is down already"));
  size_t kept = 0;
  if (words.size() > 1) {
    if (words[1] != "keep") return absl::InvalidArgumentError("write: crash NODE [keep [N]]");
    const auto n = words.size() > 2 ? ParseNumber(words[2]) : absl::StatusOr<int64_t>(INT32_MAX);
    if (!n.ok()) return n.status();
    kept = static_cast<size_t>(*n);
  }
  world_->Crash(**node, kept);
  return absl::OkStatus();
}

absl::Status Interpreter::Wipe(Words words) {
  const auto node = NodeOf(words[0]);
  if (!node.ok()) return node.status();
  if ((*node)->core != nullptr) return absl::InvalidArgumentError("a disk is changed while its node is down");
  world_->Wipe(**node);
  return absl::OkStatus();
}

absl::Status Interpreter::Backup(Words words) {
  const auto node = NodeOf(words[0]);
  if (!node.ok()) return node.status();
  (*node)->backup = (*node)->disk;
  return absl::OkStatus();
}

absl::Status Interpreter::Rollback(Words words) {
  const auto node = NodeOf(words[0]);
  if (!node.ok()) return node.status();
  if ((*node)->core != nullptr) return absl::InvalidArgumentError("a disk is changed while its node is down");
  if (!(*node)->backup.has_value()) return absl::InvalidArgumentError("there is no backup of that disk");
  (*node)->disk = *(*node)->backup;
  return absl::OkStatus();
}

absl::Status Interpreter::Pause(Words words) {
  const auto node = RunningNode(words[0]);
  if (!node.ok()) return node.status();
  world_->Pause(**node);
  return absl::OkStatus();
}

absl::Status Interpreter::Resume(Words words) {
  const auto node = NodeOf(words[0]);
  if (!node.ok()) return node.status();
  const auto slept = ParseDuration(words[1]);
  if (!slept.ok()) return slept.status();
  if (!(*node)->paused) return absl::InvalidArgumentError(absl::StrCat("node ", words[0], " isn't paused"));
  world_->Resume(**node, *slept);
  return absl::OkStatus();
}

// ---- Disks --------------------------------------------------------------------------------------------

absl::Status Interpreter::HoldDisk(Words words) {
  const auto node = NodeOf(words[0]);
  if (!node.ok()) return node.status();
  for (const std::string& word : words.subspan(1)) {
    if (word == "store") {
      (*node)->held.insert(DiskJob::kStore);
    } else if (word == "log") {
      (*node)->held.insert(DiskJob::kLog);
    } else if (word == "read") {
      (*node)->held.insert(DiskJob::kRead);
    } else if (word == "snapshot") {
      (*node)->held.insert(DiskJob::kSnapshot);
    } else {
      return absl::InvalidArgumentError(absl::StrCat("a disk has no \"", word, "\" to hold"));
    }
  }
  if (words.size() == 1) (*node)->held = {DiskJob::kStore, DiskJob::kLog, DiskJob::kRead, DiskJob::kSnapshot};
  return absl::OkStatus();
}

absl::Status Interpreter::FreeDisk(Words words) {
  const auto node = NodeOf(words[0]);
  if (!node.ok()) return node.status();
  world_->Unhold(**node);
  return absl::OkStatus();
}

absl::Status Interpreter::FinishJob(Words words, DiskJob kind) {
  const auto node = NodeOf(words[0]);
  if (!node.ok()) return node.status();
  std::optional<size_t> n;
  if (words.size() > 1) {
    const auto number = ParseNumber(words[1]);
    if (!number.ok()) return number.status();
    n = static_cast<size_t>(*number);
  }
  if (!world_->Finish(**node, kind, n)) {
    return absl::InvalidArgumentError("the disk has nothing of that kind to finish; was it held?");
  }
  return absl::OkStatus();
}

absl::Status Interpreter::Sync(Words words) { return FinishJob(words, DiskJob::kLog); }
absl::Status Interpreter::Store(Words words) { return FinishJob(words, DiskJob::kStore); }
absl::Status Interpreter::FinishRead(Words words) { return FinishJob(words, DiskJob::kRead); }
absl::Status Interpreter::FinishSnapshot(Words words) { return FinishJob(words, DiskJob::kSnapshot); }

// ---- Looking --------------------------------------------------------------------------------------------

absl::Status Interpreter::Show(Words words) {
  const auto nodes = NodesOf(words);
  if (!nodes.ok()) return nodes.status();
  for (const Node* node : *nodes) world_->Say(world_->Show(*node));
  return absl::OkStatus();
}

absl::Status Interpreter::Expect(Words words) {
  const bool negated = words[0] == "not";
  if (negated) words = words.subspan(1);
  const auto instead = CheckPredicate(*world_, words);
  if (!instead.ok()) return instead.status();
  if (instead->has_value() != negated) {
    return absl::FailedPreconditionError(
        absl::StrCat("the expectation doesn't hold: ", negated ? "it is so" : **instead));
  }
  return absl::OkStatus();
}

absl::Status Interpreter::Tolerate(Words words) {
  for (const std::string& word : words) world_->referee().Tolerate(word);
  return absl::OkStatus();
}

}  // namespace quorate::scenarios
