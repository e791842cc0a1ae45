// File: quorate/limits.h
//
// Every bound of the library in one place (fault F-X04): what arrives over a network or from a disk
// is measured against these before memory is taken for it. Options may lower a limit, never raise it.
#ifndef QUORATE_LIMITS_H_
#define QUORATE_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace quorate::limits {

// One batch, header included (Kafka's metadata log: 8 MiB).
inline constexpr size_t kBatchBytesMax = 8u << 20;
inline constexpr uint32_t kBatchRecordsMax = 1u << 20;
// One proposal: all its records must fit into one batch with room for the header.
inline constexpr size_t kProposalBytesMax = kBatchBytesMax - 4096;
// What a leader may have on its way to one follower before it hears back.
inline constexpr uint32_t kFetchCreditBytesMax = 16u << 20;
// One message between peers, encoded: a fetch answer holds at least one batch.
inline constexpr size_t kPeerMessageBytesMax = kBatchBytesMax + (1u << 20);
// What may wait for one peer that doesn't read; over it the stream is cut (fault F-N13).
inline constexpr size_t kPeerSendQueueBytesMax = 32u << 20;
// One request or answer of the admin and broker services.
inline constexpr size_t kRpcMessageBytesMax = 16u << 20;
inline constexpr size_t kRpcMetadataBytesMax = 16u << 10;
// Remote proposals (docs/proposals.md). In one message of a stream; under way for one stream, which isn't read beyond;
// under way for a whole service, which refuses beyond; answers that a stream's client doesn't read, before it is cut.
inline constexpr size_t kProposalsPerMessageMax = 16'384;
inline constexpr size_t kStreamProposalsMax = 16'384;
inline constexpr size_t kStreamProposalBytesMax = 16u << 20;
inline constexpr size_t kStreamAnswerBytesMax = 32u << 20;
inline constexpr size_t kServiceProposalsMax = 1u << 18;
inline constexpr size_t kServiceProposalBytesMax = 128u << 20;
inline constexpr size_t kProposalStreamsMax = 4096;
// A piece of a snapshot on its way to a follower, one record in a snapshot, a snapshot as a whole.
inline constexpr uint32_t kSnapshotChunkBytesMax = 1u << 20;
inline constexpr size_t kSnapshotRecordBytesMax = kProposalBytesMax;
inline constexpr uint64_t kSnapshotBytesMax = 1ull << 40;
// A sentence from a peer.
inline constexpr size_t kPeerTextBytesMax = 512;
// Voters in a quorum, observers that a leader remembers, endpoints of one node.
inline constexpr size_t kVotersMax = 31;
// Removed replicas that the voter set remembers, the latest (M-36).
inline constexpr size_t kRemovedVotersMax = 64;
inline constexpr size_t kObserversMax = 4096;
inline constexpr size_t kEndpointsMax = 16;
inline constexpr size_t kHostNameBytesMax = 255;
inline constexpr size_t kListenerNameBytesMax = 64;
// Proposals that wait for their commit, on one node.
inline constexpr size_t kPendingProposalBytesMax = 256u << 20;
inline constexpr size_t kPendingProposalsMax = 1u << 20;
inline constexpr size_t kPendingReadsMax = 1u << 16;
// Connections on one listener, in total and from one address.
inline constexpr int kConnectionsMax = 1024;
inline constexpr int kConnectionsPerAddressMax = 512;
// Metadata: one request's records (Kafka: 10,000), one topic's partitions, one name.
inline constexpr size_t kRecordsPerOperationMax = 10'000;
inline constexpr int32_t kPartitionsPerTopicMax = 100'000;
inline constexpr size_t kTopicNameBytesMax = 249;
// Replicas of one partition (the width of a bit mask), topics, and partitions of all topics together.
inline constexpr size_t kReplicasMax = 32;
inline constexpr size_t kTopicsMax = 1u << 24;
inline constexpr size_t kPartitionsMax = 1u << 24;
// What one broker may register: data directories, features, a rack's name.
inline constexpr size_t kLogDirsMax = 256;
inline constexpr size_t kFeaturesMax = 256;
inline constexpr size_t kRackNameBytesMax = 255;

}  // namespace quorate::limits

#endif  // QUORATE_LIMITS_H_
