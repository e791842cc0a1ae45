#include "simulator/cover.h"

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace quorate::testing::simulator {

void Cover::Add(const SimulationPlan& plan, const RunResult& result) {
  if (result.violation.has_value()) return;
  Entry entry{plan, {}, result.events};
  for (const auto& [mark, count] : result.marks) entry.reached.insert(mark);
  for (int kind = 0; kind < kFaultKinds; ++kind) {
    if (result.faults[static_cast<size_t>(kind)] == 0) continue;
    entry.reached.insert(std::string(ToString(static_cast<FaultKind>(kind))));
  }
  entries_.push_back(std::move(entry));
}

std::vector<const Cover::Entry*> Cover::Choose() const {
  std::vector<const Entry*> cheap;
  for (const Entry& entry : entries_) cheap.push_back(&entry);
  // Threads end in any order: by cost, and among equals by seed.
  std::sort(cheap.begin(), cheap.end(), [](const Entry* a, const Entry* b) {
    return a->events != b->events ? a->events < b->events : a->plan.seed < b->plan.seed;
  });
  std::set<std::string> missing;
  for (const Entry& entry : entries_) missing.insert(entry.reached.begin(), entry.reached.end());
  std::vector<const Entry*> chosen;
  while (!missing.empty()) {
    const Entry* best = nullptr;
    std::ptrdiff_t best_new = 0;
    for (const Entry* entry : cheap) {
      const auto fresh = std::count_if(entry->reached.begin(), entry->reached.end(),
                                       [&](const std::string& name) { return missing.contains(name); });
      if (fresh <= best_new) continue;
      best = entry;
      best_new = fresh;
    }
    chosen.push_back(best);
    for (const std::string& name : best->reached) missing.erase(name);
  }
  return chosen;
}

bool Cover::WritePlans(const std::string& directory) const {
  for (const Entry* entry : Choose()) {
    const std::string path = absl::StrCat(directory, "/cover-", entry->plan.seed, ".txt");
    std::ofstream file(path);
    file << "# One of a set that takes every mark and every kind of fault; when it was chosen, this one took\n";
    std::string line = "#";
    for (const std::string& name : entry->reached) {
      if (line.size() + name.size() > 110) {
        file << line << "\n";
        line = "#";
      }
      absl::StrAppend(&line, " ", name);
    }
    file << line << "\n" << PrintPlan(entry->plan);
    if (!file.flush()) {
      std::fprintf(stderr, "%s can't be written\n", path.c_str());
      return false;
    }
  }
  return true;
}

}  // namespace quorate::testing::simulator
