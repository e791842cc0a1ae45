#include "testing/simulator/judge.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace quorate::testing::simulator {
namespace {

using Call = ClientCall;

std::string Name(const Call& call) {
  const absl::string_view what = call.kind == Call::Kind::kPropose ? call.call.record : call.call.query;
  return absl::StrCat(call.kind == Call::Kind::kPropose ? "proposal" : "read", " \"", what.substr(0, 60), "\" to node ",
                      call.node, " at ", call.called.nanos() / 1'000'000, " ms");
}

// Feeds the committed records to the fresh machine, and looks at it where reads looked.
class Replay {
 public:
  Replay(const History& history, Clients* clients, StateMachine* fresh, Referee* referee)
      : history_(history), clients_(clients), fresh_(fresh), referee_(referee) {}

  void Run() {
    for (const Call& call : clients_->calls()) {
      if (call.end != Call::End::kOk) continue;
      if (call.kind == Call::Kind::kPropose) {
        proposals_[call.offset] = &call;
      } else {
        reads_.emplace(call.offset, &call);
      }
    }
    AnswerReadsUpTo(Offset(0));
    for (const History::Committed& batch : history_.committed()) {
      if (batch.batch.kind() == BatchKind::kData) Feed(batch);
      AnswerReadsUpTo(batch.entry.end);
    }
    if (!reads_.empty()) {
      referee_->Fail("I-20", absl::StrCat(Name(*reads_.begin()->second), " saw offset ", reads_.begin()->first.value(),
                                          ", which was never committed"));
    }
  }

 private:
  void Feed(const History::Committed& batch) {
    for (size_t i = 0; i < batch.records.size(); ++i) {
      const Offset offset = batch.entry.base + static_cast<int64_t>(i);
      std::string result;
      const CommittedRecord record{offset, batch.entry.epoch, batch.records[i], &result};
      if (absl::Status applied = fresh_->Apply(absl::MakeConstSpan(&record, 1)); !applied.ok()) {
        return referee_->Fail("I-20", absl::StrCat("alone, the state machine refuses the record at offset ",
                                                   offset.value(), ": ", applied.message()));
      }
      if (const auto call = proposals_.find(offset); call != proposals_.end()) {
        if (call->second->call.record != batch.records[i]) {
          referee_->Fail("I-21", absl::StrCat(Name(*call->second), " was acknowledged at offset ", offset.value(),
                                              ", where something else is"));
        } else if (call->second->answer != result) {
          referee_->Fail("I-20", absl::StrCat(Name(*call->second), " was answered \"", call->second->answer,
                                              "\"; a single copy answers \"", result, "\""));
        }
        proposals_.erase(call);
      }
      AnswerReadsUpTo(offset + 1);
    }
  }

  void AnswerReadsUpTo(Offset end) {
    while (!reads_.empty() && reads_.begin()->first <= end) {
      const Call& call = *reads_.begin()->second;
      const std::string answer = clients_->AnswerFrom(fresh_, call);
      if (answer != call.answer) {
        referee_->Fail("I-20", absl::StrCat(Name(call), " was answered \"", call.answer, "\" as of offset ",
                                            call.offset.value(), "; a single copy answers \"", answer, "\""));
      }
      reads_.erase(reads_.begin());
    }
  }

 public:
  // Acknowledged, and not in the history.
  void CheckAcknowledged() {
    if (proposals_.empty()) return;
    referee_->Fail("I-21", absl::StrCat(Name(*proposals_.begin()->second), " was acknowledged at offset ",
                                        proposals_.begin()->first.value(), " and isn't in the committed history"));
  }

