// The field-by-field part of the peer codec: each message body to its protobuf message and back. Only
// peer_codec.cc and peer_codec_fields.cc include this, because it shows protobuf types.
#ifndef QUORATE_LIB_TRANSPORT_PEER_CODEC_INTERNAL_H_
#define QUORATE_LIB_TRANSPORT_PEER_CODEC_INTERNAL_H_

#include "quorate/messages.h"
#include "quorate/v1/peer.pb.h"

namespace quorate::transport {

void PutUuid(const Uuid& from, v1::Uuid* to);
void PutReplicaKey(const ReplicaKey& from, v1::ReplicaKey* to);
// All but FetchResponse::batches.
void PutBody(const MessageBody& from, v1::PeerMessage* to);

// False when a required field is missing or a number can't be represented; the caller drops the message.
Uuid GetUuid(const v1::Uuid& from);
bool GetReplicaKey(const v1::ReplicaKey& from, ReplicaKey* to);
bool GetBody(const v1::PeerMessage& from, MessageBody* to);

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_PEER_CODEC_INTERNAL_H_
