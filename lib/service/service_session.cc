#include "service/service_session.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "service/service_core.h"

namespace quorate::service {
namespace {

constexpr absl::Duration kTimeoutDefault = absl::Seconds(5);
// A group goes into one batch; more than this in one waits for its own turn anyway.
constexpr size_t kGroupBytesMax = 512u << 10;
constexpr size_t kAnswerHint = 48;
// Leaves room for the framing of an answer in a message.
constexpr size_t kResultBytesMax = limits::kRpcMessageBytesMax - 4096;

absl::Duration TimeoutOf(uint32_t timeout_ms) {
  return timeout_ms == 0 ? kTimeoutDefault : absl::Milliseconds(timeout_ms);
}

std::string EncodeTooLarge(size_t bytes) {
  return EncodeStatus(MakeError(Reason::kTooLarge, Outcome::kUnknown,
                                absl::StrCat("it was applied, but the answer of ", bytes,
                                             " bytes is over the limit of ", kResultBytesMax, " bytes")));
}

}  // namespace

void ServiceSession::OnMessage(absl::string_view message) {
  core_->tally.messages_in.fetch_add(1, std::memory_order_relaxed);
  const absl::Status parsed = DecodeStreamRequest(message, &request_);
  if (parsed.ok()) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      open_ += request_.proposals.size() + request_.reads.size();
      for (const WireProposal& proposal : request_.proposals) open_bytes_ += proposal.bytes;
      for (const WireRead& read : request_.reads) open_bytes_ += read.query.size();
    }
    SubmitAll();
  } else {
    core_->tally.refused.fetch_add(1, std::memory_order_relaxed);
  }
  Actions actions;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    may_read_ = true;
    if (!parsed.ok()) {
      // Its other questions get no answer any more, and some may be on their way to be applied.
      broken_ = true;
      queue_.Drop();
      final_status_ = MakeError(ReasonOf(parsed), Outcome::kUnknown, parsed.message());
    }
    actions = Next();
  }
  Perform(std::move(actions));
}

void ServiceSession::SubmitAll() {
  for (size_t next = 0; next < request_.proposals.size();) next = SubmitFrom(next);
  for (const WireRead& read : request_.reads) {
    core_->Read(std::string(read.query), TimeoutOf(read.timeout_ms),
                [self = shared_from_this(), id = read.id, bytes = read.query.size()](
                    absl::StatusOr<ReadAnswer> result) { self->AnswerRead(id, bytes, std::move(result)); });
  }
}

size_t ServiceSession::SubmitFrom(size_t first) {
  const WireProposal& head = request_.proposals[first];
  Submission submission;
  Group group;
  size_t next = first;
  for (; next < request_.proposals.size(); ++next) {
    const WireProposal& proposal = request_.proposals[next];
    // One without records is refused by itself.
    const bool fits = proposal.timeout_ms == head.timeout_ms && proposal.expected_epoch == head.expected_epoch &&
                      group.bytes + proposal.bytes <= kGroupBytesMax && head.record_count > 0 &&
                      proposal.record_count > 0;
    if (next > first && !fits) break;
    const auto records = request_.RecordsOf(proposal);
    for (const absl::string_view record : records) submission.records.emplace_back(record);
    group.parts.push_back({proposal.id, proposal.record_count});
    group.bytes += proposal.bytes;
  }
  submission.proposals = group.parts.size();
  submission.bytes = group.bytes;
  submission.timeout = TimeoutOf(head.timeout_ms);
  submission.expected_epoch = head.expected_epoch;
  submission.may_forward = !request_.no_forwarding;
  core_->Submit(std::move(submission),
                [self = shared_from_this(), group = std::move(group)](absl::StatusOr<Proposed> result) {
                  self->Answer(group, std::move(result));
                });
  return next;
}

void ServiceSession::Answer(const Group& group, absl::StatusOr<Proposed> result) {
  Actions actions;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ -= group.parts.size();
    open_bytes_ -= group.bytes;
    if (!broken_ && !ended_) AppendAnswers(group, result);
    actions = Next();
  }
  Perform(std::move(actions));
}

void ServiceSession::AppendAnswers(const Group& group, const absl::StatusOr<Proposed>& result) {
  if (!result.ok()) {
    const std::string encoded = EncodeStatus(result.status());
    for (const Group::Part& part : group.parts) {
      AppendStreamFailed(part.id, encoded, queue_.Open(kAnswerHint + encoded.size()));
      queue_.Appended();
    }
    return;
  }
  absl::Span<const std::string> results = absl::MakeConstSpan(result->results);
  Offset offset = result->base_offset;
  for (const Group::Part& part : group.parts) {
    const absl::Span<const std::string> own = results.subspan(0, part.records);
    results.remove_prefix(own.size());
    size_t bytes = kAnswerHint;
    for (const std::string& text : own) bytes += text.size() + 8;
    std::string* const out = queue_.Open(bytes);
    bytes <= kResultBytesMax ? AppendStreamProposed(part.id, offset, result->epoch, own, out)
                             : AppendStreamFailed(part.id, EncodeTooLarge(bytes), out);
    queue_.Appended();
    offset += static_cast<int64_t>(part.records);
  }
}

