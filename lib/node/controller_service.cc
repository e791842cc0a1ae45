#include "node/controller_service.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "node/admin_codec.h"
#include "node/broker_codec.h"
#include "node/methods.h"
#include "quorate/status.h"

namespace quorate::node {
namespace {

using controller::Controller;

// Turns the controller's struct into bytes for whoever asked.
template <typename Response, typename Encode>
ControllerDone<Response> Encoded(RpcReply reply, Encode encode) {
  return [reply = std::move(reply), encode = std::move(encode)](absl::StatusOr<Response> response) mutable {
    if (response.ok()) {
      std::move(reply)(encode(*response));
    } else {
      std::move(reply)(response.status());
    }
  };
}

absl::Status UnknownMethod(absl::string_view method) {
  return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                   absl::StrCat("the controller has no method '", method, "'"));
}

}  // namespace

void ControllerService::Handle(ControllerCall call, RpcReply reply) {
  bool forwarded = false;
  const auto submit = [&](auto method, auto request, auto encode) {
    if (!request.ok()) {
      std::move(reply)(request.status());
      return;
    }
    using Response = std::decay_t<decltype((*static_cast<Controller*>(nullptr).*method)(
                                               *request, std::declval<controller::RequestContext>())
                                               ->response)>;
    controller_->Submit(method, *std::move(request), Encoded<Response>(std::move(reply), std::move(encode)));
  };
  if (call.method == kBrokerHeartbeat) {
    submit(&Controller::Heartbeat, DecodeHeartbeat(call.payload), &EncodeHeartbeatReply);
  } else if (call.method == kRegisterBroker) {
    submit(&Controller::RegisterBroker, DecodeRegistration(call.payload), &EncodeRegistered);
  } else if (call.method == kAlterPartition) {
    submit(&Controller::AlterPartition, DecodeIsrChanges(call.payload), &EncodeIsrOutcomes);
  } else if (call.method == kCreateTopics) {
    submit(&Controller::CreateTopics, DecodeCreateTopics(call.payload, &forwarded), &EncodeCreated);
  } else if (call.method == kDeleteTopics) {
    absl::StatusOr<controller::DeleteTopicsRequest> request = DecodeDeleteTopics(call.payload, &forwarded);
    std::vector<std::string> names;
    if (request.ok()) {
      for (const auto& topic : request->topics) names.push_back(topic.name.value_or(""));
    }
    submit(&Controller::DeleteTopics, std::move(request),
           [names = std::move(names)](const controller::DeleteTopicsResponse& response) {
             return EncodeDeleted(response, names);
           });
  } else if (call.method == kDescribeQuorum) {
    std::move(reply)(EncodeQuorum(engine_->Describe()));
  } else {
    std::move(reply)(UnknownMethod(call.method));
  }
}

absl::Status CheckControllerCall(absl::string_view method, absl::string_view payload, bool* forwarded) {
  *forwarded = false;
  if (method == kCreateTopics) return DecodeCreateTopics(payload, forwarded).status();
  if (method == kDeleteTopics) return DecodeDeleteTopics(payload, forwarded).status();
  if (method == kDescribeQuorum) return DecodeDescribeQuorum(payload, forwarded);
  if (method == kRegisterBroker) return DecodeRegistration(payload).status();
  if (method == kBrokerHeartbeat) return DecodeHeartbeat(payload).status();
  if (method == kAlterPartition) return DecodeIsrChanges(payload).status();
  return UnknownMethod(method);
}

}  // namespace quorate::node
