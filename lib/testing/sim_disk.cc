#include "testing/sim_disk.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_split.h"

namespace quorate::testing {
namespace {

std::vector<absl::string_view> Parts(absl::string_view path) {
  return absl::StrSplit(path, '/', [](absl::string_view part) { return !part.empty() && part != "."; });
}

}  // namespace

SimDisk::SimDisk() { nodes_[kRoot].directory = true; }

std::optional<SimDisk::NodeNumber> SimDisk::Find(absl::string_view path) const {
  NodeNumber at = kRoot;
  for (absl::string_view part : Parts(path)) {
    const Node& node = nodes_.at(at);
    if (!node.directory) return std::nullopt;
    auto next = node.names.find(std::string(part));
    if (next == node.names.end()) return std::nullopt;
    at = next->second;
  }
  return at;
}

std::optional<std::pair<SimDisk::NodeNumber, std::string>> SimDisk::FindParent(absl::string_view path) const {
  std::vector<absl::string_view> parts = Parts(path);
  if (parts.empty()) return std::nullopt;
  NodeNumber at = kRoot;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    const Node& node = nodes_.at(at);
    auto next = node.names.find(std::string(parts[i]));
    if (next == node.names.end() || !nodes_.at(next->second).directory) return std::nullopt;
    at = next->second;
  }
  return std::make_pair(at, std::string(parts.back()));
}

std::vector<std::string> SimDisk::Names(NodeNumber directory) const {
  std::vector<std::string> out;
  for (const auto& [name, node] : nodes_.at(directory).names) out.push_back(name);
  return out;
}

SimDisk::NodeNumber SimDisk::Create(NodeNumber parent, const std::string& name, bool directory) {
  const NodeNumber number = ++last_node_;
  nodes_[number].directory = directory;
  ChangeNames(parent, NameChange{"", name, number});
  return number;
}

void SimDisk::Rename(NodeNumber parent, const std::string& from, const std::string& to) {
  const NodeNumber node = nodes_.at(parent).names.at(from);
  ChangeNames(parent, NameChange{from, to, node});
}

void SimDisk::Unlink(NodeNumber parent, const std::string& name) { ChangeNames(parent, NameChange{name, "", 0}); }

void SimDisk::SyncDirectory(NodeNumber directory) {
  Node& node = nodes_.at(directory);
  for (const NameChange& change : node.pending_names) Apply(change, &node.synced_names);
  node.pending_names.clear();
}

uint64_t SimDisk::TotalBytes() const {
  uint64_t total = 0;
  for (NodeNumber number : Reachable(/*after_a_crash=*/false)) total += nodes_.at(number).current.size();
  return total;
}

void SimDisk::Write(NodeNumber file, uint64_t offset, std::string bytes) {
  Node& node = nodes_.at(file);
  node.pending.push_back(FileChange{false, offset, std::move(bytes)});
  Apply(node.pending.back(), &node.current);
}

void SimDisk::Truncate(NodeNumber file, uint64_t size) {
  Node& node = nodes_.at(file);
  node.pending.push_back(FileChange{true, size, ""});
  Apply(node.pending.back(), &node.current);
}

void SimDisk::SyncFile(NodeNumber file) {
  Node& node = nodes_.at(file);
  for (const FileChange& change : node.pending) Apply(change, &node.synced);
  node.pending.clear();
}

void SimDisk::Replace(NodeNumber file, std::string bytes) {
  Node& node = nodes_.at(file);
  node.pending.clear();
  node.synced = bytes;
  node.current = std::move(bytes);
}

void SimDisk::Crash(Survival survival, Random* random) {
  for (auto& [number, node] : nodes_) {
    if (!node.directory) {
      CrashFile(node, survival, random);
      continue;
    }
    // After a mere process death the changes stay pending: only a sync makes them safe from the next crash.
    if (survival == Survival::kAll) continue;
    for (const NameChange& change : node.pending_names) {
      if (survival == Survival::kRandom && random->Below(2) == 0) Apply(change, &node.synced_names);
    }
    node.pending_names.clear();
    node.names = node.synced_names;
  }
  ForgetUnlinked({});  // whoever had one open is dead
}