 private:
  const History& history_;
  Clients* const clients_;
  StateMachine* const fresh_;
  Referee* const referee_;
  std::map<Offset, const Call*> proposals_;
  std::multimap<Offset, const Call*> reads_;
};

// I-20: who was answered before another called comes before it.
void CheckRealTime(const Clients& clients, Referee* referee) {
  std::vector<const Call*> by_call;
  std::vector<const Call*> by_return;
  for (const Call& call : clients.calls()) {
    if (call.end != Call::End::kOk || call.kind == Call::Kind::kReadStale) continue;
    by_call.push_back(&call);
    by_return.push_back(&call);
  }
  std::stable_sort(by_return.begin(), by_return.end(),
                   [](const Call* a, const Call* b) { return a->returned < b->returned; });
  Offset floor;  // everything below was seen by somebody who was answered
  const Call* seen_by = nullptr;
  auto returned = by_return.begin();
  for (const Call* call : by_call) {
    for (; returned != by_return.end() && (*returned)->returned < call->called; ++returned) {
      const bool writes = (*returned)->kind == Call::Kind::kPropose;
      const Offset end = (*returned)->offset + (writes ? 1 : 0);
      if (end <= floor) continue;
      floor = end;
      seen_by = *returned;
    }
    if (call->offset >= floor) continue;
    return referee->Fail(
        "I-20", absl::StrCat(Name(*call), " took effect at offset ", call->offset.value(), "; before it ",
                             "was called, the ", Name(*seen_by), " had seen everything below ", floor.value()));
  }
}

// I-21: as often as it was asked for at most, never when it was refused.
void CheckCounts(const History& history, const Clients& clients, Referee* referee) {
  struct Count {
    int possible = 0;  // acknowledged or unknown
    int found = 0;
    const Call* refused = nullptr;
  };
  absl::flat_hash_map<std::string, Count> counts;
  for (const Call& call : clients.calls()) {
    if (call.kind != Call::Kind::kPropose) continue;
    Count& count = counts[call.call.record];
    if (call.end == Call::End::kNotApplied) {
      count.refused = &call;
    } else {
      ++count.possible;
    }
  }
  for (const History::Committed& batch : history.committed()) {
    if (batch.batch.kind() != BatchKind::kData) continue;
    for (size_t i = 0; i < batch.records.size(); ++i) {
      const auto count = counts.find(std::string(batch.records[i]));
      if (count == counts.end()) {
        return referee->Fail("I-21", absl::StrCat("nobody proposed what is committed at offset ",
                                                  (batch.entry.base + static_cast<int64_t>(i)).value()));
      }
      if (++count->second.found <= count->second.possible) continue;
      return referee->Fail(
          "I-21", absl::StrCat("what is committed at offset ", (batch.entry.base + static_cast<int64_t>(i)).value(),
                               count->second.refused == nullptr ? " took effect more often than it was proposed"
                                                                : absl::StrCat(": the ", Name(*count->second.refused),
                                                                               " was told that it has no effect")));
    }
  }
}

// Stale reads show some committed state, with its epoch.
void CheckStaleReads(const History& history, const Clients& clients, Referee* referee) {
  for (const Call& call : clients.calls()) {
    if (call.kind != Call::Kind::kReadStale || call.end != Call::End::kOk || call.offset == Offset(0)) continue;
    const size_t index = history.IndexOf(call.offset - 1);
    if (index < history.committed().size() && history.committed()[index].entry.epoch == call.epoch) continue;
    return referee->Fail("I-20", absl::StrCat("stale ", Name(call), " says that it shows offset ", call.offset.value(),
                                              " of epoch ", call.epoch.value(), ", which was never committed"));
  }
}

void CheckWithModel(const History& history, const Clients& clients, const SequentialModel& model, Referee* referee) {
  absl::flat_hash_map<std::string, bool> committed;
  for (const History::Committed& batch : history.committed()) {
    for (absl::string_view record : batch.records) committed.emplace(std::string(record), true);
  }
  std::vector<Operation> operations;
  for (const Call& call : clients.calls()) {
    if (call.kind == Call::Kind::kReadStale || call.end == Call::End::kNotApplied) continue;
    const bool answered = call.end == Call::End::kOk;
    if (call.kind == Call::Kind::kRead && (!answered || !call.call.read)) continue;
    // Of an unknown outcome that the end shows to be none, nobody has to think any more.
    if (!answered && !committed.contains(call.call.record)) continue;
    Operation operation;
    operation.key = call.call.key;
    operation.input = call.kind == Call::Kind::kRead ? "read" : call.call.input;
    if (answered) operation.output = call.answer;
    operation.called = call.called;
    if (answered) operation.returned = call.returned;
    operations.push_back(std::move(operation));
  }
  const LinearizabilityVerdict verdict = CheckLinearizable(operations, model, 2'000'000);
  if (verdict.decided && !verdict.linearizable) referee->Fail("I-20", verdict.explanation);
}

}  // namespace

void JudgeClients(const History& history, Clients* clients, StateMachine* fresh, Referee* referee) {
  CheckCounts(history, *clients, referee);
  CheckRealTime(*clients, referee);
  CheckStaleReads(history, *clients, referee);
  Replay replay(history, clients, fresh, referee);
  replay.Run();
  replay.CheckAcknowledged();
  if (const SequentialModel* model = clients->workload()->model()) CheckWithModel(history, *clients, *model, referee);
}

}  // namespace quorate::testing::simulator
