#include "node/controller_service.h"

#include <algorithm>
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

// What has to be done before a call's deadline, so that its own answer comes and not "nobody answered in time".
absl::Duration BeforeDeadline(absl::Duration timeout) {
  return timeout - std::min(timeout / 10, absl::Milliseconds(200));
}

quorum::CallDone Bare(RpcReply reply) {
  return [reply = std::move(reply)](absl::Status status) mutable {
    if (status.ok()) {
      std::move(reply)(std::string());  // the answers of these calls have no fields
    } else {
      std::move(reply)(std::move(status));
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
  } else if (!HandleQuorumChange(call, reply)) {
    std::move(reply)(UnknownMethod(call.method));
  }
}

bool ControllerService::HandleQuorumChange(const ControllerCall& call, RpcReply& reply) {
  bool forwarded = false;
  const absl::Duration timeout = BeforeDeadline(call.timeout);
  const auto refused = [&reply](const absl::Status& bad) {
    if (bad.ok()) return false;
    std::move(reply)(bad);
    return true;
  };
  if (call.method == kAddController) {
    absl::StatusOr<AddControllerCall> request = DecodeAddController(call.payload, &forwarded);
    if (refused(request.status())) return true;
    engine_->ChangeVoters({VoterChange::Kind::kAdd, std::move(request->voter)}, {timeout, request->dry_run},
                          Bare(std::move(reply)));
  } else if (call.method == kRemoveController) {
    absl::StatusOr<RemoveControllerCall> request = DecodeRemoveController(call.payload, &forwarded);
    if (refused(request.status())) return true;
    VoterChange change;
    change.kind = VoterChange::Kind::kRemove;
    change.voter.key = request->key;
    engine_->ChangeVoters(std::move(change), {timeout, request->dry_run}, Bare(std::move(reply)));
  } else if (call.method == kTransferLeadership) {
    absl::StatusOr<TransferLeadershipCall> request = DecodeTransferLeadership(call.payload, &forwarded);
    if (refused(request.status())) return true;
    engine_->TransferLeadership(request->to, timeout, Bare(std::move(reply)));
  } else {
    return false;
  }
  return true;
}

bool IsIdempotentCall(absl::string_view method, absl::string_view payload) {
  if (method == kDescribeQuorum || method == kAddController || method == kRemoveController) return true;
  if (method != kTransferLeadership) return false;
  // "To whoever is best" twice moves it twice.
  bool forwarded = false;
  const absl::StatusOr<TransferLeadershipCall> call = DecodeTransferLeadership(payload, &forwarded);
  return call.ok() && call->to.has_value();
}

absl::Status CheckControllerCall(absl::string_view method, absl::string_view payload, bool* forwarded) {
  *forwarded = false;
  if (method == kCreateTopics) return DecodeCreateTopics(payload, forwarded).status();
  if (method == kDeleteTopics) return DecodeDeleteTopics(payload, forwarded).status();
  if (method == kDescribeQuorum) return DecodeDescribeQuorum(payload, forwarded);
  if (method == kAddController) return DecodeAddController(payload, forwarded).status();
  if (method == kRemoveController) return DecodeRemoveController(payload, forwarded).status();
  if (method == kTransferLeadership) return DecodeTransferLeadership(payload, forwarded).status();
  if (method == kRegisterBroker) return DecodeRegistration(payload).status();
  if (method == kBrokerHeartbeat) return DecodeHeartbeat(payload).status();
  if (method == kAlterPartition) return DecodeIsrChanges(payload).status();
  return UnknownMethod(method);
}

}  // namespace quorate::node
