#include "testing/simulator/history.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "raft/control_records.h"
#include "testing/simulator/scheduler.h"

namespace quorate::testing::simulator {
namespace {

uint64_t Chain(uint64_t before, const Batch& batch) {
  TraceHash hash;
  hash.Mix(before);
  hash.Mix(batch.crc());
  hash.Mix(static_cast<uint64_t>(batch.base_offset().value()));
  hash.Mix(static_cast<uint64_t>(batch.epoch().value()));
  return hash.value();
}

std::string Name(const LogEntry& entry) {
  return absl::StrCat("[", entry.base.value(), ", ", entry.end.value(), ") of epoch ", entry.epoch.value());
}

}  // namespace

void ShadowLog::Reset(Offset start, uint64_t chain) {
  start_ = start;
  start_chain_ = chain;
  entries_.clear();
}

const LogEntry& ShadowLog::Append(const Batch& batch) {
  const uint64_t before = entries_.empty() ? start_chain_ : entries_.back().chain;
  entries_.push_back({batch.base_offset(), batch.end_offset(), batch.epoch(), batch.crc(), Chain(before, batch)});
  return entries_.back();
}

void ShadowLog::Truncate(Offset end, std::vector<LogEntry>* cut) {
  while (!entries_.empty() && entries_.back().end > end) {
    cut->push_back(entries_.back());
    entries_.pop_back();
  }
}

void ShadowLog::Trim(Offset start) {
  const std::optional<uint64_t> chain = ChainAt(start);
  if (!chain.has_value() || start <= start_) return;
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<ptrdiff_t>(IndexOf(start)));
  start_ = start;
  start_chain_ = *chain;
}

size_t ShadowLog::IndexOf(Offset offset) const {
  const auto at = std::upper_bound(entries_.begin(), entries_.end(), offset,
                                   [](Offset value, const LogEntry& entry) { return value < entry.end; });
  return static_cast<size_t>(at - entries_.begin());
}

const LogEntry* ShadowLog::Covering(Offset offset) const {
  if (offset < start_) return nullptr;
  const size_t index = IndexOf(offset);
  return index == entries_.size() ? nullptr : &entries_[index];
}

std::optional<uint64_t> ShadowLog::ChainAt(Offset boundary) const {
  if (boundary == start_) return start_chain_;
  const LogEntry* entry = boundary < start_ ? nullptr : Covering(boundary - 1);
  if (entry == nullptr || entry->end != boundary) return std::nullopt;
  return entry->chain;
}

std::optional<std::string> History::Note(const Batch& batch, const LogEntry& entry) {
  const auto [known, fresh] =
      known_.try_emplace(std::make_pair(entry.base.value(), entry.epoch.value()), Known{entry.chain, batch});
  if (fresh || known->second.chain == entry.chain) return std::nullopt;
  return absl::StrCat("two logs have different batches ", Name(entry),
                      known->second.batch.crc() == entry.crc ? ", equal bytes after different prefixes" : "");
}

bool History::IsGenuine(const Batch& batch) const {
  const auto known = known_.find(std::make_pair(batch.base_offset().value(), batch.epoch().value()));
  return known != known_.end() && known->second.batch.crc() == batch.crc() &&
         known->second.batch.size() == batch.size();
}

std::optional<std::string> History::Commit(const LogEntry& entry, Epoch by) {
  if (entry.base < committed_end()) {
    if (IsCommitted(entry)) return std::nullopt;
    const size_t index = IndexOf(entry.base);
    return absl::StrCat("batch ", Name(entry), " is taken for committed where ", Name(committed_[index].entry),
                        " was committed before");
  }
  if (entry.base != committed_end()) {
    return absl::StrCat("batch ", Name(entry), " is taken for committed, the history ends at ",
                        committed_end().value());
  }
  const Batch& batch = known_.at(std::make_pair(entry.base.value(), entry.epoch.value())).batch;
  committed_.push_back({entry, batch, batch.Records(), by});
  if (batch.kind() == BatchKind::kControl) {
    auto sets = raft::VoterSetsIn(batch);
    if (!sets.ok()) return absl::StrCat("control batch ", Name(entry), " can't be read: ", sets.status().message());
    for (const auto& record : *sets) {
      for (const Voter& voter : voters_.empty() ? std::vector<Voter>() : voters_.back().second.voters()) {
        if (!record.second.Contains(voter.key)) removed_.insert(voter.key);
      }
      voters_.push_back(record);
    }
  }
  return std::nullopt;
}

size_t History::IndexOf(Offset offset) const {
  const auto at = std::upper_bound(committed_.begin(), committed_.end(), offset,
                                   [](Offset value, const Committed& batch) { return value < batch.entry.end; });
  return static_cast<size_t>(at - committed_.begin());
}

std::optional<Epoch> History::CommittedBy(const LogEntry& entry) const {
  const size_t index = IndexOf(entry.base);
  if (index == committed_.size() || committed_[index].entry.chain != entry.chain) return std::nullopt;
  return committed_[index].by;
}

const LogEntry* History::LastCommittedBefore(Epoch epoch) const {
  // Later entries may have been committed by an earlier leader, but not many: those that it still had on its way.
  for (size_t i = committed_.size(); i-- > 0;) {
    if (committed_[i].by < epoch) return &committed_[i].entry;
  }
  return nullptr;
}

std::optional<uint64_t> History::ChainAt(Offset boundary) const {
  if (boundary == Offset(0)) return 0;
  const size_t index = IndexOf(boundary - 1);
  if (index == committed_.size() || committed_[index].entry.end != boundary) return std::nullopt;
  return committed_[index].entry.chain;
}

const std::pair<Offset, raft::VoterSet>* History::VotersAsOf(Offset end) const {
  const auto at = std::lower_bound(voters_.begin(), voters_.end(), end,
                                   [](const auto& record, Offset value) { return record.first < value; });
  return at == voters_.begin() ? nullptr : &*std::prev(at);
}

}  // namespace quorate::testing::simulator
