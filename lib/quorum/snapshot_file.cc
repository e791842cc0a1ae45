#include "quorum/snapshot_file.h"

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/little_endian.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "raft/control_records.h"
#include "storage/snapshot_format.h"

namespace quorate::quorum {
namespace {

using VotersAt = raft::RecoveredState::VotersAt;

// What is ready is written when it is this much: a system call per batch would cost more than the batch.
constexpr size_t kWriteBytes = 256u << 10;

}  // namespace

// ---- Voters ------------------------------------------------------------------------------------------

// i64 offset of the record, then the record as in the log. Nothing when no record said who votes: then the set that
// each node was configured with is in force.
std::string EncodeVotersAt(const VotersAt& voters) {
  if (voters.offset == kNoOffset) return std::string();
  std::string bytes;
  AppendLittleEndian(voters.offset.value(), &bytes);
  bytes.append(raft::EncodeControlRecord(raft::VotersRecord{voters.voters, voters.removed}));
  return bytes;
}

absl::StatusOr<VotersAt> DecodeVotersAt(absl::string_view bytes) {
  VotersAt voters;
  voters.offset = kNoOffset;
  if (bytes.empty()) return voters;
  ByteReader in(bytes);
  voters.offset = Offset(in.Take<int64_t>());
  if (!in.ok() || voters.offset < Offset()) {
    return MakeError(Reason::kCorruption, Outcome::kNotApplied, "the snapshot's voter set has no valid offset");
  }
  absl::StatusOr<raft::ControlRecord> record = raft::DecodeControlRecord(bytes.substr(sizeof(int64_t)));
  if (!record.ok()) return record.status();
  auto* set = std::get_if<raft::VotersRecord>(&*record);
  if (set == nullptr) {
    return MakeError(Reason::kCorruption, Outcome::kNotApplied, "the snapshot's voter set is another record");
  }
  voters.voters = std::move(set->voters);
  voters.removed = std::move(set->removed);
  return voters;
}

// ---- Writing -----------------------------------------------------------------------------------------

struct SnapshotFileWriter::Impl {
  Impl(std::unique_ptr<SnapshotWriter> writer, const SnapshotHead& head, ClusterId cluster)
      : out(std::move(writer)),
        encoder({head.position, head.append_time_ms, EncodeVotersAt(head.voters)}, cluster.value().low()) {}

  absl::Status Drain(size_t at_least) {
    if (buffer.size() < at_least) return absl::OkStatus();
    if (out->size() + buffer.size() > limits::kSnapshotBytesMax) {
      return MakeError(Reason::kTooLarge, Outcome::kNotApplied,
                       absl::StrCat("the snapshot is over the limit of ", limits::kSnapshotBytesMax, " bytes"));
    }
    absl::Status written = out->Append(buffer);
    buffer.clear();
    return written;
  }

  std::unique_ptr<SnapshotWriter> out;
  storage::SnapshotEncoder encoder;
  std::string buffer;
};

SnapshotFileWriter::SnapshotFileWriter(std::unique_ptr<SnapshotWriter> out, const SnapshotHead& head, ClusterId cluster)
    : impl_(std::make_unique<Impl>(std::move(out), head, cluster)) {}

SnapshotFileWriter::~SnapshotFileWriter() = default;

absl::Status SnapshotFileWriter::Add(absl::string_view record) {
  if (absl::Status added = impl_->encoder.Add(record, &impl_->buffer); !added.ok()) return added;
  return impl_->Drain(kWriteBytes);
}

absl::Status SnapshotFileWriter::Finish() {
  if (absl::Status encoded = impl_->encoder.Finish(&impl_->buffer); !encoded.ok()) return encoded;
  if (absl::Status written = impl_->Drain(0); !written.ok()) return written;
  return impl_->out->Finish();
}

// ---- Reading -----------------------------------------------------------------------------------------

struct SnapshotFileReader::Impl {
  Impl(std::unique_ptr<SnapshotReader> reader, LogPosition id, ClusterId cluster, const std::string& name,
       std::shared_ptr<const std::atomic<bool>> stop)
      : in(std::move(reader)), decoder(in.get(), id, cluster.value().low(), name), stopping(std::move(stop)) {}

  std::unique_ptr<SnapshotReader> in;  // before decoder, which uses it
  storage::SnapshotDecoder decoder;
  std::shared_ptr<const std::atomic<bool>> stopping;
  SnapshotHead head;
  absl::Status status;
};

SnapshotFileReader::SnapshotFileReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

SnapshotFileReader::~SnapshotFileReader() = default;

absl::StatusOr<std::unique_ptr<SnapshotFileReader>> SnapshotFileReader::Open(
    std::unique_ptr<SnapshotReader> in, LogPosition id, ClusterId cluster, const std::string& name,
    std::shared_ptr<const std::atomic<bool>> stopping) {
  auto impl = std::make_unique<Impl>(std::move(in), id, cluster, name, std::move(stopping));
  absl::StatusOr<storage::SnapshotHeader> header = impl->decoder.ReadHeader();
  if (!header.ok()) return header.status();
  absl::StatusOr<VotersAt> voters = DecodeVotersAt(header->quorum_state);
  if (!voters.ok()) {
    return MakeError(ReasonOf(voters.status()), Outcome::kNotApplied,
                     absl::StrCat(name, ": its voter set: ", voters.status().message()));
  }
  if (voters->offset >= id.end) {
    return MakeError(Reason::kCorruption, Outcome::kNotApplied,
                     absl::StrCat(name, ": it ends at offset ", id.end.value(), ", but its voter set is of offset ",
                                  voters->offset.value()));
  }
  impl->head = {id, header->last_append_time_ms, *std::move(voters)};
  return std::unique_ptr<SnapshotFileReader>(new SnapshotFileReader(std::move(impl)));
}

const SnapshotHead& SnapshotFileReader::head() const { return impl_->head; }
const absl::Status& SnapshotFileReader::status() const { return impl_->status; }
SnapshotInfo SnapshotFileReader::info() const { return impl_->decoder.info(); }

absl::StatusOr<std::optional<absl::string_view>> SnapshotFileReader::Next() {
  if (!impl_->status.ok()) return impl_->status;
  if (impl_->stopping->load()) {
    impl_->status = MakeError(Reason::kShuttingDown, Outcome::kNotApplied, "this node is shutting down");
    return impl_->status;
  }
  absl::StatusOr<std::optional<absl::string_view>> record = impl_->decoder.Next();
  if (!record.ok()) impl_->status = record.status();
  return record;
}

}  // namespace quorate::quorum