void ServiceSession::AnswerRead(uint64_t id, size_t bytes, absl::StatusOr<ReadAnswer> result) {
  Actions actions;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    --open_;
    open_bytes_ -= bytes;
    if (!broken_ && !ended_) {
      if (result.ok() && result->answer.size() > kResultBytesMax) {
        AppendStreamReadFailed(id, EncodeTooLarge(result->answer.size()), queue_.Open(kAnswerHint));
      } else if (result.ok()) {
        AppendStreamAnswer(id, result->offset, result->answer, queue_.Open(kAnswerHint + result->answer.size()));
      } else {
        const std::string encoded = EncodeStatus(result.status());
        AppendStreamReadFailed(id, encoded, queue_.Open(kAnswerHint + encoded.size()));
      }
      queue_.Appended();
    }
    actions = Next();
  }
  Perform(std::move(actions));
}

bool ServiceSession::TooMuch() const {
  return open_ > limits::kStreamProposalsMax || open_bytes_ > limits::kStreamProposalBytesMax ||
         queue_.bytes() > limits::kStreamAnswerBytesMax / 4;
}

ServiceSession::Actions ServiceSession::Next() {
  Actions actions;
  if (ended_) return actions;
  if (queue_.bytes() > limits::kStreamAnswerBytesMax && !broken_) {  // F-N13
    core_->tally.cut.fetch_add(1, std::memory_order_relaxed);
    broken_ = true;
    queue_.Drop();
    final_status_ = MakeError(Reason::kOverloaded, Outcome::kUnknown,
                              absl::StrCat("more than ", limits::kStreamAnswerBytesMax,
                                           " bytes of answers waited for their reader; the stream was cut"));
    actions.cancel = true;
  }
  if (!broken_ && queue_.Take(&actions.message)) actions.write = true;
  if (may_read_ && !broken_ && !reads_ended_ && !closing_) {
    const bool too_much = TooMuch();
    if (too_much && !std::exchange(paused_, true)) core_->tally.paused.fetch_add(1, std::memory_order_relaxed);
    if (!too_much) {
      actions.read = true;
      may_read_ = paused_ = false;
    }
  }
  if (actions.any()) {
    ++acting_;
  } else if (acting_ == 0 && !queue_.writing() &&
             (broken_ || (open_ == 0 && queue_.empty() && (closing_ || reads_ended_)))) {
    ended_ = actions.end = true;
    actions.status = final_status_;
  }
  return actions;
}

void ServiceSession::Perform(Actions actions) {
  while (actions.any()) {
    if (actions.write) {
      core_->tally.messages_out.fetch_add(1, std::memory_order_relaxed);
      (void)stream_->Write(std::move(actions.message));
    }
    if (actions.cancel) stream_->Cancel();
    if (actions.read) stream_->Read();
    const std::lock_guard<std::mutex> lock(mutex_);
    --acting_;
    actions = Next();
  }
  if (actions.end) stream_->End(actions.status);
}

void ServiceSession::OnWritten(bool ok) {
  Actions actions;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    queue_.Written();
    if (!ok) {
      // Answers are lost: whoever still hears the stream's end must not take the rest for not applied.
      broken_ = true;
      queue_.Drop();
      final_status_ = MakeError(Reason::kUnreachable, Outcome::kUnknown, "an answer couldn't be written");
    }
    actions = Next();
  }
  Perform(std::move(actions));
}

void ServiceSession::OnReadsEnded() {
  Actions actions;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    reads_ended_ = true;
    actions = Next();
  }
  Perform(std::move(actions));
}

void ServiceSession::OnEnd(const absl::Status&) { core_->OnSessionEnd(this); }

void ServiceSession::Close(const absl::Status& status) {
  Actions actions;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (std::exchange(closing_, true)) return;
    if (final_status_.ok()) final_status_ = status;
    actions = Next();
  }
  Perform(std::move(actions));
}

void ServiceSession::Cut() {
  Actions actions;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (ended_ || broken_) return;
    broken_ = true;
    queue_.Drop();
    final_status_ = MakeError(Reason::kShuttingDown, Outcome::kUnknown,
                              "this node's proposal service shut down before its answers were read");
    actions = Next();
    if (!actions.end && queue_.writing()) {
      actions.cancel = true;
      if (!actions.write && !actions.read) ++acting_;
    }
  }
  Perform(std::move(actions));
}

}  // namespace quorate::service
