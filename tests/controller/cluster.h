// A controller with a log in memory, for tests: each decision is encoded, logged, replayed by the
// controller, and applied to a committed image by the applier's way (decode, build), as a node would.
// Every batch is checked: I-22 by the validator, I-17 by comparing both images.
#ifndef QUORATE_TESTS_CONTROLLER_CLUSTER_H_
#define QUORATE_TESTS_CONTROLLER_CLUSTER_H_

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "base/xoshiro.h"
#include "controller/controller.h"
#include "metadata/image_builder.h"
#include "metadata/image_check.h"
#include "metadata/record_codec.h"
#include "quorate/status.h"
#include "support/catch.h"

namespace quorate::controller {

inline ReplicaList Nodes(std::initializer_list<int> ids) {
  ReplicaList list;
  for (int id : ids) list.push_back(NodeId(id));
  return list;
}

inline const ClusterId kCluster(Uuid(77, 78));

inline ControllerConfig TestConfig() {
  ControllerConfig config;
  config.cluster_id = kCluster;
  return config;
}

inline BrokerRegistrationRequest Registration(int id, uint64_t incarnation) {
  BrokerRegistrationRequest request;
  request.broker = NodeId(id);
  request.cluster = kCluster;
  request.incarnation = IncarnationId(Uuid(static_cast<uint64_t>(id) + 1, incarnation));
  request.endpoints = {{{"PLAINTEXT", "broker", static_cast<uint16_t>(9000 + id)}, SecurityProtocol::kPlaintext}};
  request.features = {{std::string(kMetadataVersionFeature), kMetadataVersionMin, kMetadataVersionMax}};
  request.log_dirs = {DirectoryId(Uuid(500, static_cast<uint64_t>(id) + 200))};
  return request;
}

class Cluster {
 public:
  explicit Cluster(ControllerConfig config = TestConfig(), uint64_t seed = 1)
      : random_(seed), controller_(std::move(config), random_) {
    Elect();
  }

  // A new leader: renounces, claims the committed image, as after any failover. Its LeaderChange record
  // takes an offset.
  void Elect() {
    controller_.Renounce();
    ++epoch_;
    ++end_;
    controller_.Claim(image_, epoch_, now_);
    REQUIRE(Take(controller_.Bootstrap(ctx())).ok());
  }

  // Commits a decision and returns its response.
  template <typename Response>
  absl::StatusOr<Response> Take(absl::StatusOr<Decision<Response>> decision) {
    if (!decision.ok()) return decision.status();
    Commit(decision->records);
    return std::move(decision->response);
  }

  BrokerEpoch Register(int id, uint64_t incarnation = 1) {
    auto response = Take(controller_.RegisterBroker(Registration(id, incarnation), ctx()));
    REQUIRE(response.ok());
    return response->epoch;
  }
  BrokerHeartbeatRequest Beat(int id) const {
    const BrokerInfo* broker = image_->FindBroker(NodeId(id));
    REQUIRE(broker != nullptr);
    return {NodeId(id), broker->epoch, end_ - 1, false, false};
  }
  BrokerHeartbeatResponse Send(const BrokerHeartbeatRequest& request) {
    auto response = Take(controller_.Heartbeat(request, ctx()));
    REQUIRE(response.ok());
    return *response;
  }
  void Start(std::initializer_list<int> ids) {
    for (int id : ids) {
      Register(id);
      REQUIRE_FALSE(Send(Beat(id)).is_fenced);
    }
  }
  void Fence(int id) {
    BrokerHeartbeatRequest request = Beat(id);
    request.want_fence = true;
    REQUIRE(Send(request).is_fenced);
  }
  CreateTopicsResponse::Topic Create(CreateTopicsRequest::Topic topic) {
    auto response = Take(controller_.CreateTopics({{std::move(topic)}, false}, ctx()));
    REQUIRE(response.ok());
    return response->topics.at(0);
  }
  // One partition on these brokers; returns its id.
  PartitionId CreateOn(const std::string& name, std::initializer_list<int> replicas) {
    auto created = Create({name, -1, -1, {{0, Nodes(replicas)}}});
    REQUIRE(created.status.ok());
    return {created.id, 0};
  }
  PartitionInfo At(const PartitionId& id) const {
    auto partition = image_->FindPartition(id.topic, id.partition);
    REQUIRE(partition);
    return *partition;
  }

  void Commit(const std::vector<metadata::Record>& records) {
    if (records.empty()) return;
    REQUIRE(controller_.Replay(records, end_, epoch_).ok());
    if (check_each_record_) CheckEachRecord(records);
    metadata::ImageBuilder builder(image_);
    for (const metadata::Record& record : records) {
      auto decoded = metadata::DecodeRecord(metadata::EncodeRecord(record));
      REQUIRE(decoded.ok());
      REQUIRE(*decoded == record);
      REQUIRE(builder.Replay(*decoded).ok());
      log_.push_back(*decoded);
    }
    end_ += static_cast<int64_t>(records.size());
    auto [image, delta] = std::move(builder).Build({end_, epoch_});
    image_ = image;
    const absl::Status legal = history_.Observe(image_, delta);
    INFO(legal.message());
    REQUIRE(legal.ok());
    REQUIRE(controller_.uncommitted()->digest() == image_->digest());
    REQUIRE(controller_.uncommitted()->provenance() == image_->provenance());
  }

  // F-B07: every prefix of a batch leaves a legal image, in case it is cut there into two.
  void CheckEachRecord(const std::vector<metadata::Record>& records) {
    MetadataImagePtr image = image_;
    for (const metadata::Record& record : records) {
      metadata::ImageBuilder builder(image);
      REQUIRE(builder.Replay(record).ok());
      image = std::move(builder).Build({image->provenance().end + 1, epoch_}).image;
      const absl::Status legal = metadata::CheckImage(*image, metadata::CheckMoment::kAfterRecord);
      INFO(metadata::RecordName(record) << ": " << legal.message());
      REQUIRE(legal.ok());
    }
  }
  void set_check_each_record() { check_each_record_ = true; }

  RequestContext ctx() const { return {now_, end_, absl::UnixEpoch()}; }
  void Pass(absl::Duration time) { now_ = now_ + time; }
  Controller& controller() { return controller_; }
  const MetadataImagePtr& image() const { return image_; }
  const std::vector<metadata::Record>& log() const { return log_; }
  Instant now() const { return now_; }
  Offset end() const { return end_; }
  Epoch epoch() const { return epoch_; }

 private:
  Xoshiro random_;
  Controller controller_;
  Instant now_ = Instant::FromNanos(1'000'000'000);
  Offset end_;
  Epoch epoch_;
  MetadataImagePtr image_ = MetadataImage::Empty();
  metadata::HistoryChecker history_;
  std::vector<metadata::Record> log_;
  bool check_each_record_ = false;
};

}  // namespace quorate::controller

#endif  // QUORATE_TESTS_CONTROLLER_CLUSTER_H_
