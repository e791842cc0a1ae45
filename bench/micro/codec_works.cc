// Bytes: checksums, batches, peer messages, metadata records.
#include <string>
#include <utility>

#include "base/crc32c.h"
#include "base/crc64.h"
#include "metadata/record_codec.h"
#include "quorate/batch.h"
#include "transport/peer_codec.h"
#include "work.h"

namespace quorate::bench {
namespace {

const ClusterId kCluster(Uuid(1, 0xC1A5));

absl::StatusOr<std::unique_ptr<Work>> Checksum(size_t bytes) {
  return Repeat([data = std::string(bytes, 'c')] {
    Keep(Crc32c(data));
    return absl::OkStatus();
  });
}

absl::StatusOr<Batch> MakeBatch(int64_t base, size_t records) {
  const std::string record(100, 'b');
  const std::vector<absl::string_view> views(records, record);
  return Batch::Make({Offset(base), Epoch(1), BatchKind::kData, kCluster.value().low(), 0}, views);
}

absl::StatusOr<std::unique_ptr<Work>> MakeBatches(size_t records) {
  return Repeat([records, record = std::string(100, 'b')] {
    const std::vector<absl::string_view> views(records, record);
    const absl::StatusOr<Batch> batch =
        Batch::Make({Offset(7), Epoch(1), BatchKind::kData, kCluster.value().low(), 0}, views);
    Keep(batch);
    return batch.status();
  });
}

absl::StatusOr<std::unique_ptr<Work>> ParseBatches(size_t records) {
  absl::StatusOr<Batch> batch = MakeBatch(0, records);
  if (!batch.ok()) return batch.status();
  return Repeat([bytes = batch->bytes()] {
    const absl::StatusOr<Batch> parsed = Batch::Parse(bytes);
    if (parsed.ok()) Keep(parsed->Records());
    return parsed.status();
  });
}

transport::StreamEnds Ends() {
  const auto identity = [](int id) {
    return TransportIdentity{kCluster,
                             {NodeId(id), DirectoryId(Uuid(7, 1000 + static_cast<uint64_t>(id)))},
                             IncarnationId(Uuid(9, static_cast<uint64_t>(id)))};
  };
  return {identity(1), identity(2)};
}

transport::StreamEnds Reversed(const transport::StreamEnds& ends) { return {ends.remote, ends.local}; }

Message Addressed(MessageBody body) {
  const transport::StreamEnds ends = Ends();
  Message message;
  message.cluster_id = kCluster;
  message.from = ends.local.self;
  message.from_incarnation = ends.local.incarnation;
  message.to = ends.remote.self;
  message.request_incarnation = message.from_incarnation;
  message.request_id = 4711;
  message.body = std::move(body);
  if (message.IsResponse()) message.request_incarnation = ends.remote.incarnation;
  return message;
}

MessageBody Vote() { return VoteRequest{Epoch(7), {Epoch(6), Offset(123456789)}, true}; }
MessageBody Acknowledgement() {
  return FetchRequest{Epoch(7), 11, Offset(123456789), Epoch(7), Offset(123456700), Offset(123456700),
                      4u << 20, 13, kPriorityDefault};
}
absl::StatusOr<MessageBody> Push(size_t records) {
  FetchResponse push;
  push.epoch = Epoch(7);
  push.leader = {NodeId(1), {{"CONTROLLER", "host-1.example.org", 9093}}};
  push.session = 11;
  push.base_offset = Offset(100);
  push.high_watermark = Offset(90);
  absl::StatusOr<Batch> batch = MakeBatch(100, records);
  if (!batch.ok()) return batch.status();
  push.batches.push_back(*std::move(batch));
  return push;
}

absl::StatusOr<std::unique_ptr<Work>> Encode(absl::StatusOr<MessageBody> body) {
  if (!body.ok()) return body.status();
  return Repeat([message = Addressed(*std::move(body)), ends = Ends()] {
    transport::PeerFrame frame;
    absl::Status status = transport::EncodeMessage(message, ends, &frame);
    Keep(frame);
    return status;
  });
}

absl::StatusOr<std::unique_ptr<Work>> Decode(absl::StatusOr<MessageBody> body) {
  if (!body.ok()) return body.status();
  transport::PeerFrame frame;
  if (absl::Status s = transport::EncodeMessage(Addressed(*std::move(body)), Ends(), &frame); !s.ok()) return s;
  return Repeat([bytes = Bytes::FromString(transport::Flatten(frame)), ends = Reversed(Ends())] {
    const absl::StatusOr<Message> message = transport::DecodeMessage(bytes, ends);
    Keep(message);
    return message.status();
  });
}

metadata::Record PartitionMoved() {
  const TopicId topic(Uuid(0x9e3779b97f4a7c15, 3));
  return metadata::PartitionChangeRecord{{topic, 17}, ReplicaList{NodeId(2), NodeId(3)}, NodeId(2), {}, {}};
}

absl::StatusOr<std::unique_ptr<Work>> EncodeRecords() {
  return Repeat([record = PartitionMoved()] {
    Keep(metadata::EncodeRecord(record));
    return absl::OkStatus();
  });
}

absl::StatusOr<std::unique_ptr<Work>> DecodeRecords() {
  return Repeat([bytes = metadata::EncodeRecord(PartitionMoved())] {
    const absl::StatusOr<metadata::Record> record = metadata::DecodeRecord(bytes);
    Keep(record);
    return record.status();
  });
}

}  // namespace

void AddCodecWorks(std::vector<WorkSpec>& works) {
  works.push_back({"crc32c_100", "CRC-32C of 100 B", 5000, 1, [](const std::string&) { return Checksum(100); }});
  works.push_back({"crc32c_64k", "CRC-32C of 64 KiB", 100, 1, [](const std::string&) { return Checksum(65536); }});
  works.push_back({"batch_make", "a batch of one record of 100 B is made", 2000, 1,
                   [](const std::string&) { return MakeBatches(1); }});
  works.push_back({"batch_make_64", "a batch of 64 records of 100 B is made", 500, 1,
                   [](const std::string&) { return MakeBatches(64); }});
  works.push_back({"batch_parse", "a batch of one record is checked and taken apart", 2000, 1,
                   [](const std::string&) { return ParseBatches(1); }});
  works.push_back({"batch_parse_64", "a batch of 64 records is checked and taken apart", 500, 1,
                   [](const std::string&) { return ParseBatches(64); }});
  works.push_back(
      {"encode_vote", "a vote request becomes bytes", 1000, 1, [](const std::string&) { return Encode(Vote()); }});
  works.push_back({"decode_vote", "and a message again", 1000, 1, [](const std::string&) { return Decode(Vote()); }});
  works.push_back({"encode_fetch", "an acknowledgement becomes bytes", 1000, 1,
                   [](const std::string&) { return Encode(Acknowledgement()); }});
  works.push_back(
      {"decode_fetch", "and a message again", 1000, 1, [](const std::string&) { return Decode(Acknowledgement()); }});
  works.push_back({"encode_push", "a push with a batch of 64 records of 100 B becomes bytes", 1000, 1,
                   [](const std::string&) { return Encode(Push(64)); }});
  works.push_back({"decode_push", "and a message again", 500, 1, [](const std::string&) { return Decode(Push(64)); }});
  works.push_back({"encode_record", "a metadata record (a partition's ISR and leader) becomes bytes", 1000, 1,
                   [](const std::string&) { return EncodeRecords(); }});
  works.push_back({"decode_record", "and a record again", 1000, 1, [](const std::string&) { return DecodeRecords(); }});
}

}  // namespace quorate::bench
