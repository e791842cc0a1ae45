// File: quorate/types.h
//
// The vocabulary of quorate: node ids, directory ids, epochs, offsets. Each is a type of its own, so
// that an epoch can't be passed where an offset is wanted. All are small values: copy them freely,
// from any thread.
//
//   NodeId       who a node is in the cluster; chosen by the operator (Kafka's node.id), >= 0.
//   DirectoryId  which data directory it runs on; random, made when the directory is formatted and
//                never reused, so that a wiped disk is somebody new (KIP-853).
//   ReplicaKey   both together: the identity that votes and acknowledges.
//   Epoch        Raft's term. At most one leader exists in an epoch.
//   Offset       a position in the log. "End" offsets are exclusive.
#ifndef QUORATE_TYPES_H_
#define QUORATE_TYPES_H_

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quorate {

// An integer that only mixes with its own kind. Arithmetic is with plain numbers ("three further")
// and between two of a kind ("how far apart"), as for pointers.
template <typename Tag, typename Rep>
class StrongInt {
 public:
  using rep = Rep;
  constexpr StrongInt() = default;
  constexpr explicit StrongInt(Rep value) : value_(value) {}

  [[nodiscard]] constexpr Rep value() const { return value_; }

  friend constexpr auto operator<=>(StrongInt, StrongInt) = default;
  friend constexpr StrongInt operator+(StrongInt a, Rep n) { return StrongInt(a.value_ + n); }
  friend constexpr StrongInt operator-(StrongInt a, Rep n) { return StrongInt(a.value_ - n); }
  friend constexpr Rep operator-(StrongInt a, StrongInt b) { return a.value_ - b.value_; }
  constexpr StrongInt& operator++() {
    ++value_;
    return *this;
  }
  constexpr StrongInt& operator+=(Rep n) {
    value_ += n;
    return *this;
  }

  template <typename H>
  friend H AbslHashValue(H h, StrongInt v) {
    return H::combine(std::move(h), v.value_);
  }

 private:
  Rep value_ = 0;
};

using NodeId = StrongInt<struct NodeIdTag, int32_t>;
using Epoch = StrongInt<struct EpochTag, int32_t>;
using Offset = StrongInt<struct OffsetTag, int64_t>;

inline constexpr NodeId kNoNode{-1};
inline constexpr Offset kNoOffset{-1};

// A 128-bit identifier. Its text form is Kafka's: 22 characters of URL-safe base64, no padding.
class Uuid {
 public:
  constexpr Uuid() = default;  // the zero id: "none recorded"
  constexpr Uuid(uint64_t high, uint64_t low) : high_(high), low_(low) {}

  // Parses the 22-character form. InvalidArgument names what is wrong with `text`.
  static absl::StatusOr<Uuid> Parse(absl::string_view text);

  [[nodiscard]] constexpr uint64_t high() const { return high_; }
  [[nodiscard]] constexpr uint64_t low() const { return low_; }
  [[nodiscard]] constexpr bool is_zero() const { return high_ == 0 && low_ == 0; }
  // The first 100 values are reserved (KIP-858) and never generated.
  [[nodiscard]] constexpr bool is_reserved() const { return high_ == 0 && low_ < 100; }
  [[nodiscard]] std::string ToString() const;

  friend constexpr auto operator<=>(const Uuid&, const Uuid&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Uuid& v) {
    return H::combine(std::move(h), v.high_, v.low_);
  }

 private:
  uint64_t high_ = 0;
  uint64_t low_ = 0;
};

// A Uuid that only mixes with its own kind.
template <typename Tag>
class StrongUuid {
 public:
  constexpr StrongUuid() = default;
  constexpr explicit StrongUuid(Uuid value) : value_(value) {}
  static absl::StatusOr<StrongUuid> Parse(absl::string_view text) {
    absl::StatusOr<Uuid> value = Uuid::Parse(text);
    if (!value.ok()) return value.status();
    return StrongUuid(*value);
  }
  [[nodiscard]] constexpr const Uuid& value() const { return value_; }
  [[nodiscard]] constexpr bool is_zero() const { return value_.is_zero(); }
  [[nodiscard]] std::string ToString() const { return value_.ToString(); }
  friend constexpr auto operator<=>(const StrongUuid&, const StrongUuid&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const StrongUuid& v) {
    return H::combine(std::move(h), v.value_);
  }

 private:
  Uuid value_;
};

using ClusterId = StrongUuid<struct ClusterIdTag>;
using DirectoryId = StrongUuid<struct DirectoryIdTag>;
// Made at every process start: tells messages of a previous life from those of this one.
using IncarnationId = StrongUuid<struct IncarnationIdTag>;

// Who votes and acknowledges. A zero directory id means "not recorded" and matches any (KIP-853).
struct ReplicaKey {
  NodeId id = kNoNode;
  DirectoryId directory;

  // True when both name the same replica, or when either leaves the directory open.
  [[nodiscard]] bool Matches(const ReplicaKey& other) const {
    return id == other.id && (directory.is_zero() || other.directory.is_zero() || directory == other.directory);
  }
  [[nodiscard]] std::string ToString() const;  // "3:Yk2l…", or "3" without a directory
  friend auto operator<=>(const ReplicaKey&, const ReplicaKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const ReplicaKey& v) {
    return H::combine(std::move(h), v.id, v.directory);
  }
};

// Where the log ends, or a snapshot: the offset after the last record, and that record's epoch.
// Ordered as Raft compares logs (section 5.4.1): epoch first.
struct LogPosition {
  Epoch epoch;
  Offset end;
  friend constexpr auto operator<=>(const LogPosition&, const LogPosition&) = default;
};

// One address of a node. `listener` is Kafka's listener name ("CONTROLLER").
struct Endpoint {
  std::string listener;
  std::string host;
  uint16_t port = 0;

  [[nodiscard]] std::string Address() const;   // "host:port", "[::1]:port" for IPv6
  [[nodiscard]] std::string ToString() const;  // "CONTROLLER://host:port"
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

struct Voter {
  ReplicaKey key;
  std::vector<Endpoint> endpoints;  // its controller listeners; the first is the default
  // The range of kraft.version that this voter's build supports (KIP-853).
  int16_t kraft_version_min = 0;
  int16_t kraft_version_max = 1;
  friend bool operator==(const Voter&, const Voter&) = default;
};

}  // namespace quorate

#endif  // QUORATE_TYPES_H_
