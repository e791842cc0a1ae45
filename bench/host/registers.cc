#include "host/registers.h"

#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "quorate/status.h"

namespace quorate::host {
namespace {

constexpr size_t kSnapshotRecordBytes = 256u << 10;

void AppendSized(absl::string_view bytes, std::string* out) {
  const auto size = static_cast<uint32_t>(bytes.size());
  char prefix[sizeof(size)];
  std::memcpy(prefix, &size, sizeof(size));
  out->append(prefix, sizeof(size));
  out->append(bytes.data(), bytes.size());
}

bool TakeSized(absl::string_view* bytes, absl::string_view* out) {
  uint32_t size = 0;
  if (bytes->size() < sizeof(size)) return false;
  std::memcpy(&size, bytes->data(), sizeof(size));
  bytes->remove_prefix(sizeof(size));
  if (bytes->size() < size) return false;
  *out = bytes->substr(0, size);
  bytes->remove_prefix(size);
  return true;
}

}  // namespace

// Walks over the shards as they were, some hundred kilobytes to a record.
class Registers::Source final : public SnapshotSource {
 public:
  explicit Source(std::vector<std::shared_ptr<Shard>> shards) : shards_(std::move(shards)) {}

  absl::StatusOr<std::optional<std::string>> Next() override {
    std::string record;
    for (; shard_ < shards_.size(); ++shard_, inside_ = false) {
      if (shards_[shard_] == nullptr) continue;
      const auto& values = shards_[shard_]->values;
      if (!inside_) at_ = values.begin();
      inside_ = true;
      for (; at_ != values.end(); ++at_) {
        if (record.size() >= kSnapshotRecordBytes) return std::optional(std::move(record));
        AppendSized(at_->first, &record);
        AppendSized(at_->second, &record);
      }
      shards_[shard_].reset();
    }
    if (record.empty()) return std::optional<std::string>();
    return std::optional(std::move(record));
  }

 private:
  std::vector<std::shared_ptr<Shard>> shards_;
  size_t shard_ = 0;
  bool inside_ = false;  // at_ is in that shard
  Values::const_iterator at_;
};

Registers::Registers() : shards_(kShards) {}

size_t Registers::ShardOf(absl::string_view key) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return (hash ^ (hash >> 32)) % kShards;
}

absl::string_view Registers::Value(absl::string_view key) const {
  const std::shared_ptr<Shard>& shard = shards_[ShardOf(key)];
  if (shard == nullptr) return "";
  const auto found = shard->values.find(key);
  return found == shard->values.end() ? absl::string_view() : absl::string_view(found->second);
}

std::string& Registers::Mutable(absl::string_view key) {
  std::shared_ptr<Shard>& shard = shards_[ShardOf(key)];
  if (shard == nullptr) {
    shard = std::make_shared<Shard>();
    shard->generation = generation_;
  } else if (shard->generation < generation_) {
    shard = std::make_shared<Shard>(*shard);
    shard->generation = generation_;
  }
  const auto found = shard->values.find(key);
  if (found != shard->values.end()) return found->second;
  ++size_;
  return shard->values.emplace(std::string(key), std::string()).first->second;
}

absl::Status Registers::Apply(absl::Span<const CommittedRecord> records) {
  for (const CommittedRecord& record : records) {
    const std::optional<Command> command = ParseCommand(record.data);
    // Only what was parsed is proposed, so this is somebody else's log or a newer version's: never skipped.
    if (!command) return absl::DataLossError(absl::StrCat("no command at offset ", record.offset.value()));
    std::string outcome = Execute(*command);
    if (record.result != nullptr) *record.result = std::move(outcome);
  }
  return absl::OkStatus();
}

std::string Registers::Execute(const Command& command) {
  switch (command.operation) {
    case Operation::kWrite:
      Mutable(command.key).assign(command.argument.data(), command.argument.size());
      return EncodeOutcome(Result::kOk, "");
    case Operation::kCompareSet:
      if (Value(command.key) != command.expected) return EncodeOutcome(Result::kOk, "0");
      Mutable(command.key).assign(command.argument.data(), command.argument.size());
      return EncodeOutcome(Result::kOk, "1");
    case Operation::kAppend: {
      if (Value(command.key).size() + command.argument.size() > kValueBytesMax) {
        return EncodeOutcome(Result::kRejected, absl::StrCat("a value has at most ", kValueBytesMax, " bytes"));
      }
      std::string& value = Mutable(command.key);
      value.append(command.argument.data(), command.argument.size());
      return EncodeOutcome(Result::kOk, absl::StrCat(value.size()));
    }
    case Operation::kAdd:
      return Add(command);
    case Operation::kRead:
    case Operation::kReadStale:
    case Operation::kStatus:
    case Operation::kSnapshot:
    case Operation::kTransfer:
      break;  // never proposed
  }
  return EncodeOutcome(Result::kRejected, "nothing that changes a value");
}

std::string Registers::Add(const Command& command) {
  const absl::string_view present = Value(command.key);
  int64_t sum = 0;
  int64_t amount = 0;
  if ((!present.empty() && !absl::SimpleAtoi(present, &sum)) || !absl::SimpleAtoi(command.argument, &amount) ||
      __builtin_add_overflow(sum, amount, &sum)) {
    return EncodeOutcome(Result::kRejected, "these two can't be added as 64-bit numbers");
  }
  Mutable(command.key) = absl::StrCat(sum);
  return EncodeOutcome(Result::kOk, absl::StrCat(sum));
}

absl::StatusOr<std::unique_ptr<SnapshotSource>> Registers::CaptureSnapshot() {
  ++generation_;
  return std::make_unique<Source>(shards_);
}

absl::Status Registers::LoadSnapshot(SnapshotRecords& records, LogPosition position) {
  shards_.assign(kShards, nullptr);
  size_ = 0;
  while (true) {
    absl::StatusOr<std::optional<absl::string_view>> record = records.Next();
    if (!record.ok()) return record.status();
    if (!record->has_value()) return absl::OkStatus();
    for (absl::string_view rest = **record; !rest.empty();) {
      absl::string_view key, value;
      if (!TakeSized(&rest, &key) || !TakeSized(&rest, &value)) {
        return absl::DataLossError(absl::StrCat("the snapshot up to offset ", position.end.value(), " is malformed"));
      }
      Mutable(key).assign(value.data(), value.size());
    }
  }
}

}  // namespace quorate::host
