// The commands of the scenario language: README.md is their manual.
//
// An error is one of the script: an unknown word, a node that doesn't exist, an expectation that doesn't hold, a
// violated invariant. None of them can be regenerated away.
//
// Single-threaded; one for each run of a script.
#ifndef QUORATE_TESTS_SCENARIOS_INTERPRETER_H_
#define QUORATE_TESTS_SCENARIOS_INTERPRETER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "scenarios/script.h"
#include "scenarios/world.h"

namespace quorate::scenarios {

class Interpreter {
 public:
  // The lines that the command prints.
  absl::StatusOr<std::vector<std::string>> Run(absl::string_view command);

  // How each command is written, sorted: "crash NODE [keep [N]]".
  static std::vector<std::string> Usages();

 private:
  using Words = absl::Span<const std::string>;
  using Handler = absl::Status (Interpreter::*)(Words words);
  struct Entry {
    const char* usage;
    size_t words_min;  // behind the name
    size_t words_max;
    Handler handler;
  };
  static const std::vector<Entry>& Table();
  absl::StatusOr<std::vector<std::string>> RunAloud(absl::string_view command);
  static constexpr size_t kMany = 100;

  // ---- interpreter.cc ------------------------------------------------------------------------------
  absl::StatusOr<Node*> NodeOf(absl::string_view word);
  absl::StatusOr<Node*> RunningNode(absl::string_view word);
  // All of them when there are no words.
  absl::StatusOr<std::vector<Node*>> NodesOf(Words words);
  absl::Status Nodes(Words words);
  absl::Status Log(Words words);
  absl::Status Start(Words words);
  absl::Status Restart(Words words);
  absl::Status Crash(Words words);
  absl::Status Wipe(Words words);
  absl::Status Backup(Words words);
  absl::Status Rollback(Words words);
  absl::Status Pause(Words words);
  absl::Status Resume(Words words);
  absl::Status HoldDisk(Words words);
  absl::Status FreeDisk(Words words);
  absl::Status Sync(Words words);
  absl::Status Store(Words words);
  absl::Status FinishRead(Words words);
  absl::Status FinishSnapshot(Words words);
  absl::Status FinishJob(Words words, DiskJob kind);
  absl::Status Show(Words words);
  absl::Status Expect(Words words);
  absl::Status Tolerate(Words words);

  // ---- interpreter_events.cc -----------------------------------------------------------------------
  absl::Status Tick(Words words);
  absl::Status Campaign(Words words);
  absl::Status Elect(Words words);
  absl::Status RunFor(Words words);
  absl::Status Deliver(Words words);
  absl::Status Drop(Words words);
  absl::Status Duplicate(Words words);
  absl::Status Reorder(Words words);
  absl::Status NewerRecord(Words words);
  absl::Status Hold(Words words);
  absl::Status Release(Words words);
  absl::Status Stabilize(Words words);
  absl::Status Network(Words words);
  absl::Status Connect(Words words);
  absl::Status Disconnect(Words words);
  absl::Status Cut(Words words);
  absl::Status Isolate(Words words);
  absl::Status Heal(Words words);

  // ---- interpreter_requests.cc ---------------------------------------------------------------------
  absl::Status Propose(Words words);
  absl::Status Read(Words words);
  absl::Status AddVoter(Words words);
  absl::Status RemoveVoter(Words words);
  absl::Status UpdateVoter(Words words);
  absl::Status ChangeVoter(VoterChange change, Node& leader, Words options);
  absl::Status Transfer(Words words);
  absl::Status Resign(Words words);
  absl::Status Stop(Words words);
  absl::Status Suspect(Words words);
  absl::Status StateMachine(Words words);
  absl::Status Snapshot(Words words);

  std::unique_ptr<World> world_;  // null before `nodes`
  uint64_t last_change_ = 0;
  uint64_t last_transfer_ = 0;
};

// What `expect` can say, with or without `not` before it: nullopt when it holds, else what is there instead. An error:
// no such predicate.
absl::StatusOr<std::optional<std::string>> CheckPredicate(World& world, absl::Span<const std::string> words);

}  // namespace quorate::scenarios

#endif  // QUORATE_TESTS_SCENARIOS_INTERPRETER_H_
