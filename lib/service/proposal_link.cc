#include "service/proposal_link.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "quorate/status.h"

namespace quorate::service {
namespace {

constexpr size_t kFramingBytes = 32;

template <typename Text>
size_t BytesOf(absl::Span<const Text> texts) {
  size_t bytes = 0;
  for (const Text& text : texts) bytes += text.size() + 8;
  return bytes;
}

}  // namespace

std::shared_ptr<ProposalLink> ProposalLink::Open(transport::ByteStreamClient* client, const Endpoint& to,
                                                 absl::Duration connect_timeout, bool no_forwarding,
                                                 LinkCounters* counters) {
  auto link = std::make_shared<ProposalLink>(no_forwarding, counters);
  counters->connects.fetch_add(1, std::memory_order_relaxed);
  client->Open(to, kStreamMethod, connect_timeout, [&link](transport::ByteStream* stream) {
    link->stream_ = stream;
    return link;
  });
  return link;
}

bool ProposalLink::Propose(absl::Span<const std::string> records, uint32_t timeout_ms,
                           std::optional<Epoch> expected_epoch, ProposedDone* done) {
  const std::vector<absl::string_view> views(records.begin(), records.end());
  std::unique_lock<std::mutex> lock(mutex_);
  if (down_ || retiring_) return false;
  WireProposal proposal;
  proposal.id = ++last_id_;
  proposal.timeout_ms = timeout_ms;
  proposal.expected_epoch = expected_epoch;
  std::string* const out = queue_.Open(kFramingBytes + BytesOf(records));
  if (no_forwarding_ && out->empty()) AppendNoForwarding(out);
  AppendStreamProposal(proposal, views, out);
  queue_.Appended(proposal.id);
  open_[proposal.id].proposed = std::move(*done);
  Pump(&lock);
  return true;
}

bool ProposalLink::Read(absl::string_view query, uint32_t timeout_ms, AnswerDone* done) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (down_ || retiring_) return false;
  const WireRead read{++last_id_, query, timeout_ms};
  AppendStreamRead(read, queue_.Open(kFramingBytes + query.size()));
  queue_.Appended(read.id);
  open_[read.id].answered = std::move(*done);
  Pump(&lock);
  return true;
}

void ProposalLink::Pump(std::unique_lock<std::mutex>* lock) {
  std::string message;
  while (!down_ && queue_.Take(&message)) {
    ++acting_;
    transport::ByteStream* const stream = stream_;
    lock->unlock();
    counters_->messages_out.fetch_add(1, std::memory_order_relaxed);
    const bool written = stream->Write(std::move(message));
    lock->lock();
    if (--acting_ == 0) idle_.notify_all();
    if (!written) queue_.Written();  // its end is near; OnEnd answers
  }
}

void ProposalLink::OnWritten(bool) {
  std::unique_lock<std::mutex> lock(mutex_);
  queue_.Written();
  Pump(&lock);
}

void ProposalLink::OnMessage(absl::string_view message) {
  counters_->messages_in.fetch_add(1, std::memory_order_relaxed);
  const absl::Status parsed = DecodeStreamResponse(message, &response_);
  transport::ByteStream* stream = nullptr;
  bool finished = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stream = stream_;
    if (parsed.ok()) TakeAnswers();
    finished = !parsed.ok() || (retiring_ && open_.empty());
  }
  answered_.fetch_add(taken_.size(), std::memory_order_relaxed);
  Deliver(&taken_);
  if (finished) stream->Cancel();
  stream->Read();
}

// An answer to a question that was never asked, or that was answered, is ignored.
void ProposalLink::TakeAnswers() {
  for (WireProposed& wire : response_.proposed) {
    const auto found = open_.find(wire.id);
    if (found == open_.end() || !found->second.proposed) continue;
    Answered& out = taken_.emplace_back();
    out.question = std::move(found->second);
    open_.erase(found);
    out.status = std::move(wire.status);
    if (!out.status.ok()) continue;
    out.proposed.base_offset = wire.base_offset;
    out.proposed.epoch = wire.epoch;
    for (const absl::string_view result : response_.ResultsOf(wire)) out.proposed.results.emplace_back(result);
  }
  for (WireAnswer& wire : response_.answers) {
    const auto found = open_.find(wire.id);
    if (found == open_.end() || !found->second.answered) continue;
    Answered& out = taken_.emplace_back();
    out.question = std::move(found->second);
    open_.erase(found);
    out.status = std::move(wire.status);
    out.answer = {wire.offset, std::string(wire.answer)};
  }
}

void ProposalLink::Deliver(std::vector<Answered>* answered) {
  for (Answered& one : *answered) {
    if (one.question.proposed) {
      one.status.ok() ? std::move(one.question.proposed)(std::move(one.proposed))
                      : std::move(one.question.proposed)(std::move(one.status));
    } else {
      one.status.ok() ? std::move(one.question.answered)(std::move(one.answer))
                      : std::move(one.question.answered)(std::move(one.status));
    }
  }
  answered->clear();
}

void ProposalLink::OnReadsEnded() {
  const std::lock_guard<std::mutex> lock(mutex_);
  down_ = true;
}

void ProposalLink::OnEnd(const absl::Status& status) {
  // A server that ends a stream without a word hasn't said what became of the rest.
  const absl::Status why = !status.ok() ? status
                                        : MakeError(Reason::kUnreachable, Outcome::kUnknown,
                                                    "the other side ended the stream before it had answered");
  const absl::Status unwritten = MakeError(Reason::kUnreachable, Outcome::kNotApplied,
                                           absl::StrCat("not sent, because the stream ended: ", why.message()));
  std::vector<std::pair<uint64_t, Question>> left;
  uint64_t last_written = 0;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    down_ = true;
    idle_.wait(lock, [this] { return acting_ == 0; });
    stream_ = nullptr;
    left.assign(std::make_move_iterator(open_.begin()), std::make_move_iterator(open_.end()));
    open_.clear();
    last_written = queue_.last_taken();
    queue_.Drop();
  }
  std::sort(left.begin(), left.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [id, question] : left) {
    Answered& out = taken_.emplace_back();
    out.question = std::move(question);
    out.status = id <= last_written ? why : unwritten;
  }
  Deliver(&taken_);
}

void ProposalLink::Retire() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (std::exchange(retiring_, true) || !open_.empty() || stream_ == nullptr) return;
  stream_->Cancel();
}

void ProposalLink::Cancel() {
  const std::lock_guard<std::mutex> lock(mutex_);
  down_ = true;
  if (stream_ != nullptr) stream_->Cancel();
}

bool ProposalLink::down() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return down_;
}

bool ProposalLink::has_open() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return !open_.empty();
}

}  // namespace quorate::service
