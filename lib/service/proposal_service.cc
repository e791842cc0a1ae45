// The public face of the proposal service, and its unary calls.
#include "quorate/proposal_service.h"

#include <algorithm>
#include <utility>

#include "quorate/status.h"
#include "quorate/system.h"
#include "service/proposal_codec.h"
#include "service/service_core.h"
#include "service/service_session.h"

namespace quorate {
namespace {

using service::ServiceCore;

absl::Duration Shorter(absl::Duration call, uint32_t field_ms) {
  return field_ms == 0 ? call : std::min(call, absl::Milliseconds(field_ms));
}

void HandlePropose(ServiceCore& core, const RpcRequest& request, RpcReply reply) {
  service::StreamRequest decoded;
  if (absl::Status bad = service::DecodePropose(request.payload, &decoded); !bad.ok()) {
    core.tally.refused.fetch_add(1, std::memory_order_relaxed);
    return std::move(reply)(bad);
  }
  const service::WireProposal& proposal = decoded.proposals.front();
  service::Submission submission;
  submission.records.reserve(decoded.records.size());
  for (const absl::string_view record : decoded.records) submission.records.emplace_back(record);
  submission.bytes = proposal.bytes;
  submission.timeout = Shorter(request.timeout, proposal.timeout_ms);
  submission.expected_epoch = proposal.expected_epoch;
  submission.may_forward = !decoded.no_forwarding;
  core.Submit(std::move(submission), [reply = std::move(reply)](absl::StatusOr<Proposed> result) mutable {
    result.ok() ? std::move(reply)(service::EncodeProposed(*result)) : std::move(reply)(result.status());
  });
}

void HandleRead(ServiceCore& core, const RpcRequest& request, RpcReply reply) {
  service::WireRead read;
  if (absl::Status bad = service::DecodeRead(request.payload, &read); !bad.ok()) {
    core.tally.refused.fetch_add(1, std::memory_order_relaxed);
    return std::move(reply)(bad);
  }
  core.Read(std::string(read.query), Shorter(request.timeout, read.timeout_ms),
            [reply = std::move(reply)](absl::StatusOr<ReadAnswer> result) mutable {
              result.ok() ? std::move(reply)(service::EncodeAnswer(result->offset, result->answer))
                          : std::move(reply)(result.status());
            });
}

class ProposalServiceImpl final : public ProposalService {
 public:
  explicit ProposalServiceImpl(ProposalServiceOptions options) {
    GrpcListener* const listener = options.listener;
    core_ = std::make_shared<ServiceCore>(std::move(options));
    // The listener keeps these for as long as it lives; after Stop they refuse.
    listener->Handle("/quorate.v1.Proposals/Propose", [core = core_](RpcRequest request, RpcReply reply) {
      HandlePropose(*core, request, std::move(reply));
    });
    listener->Handle("/quorate.v1.Proposals/Read", [core = core_](RpcRequest request, RpcReply reply) {
      HandleRead(*core, request, std::move(reply));
    });
    transport::HandleStream(
        listener, service::kStreamMethod,
        [core = core_](transport::ByteStream* stream) -> absl::StatusOr<std::shared_ptr<transport::ByteStreamHandler>> {
          return core->NewSession(stream);
        });
  }
  ~ProposalServiceImpl() override { core_->Stop(absl::ZeroDuration()); }

  void Stop(absl::Duration grace) override { core_->Stop(grace); }
  [[nodiscard]] Counters counters() const override { return core_->counters(); }

 private:
  std::shared_ptr<ServiceCore> core_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ProposalService>> ProposalService::Create(ProposalServiceOptions options) {
  if (options.node == nullptr || options.listener == nullptr) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                     options.node == nullptr ? "a proposal service needs a node to propose to"
                                             : "a proposal service needs a listener to be reached at");
  }
  if (options.clock == nullptr) options.clock = SystemClock();
  if (options.executors == nullptr) options.executors = ThreadExecutorFactory();
  if (options.log_sink == nullptr) options.log_sink = NullLogSink();
  return std::make_unique<ProposalServiceImpl>(std::move(options));
}

}  // namespace quorate
