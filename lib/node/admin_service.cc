#include "node/admin_service.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "node/admin_codec.h"
#include "node/controller_service.h"
#include "node/methods.h"
#include "quorate/status.h"

namespace quorate::node {
namespace {

// How long an answer from the image waits for the quorum to confirm that it is fresh: longer than an election.
constexpr absl::Duration kFreshnessWaitMax = absl::Seconds(2);

// What a caller's deadline leaves for the work: the answer has to travel, too, and "no leader is known" must come
// before the caller's own clock says nothing but "too late, outcome unknown".
absl::Duration WithoutWayBack(absl::Duration timeout) {
  return timeout - std::min(timeout / 10, absl::Milliseconds(200));
}

// Whether an image may be shown after the quorum was asked about it. Without a quorum it may, as a stale one; not if
// this node stopped itself, stops, or can't cope, as others are better asked then; nor if nothing is in it yet, because
// "there are no topics" would be untrue.
absl::Status WhyNot(const absl::Status& read, const MetadataImage& image) {
  if (read.ok()) return absl::OkStatus();
  if (ReasonOf(read) != Reason::kDeadlineExceeded) return read;
  if (image.provenance().end > Offset(0)) return absl::OkStatus();
  return MakeError(Reason::kNoLeader, Outcome::kNotApplied,
                   absl::StrCat("this node knows nothing of the cluster yet: ", read.message()));
}

}  // namespace

void AdminService::ServeAdmin(RpcServer* server) {
  for (const char* method :
       {kCreateTopics, kDeleteTopics, kDescribeQuorum, kAddController, kRemoveController, kTransferLeadership}) {
    server->Handle(method,
                   [this](RpcRequest request, RpcReply reply) { ToController(std::move(request), std::move(reply)); });
  }
  server->Handle(kListTopics, [this](RpcRequest request, RpcReply reply) {
    if (absl::Status bad = CheckListTopics(request.payload); !bad.ok()) {
      std::move(reply)(bad);
      return;
    }
    FromImage(request.timeout, &EncodeTopicNames, std::move(reply));
  });
  server->Handle(kDescribeTopics, [this](RpcRequest request, RpcReply reply) {
    absl::StatusOr<DescribeTopicsCall> call = DecodeDescribeTopics(request.payload);
    if (!call.ok()) {
      std::move(reply)(call.status());
      return;
    }
    FromImage(
        request.timeout,
        [call = *std::move(call)](const MetadataImage& image, bool stale) { return EncodeTopics(image, call, stale); },
        std::move(reply));
  });
  server->Handle(kDescribeCluster, [this](RpcRequest request, RpcReply reply) {
    if (absl::Status bad = CheckDescribeCluster(request.payload); !bad.ok()) {
      std::move(reply)(bad);
      return;
    }
    FromImage(
        request.timeout,
        [this](const MetadataImage& image, bool stale) {
          return EncodeCluster(image, cluster_id_, hub_->leadership().leader, stale);
        },
        std::move(reply));
  });
}

void AdminService::ServeBrokers(RpcServer* server) {
  for (const char* method : {kRegisterBroker, kBrokerHeartbeat, kAlterPartition}) {
    server->Handle(method,
                   [this](RpcRequest request, RpcReply reply) { ToController(std::move(request), std::move(reply)); });
  }
}

void AdminService::ToController(RpcRequest request, RpcReply reply) {
  bool forwarded = false;
  if (absl::Status bad = CheckControllerCall(request.method, request.payload, &forwarded); !bad.ok()) {
    std::move(reply)(bad);
    return;
  }
  const bool from_broker =
      request.method == kRegisterBroker || request.method == kBrokerHeartbeat || request.method == kAlterPartition;
  ControllerCall call;
  call.method = std::string(request.method);
  call.payload = std::move(request.payload);
  call.timeout = WithoutWayBack(request.timeout);
  // Brokers look for the active controller themselves.
  call.here_or_nowhere = forwarded || from_broker;
  call.mark = !from_broker;
  call.idempotent = IsIdempotentCall(call.method, call.payload);
  forwarder_->Send(std::move(call), std::move(reply));
}

void AdminService::FromImage(absl::Duration timeout, Answer answer, RpcReply reply) {
  const absl::Duration wait = std::min(timeout / 2, kFreshnessWaitMax);
  engine_->ReadBarrier(
      std::max(wait, absl::Milliseconds(1)),
      [this, answer = std::move(answer), reply = std::move(reply)](absl::StatusOr<Offset> read) mutable {
        executor_->Post([image = image_->Load(), read = read.status(), answer = std::move(answer),
                         reply = std::move(reply)]() mutable {
          if (absl::Status refusal = WhyNot(read, *image); !refusal.ok()) {
            std::move(reply)(std::move(refusal));
          } else {
            std::move(reply)(std::move(answer)(*image, /*stale=*/!read.ok()));
          }
        });
      });
}

}  // namespace quorate::node
