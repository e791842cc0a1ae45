#include "metadata/record_codec.h"

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "metadata/partition_state.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "support/catch.h"

namespace quorate::metadata {
namespace {

ReplicaList Nodes(std::initializer_list<int> ids) {
  ReplicaList list;
  for (int id : ids) list.push_back(NodeId(id));
  return list;
}

std::vector<Record> OneOfEach() {
  const TopicId topic(Uuid(0x0123456789abcdef, 0xfedcba9876543210));
  BrokerInfo broker;
  broker.id = NodeId(3);
  broker.epoch = BrokerEpoch(41);
  broker.incarnation = IncarnationId(Uuid(7, 8));
  broker.endpoints = {{{"PLAINTEXT", "broker-3.example", 9092}, SecurityProtocol::kPlaintext},
                      {{"TLS", "::1", 65535}, SecurityProtocol::kSaslSsl}};
  broker.features = {{"metadata.version", 1, 1}, {"group.version", 0, 2}};
  broker.log_dirs = {DirectoryId(Uuid(1, 200))};
  broker.rack = "rack-a";
  broker.in_controlled_shutdown = true;
  BrokerInfo bare;
  bare.id = NodeId(0);
  bare.epoch = BrokerEpoch(0);
  bare.fenced = false;
  bare.rack = "";  // an empty rack isn't a missing one
  PartitionInfo info{Nodes({3, 0, 2}), Nodes({3, 2}), NodeId(3), 5, 9, LeaderRecoveryState::kRecovering};
  PartitionInfo leaderless{Nodes({1}), Nodes({1}), kNoNode, 0, 0};
  return {RegisterBrokerRecord{broker},
          RegisterBrokerRecord{bare},
          UnregisterBrokerRecord{NodeId(3), BrokerEpoch(41)},
          BrokerRegistrationChangeRecord{NodeId(3), BrokerEpoch(41), false, std::nullopt},
          BrokerRegistrationChangeRecord{NodeId(0), BrokerEpoch(0), std::nullopt, true},
          TopicRecord{topic, "email.send"},
          RemoveTopicRecord{topic},
          PartitionRecord{{topic, 0}, info},
          PartitionRecord{{topic, 99999}, leaderless},
          PartitionChangeRecord{{topic, 1}, Nodes({2}), kNoNode, std::nullopt, std::nullopt},
          PartitionChangeRecord{
              {topic, 1}, std::nullopt, NodeId(0), Nodes({0, 1, 2, 3, 4, 5}), LeaderRecoveryState::kRecovered},
          PartitionChangeRecord{{topic, 2}, ReplicaList{}, std::nullopt, std::nullopt, std::nullopt},
          FeatureLevelRecord{"metadata.version", 1},
          NoOpRecord{}};
}

TEST_CASE("each record survives encoding, and has one encoding only") {
  for (const Record& record : OneOfEach()) {
    INFO(RecordName(record));
    const std::string bytes = EncodeRecord(record);
    auto decoded = DecodeRecord(bytes);
    REQUIRE(decoded.ok());
    CHECK(*decoded == record);
    CHECK(EncodeRecord(*decoded) == bytes);
  }
}

// The bytes of format version 1 are for ever: a log that was written once must be readable by every later
// build (F-P12). The first ones were derived by hand from docs/formats/records.md.
TEST_CASE("F-P12: golden bytes of frame version 1") {
  const TopicId topic(Uuid(0x0123456789abcdef, 0xfedcba9876543210));
  const std::string id = "0a1209efcdab8967452301111032547698badcfe";
  BrokerInfo broker;
  broker.id = NodeId(3);
  broker.epoch = BrokerEpoch(41);
  broker.incarnation = IncarnationId(Uuid(0x0123456789abcdef, 0xfedcba9876543210));
  broker.endpoints = {{{"PLAINTEXT", "b3", 9092}, SecurityProtocol::kSsl}};
  broker.features = {{"metadata.version", 25, 25}};
  broker.log_dirs = {DirectoryId(Uuid(1, 200))};
  broker.rack = "r";
  struct Golden {
    Record record;
    std::string hex;
  };
  const Golden goldens[] = {
      {TopicRecord{topic, "email.send"}, "012220" + id + "120a656d61696c2e73656e64"},
      {RemoveTopicRecord{topic}, "012a14" + id},
      {PartitionChangeRecord{{topic, 1}, Nodes({2, 3}), NodeId(2), {}, {}}, "013a1e" + id + "10011a040a0202032004"},
      {PartitionChangeRecord{{topic, 0}, {}, kNoNode, {}, LeaderRecoveryState::kRecovering},
       "013a18" + id + "20013001"},
      {FeatureLevelRecord{"metadata.version", 25}, "0142140a106d657461646174612e76657273696f6e1019"},
      {NoOpRecord{}, "014a00"},
      {UnregisterBrokerRecord{NodeId(3), BrokerEpoch(41)}, "01120408031029"},
      {BrokerRegistrationChangeRecord{NodeId(3), BrokerEpoch(41), false, true}, "011a080803102918002001"},
      {PartitionRecord{{topic, 2}, PartitionInfo{Nodes({3, 1}), Nodes({1}), NodeId(1), 4, 9}},
       "013223" + id + "10021a02030122010128023004" + "3809"},
      {RegisterBrokerRecord{broker},
       "010a5f080310291a1209efcdab8967452301111032547698badcfe"
       "2214"
       "0a09504c41494e54455854"
       "12026233"
       "188447"
       "2001"
       "2a16"
       "0a106d657461646174612e76657273696f6e"
       "10191819"
       "3212"
       "090100000000000000"
       "11c800000000000000"
       "3a0172"
       "4001"},
  };
  for (const Golden& golden : goldens) {
    INFO(RecordName(golden.record));
    CHECK(absl::BytesToHexString(EncodeRecord(golden.record)) == golden.hex);
    auto decoded = DecodeRecord(absl::HexStringToBytes(golden.hex));
    REQUIRE(decoded.ok());
    CHECK(*decoded == golden.record);
  }
}

TEST_CASE("F-P12: what this version doesn't know is refused, not skipped") {
  const std::string topic = EncodeRecord(TopicRecord{TopicId(Uuid(1, 2)), "t"});
  struct Case {
    const char* name;
    std::string bytes;
  };
  const Case cases[] = {
      {"nothing at all", ""},
      {"another frame version", '\x02' + topic.substr(1)},
      {"frame version 0", std::string(1, '\0') + topic.substr(1)},
      {"no record in the frame", topic.substr(0, 1)},
      {"a record type of the future", std::string("\x01\xa2\x06\x00", 4)},  // field 100, length 0
      {"a field of the future",
       topic.substr(0, 1) + std::string("\x22\x06\x12\x01t\xa8\x06\x01", 8)},  // in TopicRecord
      {"a second copy behind it", topic + topic.substr(1)},
      {"bytes behind it", topic + '\x07'},
      {"its last byte missing", topic.substr(0, topic.size() - 1)},
      {"noise", "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    auto decoded = DecodeRecord(c.bytes);
    REQUIRE_FALSE(decoded.ok());
    CHECK(ReasonOf(decoded.status()) == Reason::kCorruption);
  }
}

TEST_CASE("no prefix of a record and no record with a flipped bit crashes the decoder") {
  for (const Record& record : OneOfEach()) {
    const std::string bytes = EncodeRecord(record);
    for (size_t length = 0; length < bytes.size(); ++length) {
      auto decoded = DecodeRecord(bytes.substr(0, length));
      if (decoded.ok()) CHECK_FALSE(*decoded == record);
    }
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      std::string flipped = bytes;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
      auto decoded = DecodeRecord(flipped);
      if (decoded.ok()) CHECK_FALSE(*decoded == record);
    }
  }
}

TEST_CASE("F-X04: lists longer than their limit are refused") {
  PartitionChangeRecord record{{TopicId(Uuid(1, 2)), 0}, std::nullopt, std::nullopt, ReplicaList(), std::nullopt};
  for (size_t i = 0; i < limits::kReplicasMax; ++i) record.replicas->push_back(NodeId(static_cast<int32_t>(i)));
  CHECK(DecodeRecord(EncodeRecord(record)).ok());
  record.replicas->push_back(NodeId(1000));
  CHECK_FALSE(DecodeRecord(EncodeRecord(record)).ok());
  CHECK_FALSE(DecodeRecord(EncodeRecord(TopicRecord{TopicId(Uuid(1, 2)), std::string(250, 'x')})).ok());
  CHECK_FALSE(DecodeRecord(EncodeRecord(UnregisterBrokerRecord{NodeId(-7), BrokerEpoch(1)})).ok());
}

}  // namespace
}  // namespace quorate::metadata
