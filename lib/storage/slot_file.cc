#include "storage/slot_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "base/little_endian.h"
#include "base/simulation.h"
#include "quorate/status.h"

namespace quorate::storage {
namespace {

constexpr size_t kVersionAt = 4;
constexpr size_t kSequenceAt = 8;
constexpr size_t kDirectoryAt = 16;
constexpr size_t kLengthAt = 32;
constexpr size_t kValueAt = 36;
constexpr size_t kCrcAt = 508;  // the end of the first sector
constexpr uint32_t kVersion = 1;

struct Slot {
  bool good = false;
  std::string problem;  // when not good
  uint64_t sequence = 0;
  std::string value;
};

Slot Bad(std::string problem) {
  Slot slot;
  slot.problem = std::move(problem);
  return slot;
}

Slot ParseSlot(absl::string_view block, uint32_t magic, DirectoryId directory) {
  if (block.size() != kBlockBytes) return Bad(absl::StrCat("only ", block.size(), " of 4096 bytes are there"));
  const char* at = block.data();
  const auto crc = ReadLittleEndian<uint32_t>(at + kCrcAt);
  const uint32_t actual = Crc32c(block.substr(0, kCrcAt));
  // The magic number comes first, so that a block of zeros isn't reported as a bad sum.
  if (ReadLittleEndian<uint32_t>(at) != magic) return Bad("it doesn't start with the magic number");
  if (crc != actual) return Bad(absl::StrCat("its CRC-32C is ", actual, ", it says ", crc));
  const auto version = ReadLittleEndian<uint32_t>(at + kVersionAt);
  if (version != kVersion) return Bad(absl::StrCat("format version ", version, ", this build reads version 1"));
  const DirectoryId owner(
      Uuid(ReadLittleEndian<uint64_t>(at + kDirectoryAt), ReadLittleEndian<uint64_t>(at + kDirectoryAt + 8)));
  if (owner != directory) {
    return Bad(absl::StrCat("it belongs to directory ", owner.ToString(), ", this is ", directory.ToString()));
  }
  const auto length = ReadLittleEndian<uint32_t>(at + kLengthAt);
  if (length > SlotFile::kValueBytesMax) return Bad(absl::StrCat("a value of ", length, " bytes is too long"));
  Slot slot;
  slot.good = true;
  slot.sequence = ReadLittleEndian<uint64_t>(at + kSequenceAt);
  slot.value = std::string(block.substr(kValueAt, length));
  return slot;
}

}  // namespace

absl::Status SlotFile::Create(FileSystem* files, const std::string& path, uint32_t magic, DirectoryId directory,
                              absl::string_view value) {
  SlotFile out(path, magic, directory);
  absl::StatusOr<std::unique_ptr<File>> file = files->Open(path, OpenMode::kOpenOrCreate);
  if (!file.ok()) return file.status();
  out.file_ = *std::move(file);
  if (absl::Status status = out.file_->Truncate(0); !status.ok()) return status;
  out.value_ = std::string(value);
  for (size_t slot = 0; slot < kSlots; ++slot) {
    if (absl::Status status = out.WriteSlot(slot); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<SlotFile> SlotFile::Open(FileSystem* files, const std::string& path, uint32_t magic,
                                        DirectoryId directory) {
  SlotFile out(path, magic, directory);
  absl::StatusOr<std::unique_ptr<File>> file = files->Open(path, OpenMode::kReadWrite);
  if (!file.ok()) return file.status();
  out.file_ = *std::move(file);
  std::string bytes;
  if (absl::Status status = out.file_->ReadAt(0, kSlots * kBlockBytes, &bytes); !status.ok()) return status;
  std::array<Slot, kSlots> slots;
  for (size_t i = 0; i < kSlots; ++i) {
    const size_t begin = std::min(bytes.size(), i * kBlockBytes);
    slots[i] = ParseSlot(absl::string_view(bytes).substr(begin, kBlockBytes), magic, directory);
  }
  if (!slots[0].good && !slots[1].good) {
    return CorruptionError(path, absl::StrCat("both slots are bad: at byte 0 ", slots[0].problem, "; at byte ",
                                              kBlockBytes, " ", slots[1].problem));
  }
  for (size_t i = 0; i < kSlots; ++i) {
    if (!slots[i].good) out.damage_ = absl::StrCat("slot at byte ", i * kBlockBytes, ": ", slots[i].problem);
  }
  const bool both = slots[0].good && slots[1].good;
  if (both && slots[0].sequence == slots[1].sequence && slots[0].value != slots[1].value) {
    return CorruptionError(
        path, absl::StrCat("its two slots hold different values of one sequence number, ", slots[0].sequence));
  }
  out.newest_ = both ? (slots[1].sequence > slots[0].sequence ? 1 : 0) : (slots[1].good ? 1 : 0);
  out.sequence_ = slots[out.newest_].sequence;
  out.value_ = slots[out.newest_].value;
  // Always, even when both are equal: what was read may sit in the page cache only, left there by a process whose
  // sync failed (F-D09). Writing the value once more, into the other slot, makes it durable whatever became of the
  // first.
  if (absl::Status status = out.Mirror(); !status.ok()) return status;
  return out;
}

absl::Status SlotFile::Write(absl::string_view value) {
  value_.assign(value.data(), value.size());
  ++sequence_;
  newest_ = 1 - newest_;
  mirrored_ = false;
  return WriteSlot(newest_);
}

absl::Status SlotFile::Mirror() {
  if (mirrored_) return absl::OkStatus();
  if (absl::Status status = WriteSlot(1 - newest_); !status.ok()) return status;
  mirrored_ = true;
  return absl::OkStatus();
}

absl::Status SlotFile::WriteSlot(size_t slot) {
  if (value_.size() > kValueBytesMax) {
    return MakeError(
        Reason::kInvalidArgument, Outcome::kNotApplied,
        absl::StrCat(path_, ": a value of ", value_.size(), " bytes is over the limit of ", kValueBytesMax));
  }
  std::array<char, kBlockBytes> block = {};
  char* at = block.data();
  WriteLittleEndian(magic_, at);
  WriteLittleEndian(kVersion, at + kVersionAt);
  WriteLittleEndian(sequence_, at + kSequenceAt);
  WriteLittleEndian(directory_.value().high(), at + kDirectoryAt);
  WriteLittleEndian(directory_.value().low(), at + kDirectoryAt + 8);
  WriteLittleEndian(static_cast<uint32_t>(value_.size()), at + kLengthAt);
  std::memcpy(at + kValueAt, value_.data(), value_.size());
  WriteLittleEndian(Crc32c(absl::string_view(at, kCrcAt)), at + kCrcAt);
  const absl::string_view piece(block.data(), block.size());
  if (absl::Status status = file_->WriteAt(slot * kBlockBytes, {piece}); !status.ok()) return status;
  if (QUORATE_MUTANT("M-01") && absl::EndsWith(path_, kElectionStateName)) return absl::OkStatus();
  return file_->Sync();
}

}  // namespace quorate::storage
