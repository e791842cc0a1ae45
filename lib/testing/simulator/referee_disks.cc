// The referee on what disks turn out to hold: I-03, I-05, I-11, I-12.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/control_records.h"
#include "testing/simulator/referee.h"

namespace quorate::testing::simulator {

void Referee::LogOpened(int node, const LogBounds& bounds, const std::vector<Batch>& batches) {
  Replica& replica = At(node);
  const Offset start = bounds.start.end;
  std::optional<uint64_t> chain = history_.ChainAt(start);
  if (!chain.has_value()) chain = replica.log.ChainAt(start);
  if (!chain.has_value()) {
    return Fail("I-11", absl::StrCat("the log of node ", node, " begins at offset ", start.value(),
                                     ", which is no boundary of what was committed"));
  }
  const Offset promised = replica.durable;
  const std::optional<uint64_t> promised_chain = replica.log.ChainAt(promised);
  replica.log.Reset(start, *chain);
  if (start == Offset(0)) replica.voter_records.clear();
  std::erase_if(replica.voter_records, [&](const auto& record) { return record.first >= start; });
  if (replica.voter_records.empty() && history_.VotersAsOf(start) != nullptr) {
    replica.voter_records.push_back(*history_.VotersAsOf(start));
  }
  for (const Batch& batch : batches) {
    if (auto wrong = history_.Note(batch, replica.log.Append(batch))) return Fail("I-05", *wrong);
    auto sets = raft::VoterSetsIn(batch);
    if (sets.ok()) replica.voter_records.insert(replica.voter_records.end(), sets->begin(), sets->end());
  }
  replica.durable = replica.on_disk = replica.log.end();
  if (promised <= std::max(start, replica.reset_to)) return;
  if (replica.log.end() < promised || replica.log.ChainAt(promised) != promised_chain) {
    Fail("I-12", absl::StrCat("node ", node, " said that its log is on disk up to offset ", promised.value(),
                              "; after a restart it ends at ", replica.log.end().value(),
                              replica.log.end() < promised ? "" : " and is another one"));
  }
}

void Referee::Audited(int node, const std::optional<ElectionState>& vote, const LogBounds& bounds,
                      const std::vector<Batch>& batches) {
  const Replica& replica = At(node);
  if (replica.persisted.has_value() && (!vote.has_value() || vote->epoch < replica.persisted->epoch)) {
    Fail("I-03", absl::StrCat("node ", node, " said that it had stored epoch ", replica.persisted->epoch.value(),
                              "; on its disk is epoch ", vote.has_value() ? vote->epoch.value() : 0));
  }
  const Offset promised = replica.durable;
  const std::optional<uint64_t> promised_chain = replica.log.ChainAt(promised);
  std::optional<uint64_t> chain = replica.log.ChainAt(bounds.start.end);
  if (!chain.has_value()) chain = history_.ChainAt(bounds.start.end);
  if (promised <= std::max(bounds.start.end, replica.reset_to) || !chain.has_value()) return;
  ShadowLog found;
  found.Reset(bounds.start.end, *chain);
  for (const Batch& batch : batches) found.Append(batch);
  if (found.ChainAt(promised) == promised_chain) return;
  Fail("I-12", absl::StrCat("node ", node, " said that its log is on disk up to offset ", promised.value(),
                            "; what is synced there ends at ", found.end().value()));
}

void Referee::ElectionStateLoaded(int node, const std::optional<ElectionState>& state) {
  Replica& replica = At(node);
  const std::optional<ElectionState> promised = std::exchange(replica.persisted, state);
  replica.epoch_at_start = state.has_value() ? state->epoch : Epoch(-1);
  if (!promised.has_value()) return;
  if (!state.has_value() || state->epoch < promised->epoch ||
      (state->epoch == promised->epoch && promised->voted_for.id != kNoNode &&
       state->voted_for != promised->voted_for)) {
    Fail("I-03", absl::StrCat("node ", node, " forgot its vote: it had stored epoch ", promised->epoch.value(),
                              " and a vote for node ", promised->voted_for.id.value(), ", and loaded epoch ",
                              state.has_value() ? state->epoch.value() : 0));
  }
}

void Referee::ElectionStatePersisted(int node, const ElectionState& state) {
  Replica& replica = At(node);
  if (!replica.alive) return;
  if (replica.persisted.has_value() && state.epoch < replica.persisted->epoch) {
    Fail("I-03", absl::StrCat("node ", node, " stored epoch ", state.epoch.value(), " after ",
                              replica.persisted->epoch.value()));
  }
  replica.persisted = state;
}

}  // namespace quorate::testing::simulator
