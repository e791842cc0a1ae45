#include "host/service.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "quorate/status.h"

namespace quorate::host {
namespace {

std::string Refused(const absl::Status& status) {
  Refusal refusal;
  if (const auto hint = LeaderHintFrom(status)) refusal.leader = hint->id;
  const std::string message = absl::StrCat(ToString(ReasonOf(status)), ": ", status.message());
  refusal.message = message;
  return EncodeRefusal(OutcomeOf(status) == Outcome::kNotApplied ? Result::kNotApplied : Result::kUnknown, refusal);
}

}  // namespace

void Service::Handle(absl::string_view command, Reply reply) {
  const std::optional<Command> parsed = ParseCommand(command);
  if (!parsed || parsed->key.size() + parsed->argument.size() > kValueBytesMax) {
    return reply.Answer(EncodeRefusal(Result::kNotApplied, {kNoNode, "malformed, or longer than is allowed"}));
  }
  switch (parsed->operation) {
    case Operation::kRead:
      return Read(std::string(parsed->key), std::move(reply));
    case Operation::kReadStale:
      return ReadStale(std::string(parsed->key), std::move(reply));
    case Operation::kStatus:
      return reply.Answer(EncodeOutcome(Result::kOk, Status()));
    case Operation::kSnapshot:
      return node_->TakeSnapshot([reply = std::move(reply)](absl::StatusOr<LogPosition> taken) {
        reply.Answer(taken.ok() ? EncodeOutcome(Result::kOk, absl::StrCat(taken->end.value()))
                                : Refused(taken.status()));
      });
    case Operation::kTransfer:
      return Transfer(parsed->argument, std::move(reply));
    case Operation::kWrite:
    case Operation::kCompareSet:
    case Operation::kAppend:
    case Operation::kAdd:
      return Propose(command, std::move(reply));
  }
}

void Service::Propose(absl::string_view command, Reply reply) {
  Proposal proposal;
  proposal.records.emplace_back(command);
  proposal.timeout = timeout_;
  node_->Propose(std::move(proposal), [reply = std::move(reply)](const absl::StatusOr<Proposed>& proposed) {
    reply.Answer(proposed.ok() ? proposed->results.front() : Refused(proposed.status()));
  });
}

void Service::Read(std::string key, Reply reply) {
  node_->ReadBarrier(timeout_, [this, key = std::move(key), reply = std::move(reply)](absl::StatusOr<Offset> read) {
    reply.Answer(read.ok() ? EncodeOutcome(Result::kOk, registers_->Value(key)) : Refused(read.status()));
  });
}

void Service::Transfer(absl::string_view to, Reply reply) {
  int32_t id = 0;
  if (!absl::SimpleAtoi(to, &id) || id < 0) {
    return reply.Answer(EncodeRefusal(Result::kNotApplied, {kNoNode, "the argument isn't the id of a node"}));
  }
  node_->TransferLeadership(NodeId(id), timeout_, [reply = std::move(reply)](const absl::Status& moved) {
    reply.Answer(moved.ok() ? EncodeOutcome(Result::kOk, "") : Refused(moved));
  });
}

void Service::ReadStale(std::string key, Reply reply) {
  node_->ReadStale([this, key = std::move(key), reply = std::move(reply)](LogPosition position) {
    reply.Answer(EncodeStaleValue({position, registers_->Value(key)}));
  });
}

std::string Service::Status() const {
  const QuorumDescription now = node_->Describe();
  return absl::StrCat("role=", ToString(now.role), "\nepoch=", now.epoch.value(), "\nleader=", now.leader.value(),
                      "\nvoter=", now.is_voter ? 1 : 0, "\nlog_start=", now.log_start.value(),
                      "\nlog_end=", now.log_end.value(), "\ndurable_end=", now.durable_end.value(),
                      "\nhigh_watermark=", now.high_watermark.value(), "\napplied_end=", now.applied_end.value(),
                      "\nsnapshot_end=", now.snapshot.end.value(), "\n");
}

}  // namespace quorate::host