void SimDisk::CrashFile(Node& node, Survival survival, Random* random) {
  if (survival == Survival::kAll) return;
  for (const FileChange& change : node.pending) {
    if (survival == Survival::kRandom) ApplyPartly(change, random, &node.synced);
  }
  node.pending.clear();
  node.current = node.synced;
}

void SimDisk::Apply(const FileChange& change, std::string* image) {
  if (change.truncate) {
    image->resize(change.offset);
    return;
  }
  const uint64_t end = change.offset + change.bytes.size();
  if (image->size() < end) image->resize(end);
  std::copy(change.bytes.begin(), change.bytes.end(), image->begin() + static_cast<ptrdiff_t>(change.offset));
}

void SimDisk::Apply(const NameChange& change, std::map<std::string, NodeNumber>* names) {
  if (!change.remove.empty()) names->erase(change.remove);
  if (!change.add.empty()) (*names)[change.add] = change.node;
}

void SimDisk::ApplyPartly(const FileChange& change, Random* random, std::string* image) {
  enum Fate : uint64_t { kWhole, kLost, kCut, kSectors, kZeros, kGarbage, kFates };
  const uint64_t fate = random->Below(kFates);
  if (fate == kLost) return;
  if (fate == kWhole || change.truncate) return Apply(change, image);
  // Sector by sector, on the disk's grid.
  const uint64_t end = change.offset + change.bytes.size();
  const uint64_t sectors = (end + kSectorBytes - 1) / kSectorBytes - change.offset / kSectorBytes;
  const uint64_t cut = sectors == 0 ? 0 : random->Below(sectors);
  uint64_t index = 0;
  for (uint64_t at = change.offset; at < end; ++index) {
    const uint64_t next = std::min(end, (at / kSectorBytes + 1) * kSectorBytes);
    FileChange sector{false, at, change.bytes.substr(at - change.offset, next - at)};
    at = next;
    if ((fate == kCut && index >= cut) || (fate == kSectors && random->Below(2) == 0)) continue;
    if (fate == kZeros && index >= cut) std::fill(sector.bytes.begin(), sector.bytes.end(), '\0');
    if (fate == kGarbage && index == cut) {
      for (char& byte : sector.bytes) byte = static_cast<char>(random->Next());
    }
    Apply(sector, image);
  }
}

void SimDisk::ChangeNames(NodeNumber directory, NameChange change) {
  Node& node = nodes_.at(directory);
  Apply(change, &node.names);
  node.pending_names.push_back(std::move(change));
}

std::set<SimDisk::NodeNumber> SimDisk::Reachable(bool after_a_crash) const {
  std::set<NodeNumber> reachable = {kRoot};
  std::vector<NodeNumber> todo = {kRoot};
  const auto visit = [&](NodeNumber number) {
    if (reachable.insert(number).second) todo.push_back(number);
  };
  while (!todo.empty()) {
    const Node& node = nodes_.at(todo.back());
    todo.pop_back();
    for (const auto& [name, number] : node.names) visit(number);
    if (!after_a_crash) continue;
    for (const auto& [name, number] : node.synced_names) visit(number);
    for (const NameChange& change : node.pending_names) {
      if (!change.add.empty()) visit(change.node);
    }
  }
  return reachable;
}

void SimDisk::ForgetUnlinked(const std::set<NodeNumber>& open) {
  const std::set<NodeNumber> reachable = Reachable(/*after_a_crash=*/true);
  for (auto node = nodes_.begin(); node != nodes_.end();) {
    const bool wanted = reachable.count(node->first) > 0 || open.count(node->first) > 0;
    node = wanted ? std::next(node) : nodes_.erase(node);
  }
}

}  // namespace quorate::testing
