// What is on a simulated disk, and what only seems to be.
//
// Each file has two images: `synced`, which survives anything, and `current`, which is what reads see.
// Between them lie the pending changes, in order. A sync of the file moves them over; a crash decides the
// fate of each by itself: kept, lost, cut at a sector, in single sectors, as zeros, or as garbage (faults
// F-P01, F-P02). Directories work the same way with their entries (F-P03): a name exists after a crash
// only if the directory was synced, or by luck. Why not only "everything unsynced is lost": that is the kindest
// crash there is; it never leaves a torn batch or the second half of a write without the first.
//
// Values: copy a SimDisk to keep a state and go back to it.
#ifndef QUORATE_TESTING_SIM_DISK_H_
#define QUORATE_TESTING_SIM_DISK_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "quorate/environment.h"

namespace quorate::testing {

// What a crash leaves of the changes that were not synced.
enum class Survival {
  kAll,     // the process died, the machine did not: the page cache survives
  kNone,    // power failure, nothing unsynced reached the disk
  kRandom,  // power failure: each change has its own fate
};

class SimDisk {
 public:
  using NodeNumber = uint64_t;
  static constexpr NodeNumber kRoot = 1;
  static constexpr size_t kSectorBytes = 512;

  SimDisk();

  // ---- Names. Paths are '/'-separated; empty parts and "." mean nothing. ----
  [[nodiscard]] std::optional<NodeNumber> Find(absl::string_view path) const;
  // The directory that holds `path`, and the last part of it; nullopt when that directory doesn't exist.
  [[nodiscard]] std::optional<std::pair<NodeNumber, std::string>> FindParent(absl::string_view path) const;
  [[nodiscard]] bool IsDirectory(NodeNumber node) const { return nodes_.at(node).directory; }
  [[nodiscard]] std::vector<std::string> Names(NodeNumber directory) const;
  NodeNumber Create(NodeNumber parent, const std::string& name, bool directory);
  void Rename(NodeNumber parent, const std::string& from, const std::string& to);
  void Unlink(NodeNumber parent, const std::string& name);
  void SyncDirectory(NodeNumber directory);

  // ---- Contents ----
  [[nodiscard]] const std::string& Contents(NodeNumber file) const { return nodes_.at(file).current; }
  // Of the files that have a name: an unlinked one gives its space back, though whoever has it open still reads it.
  [[nodiscard]] uint64_t TotalBytes() const;
  void Write(NodeNumber file, uint64_t offset, std::string bytes);
  void Truncate(NodeNumber file, uint64_t size);
  void SyncFile(NodeNumber file);
  // A failed sync, as the kernel does it: the pages are marked clean, reads still see the new bytes, but no
  // later sync writes them (fault F-D09).
  void LosePending(NodeNumber file) { nodes_.at(file).pending.clear(); }
  // Changes both images behind everybody's back (bit rot).
  void Replace(NodeNumber file, std::string bytes);

  // Drops the contents of files that no name leads to, now or after a crash, but for those in `open`.
  void ForgetUnlinked(const std::set<NodeNumber>& open);

  // The power fails and comes back.
  void Crash(Survival survival, Random* random);

 private:
  struct FileChange {
    bool truncate = false;
    uint64_t offset = 0;  // or the new size
    std::string bytes;
  };
  struct NameChange {
    std::string remove;  // "" for none
    std::string add;     // "" for none
    NodeNumber node = 0;
  };
  struct Node {
    bool directory = false;
    std::string synced;
    std::string current;
    std::vector<FileChange> pending;
    std::map<std::string, NodeNumber> synced_names;
    std::map<std::string, NodeNumber> names;
    std::vector<NameChange> pending_names;
  };

  static void Apply(const FileChange& change, std::string* image);
  static void Apply(const NameChange& change, std::map<std::string, NodeNumber>* names);
  static void ApplyPartly(const FileChange& change, Random* random, std::string* image);
  void ChangeNames(NodeNumber directory, NameChange change);
  void CrashFile(Node& node, Survival survival, Random* random);
  // What names lead to, from the root: the present ones, or also those that a crash may bring back.
  [[nodiscard]] std::set<NodeNumber> Reachable(bool after_a_crash) const;

  std::map<NodeNumber, Node> nodes_;
  NodeNumber last_node_ = kRoot;
};

}  // namespace quorate::testing

#endif  // QUORATE_TESTING_SIM_DISK_H_
