#include "fuzz/fuzz.h"
#include "quorate/status.h"
#include "service/proposal_codec.h"

namespace {

using namespace quorate;
using namespace quorate::service;

std::string Encode(const StreamRequest& request) {
  std::string out;
  for (const WireProposal& proposal : request.proposals) {
    AppendStreamProposal(proposal, request.RecordsOf(proposal), &out);
  }
  for (const WireRead& read : request.reads) AppendStreamRead(read, &out);
  if (request.no_forwarding) AppendNoForwarding(&out);
  return out;
}

std::string Encode(const StreamResponse& response) {
  std::string out;
  for (const WireProposed& proposed : response.proposed) {
    const auto views = response.ResultsOf(proposed);
    const std::vector<std::string> results(views.begin(), views.end());
    proposed.status.ok() ? AppendStreamProposed(proposed.id, proposed.base_offset, proposed.epoch, results, &out)
                         : AppendStreamFailed(proposed.id, EncodeStatus(proposed.status), &out);
  }
  for (const WireAnswer& answer : response.answers) {
    answer.status.ok() ? AppendStreamAnswer(answer.id, answer.offset, answer.answer, &out)
                       : AppendStreamReadFailed(answer.id, EncodeStatus(answer.status), &out);
  }
  return out;
}

// What was read, written and read again is written as it was: order of fields and forms of varints aside.
template <typename Message, typename Decode>
void CheckStable(absl::string_view bytes, Decode decode) {
  Message message;
  if (!decode(bytes, &message).ok()) return;
  const std::string once = Encode(message);
  Message again;
  fuzz::Promise(decode(once, &again).ok(), "what was read can be written and read");
  fuzz::Promise(Encode(again) == once, "a message's own encoding is stable");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes = fuzz::AsText(data, size);
  CheckStable<StreamRequest>(bytes, DecodeStreamRequest);
  CheckStable<StreamResponse>(bytes, DecodeStreamResponse);
  StreamRequest propose;
  if (DecodePropose(bytes, &propose).ok()) {
    const WireProposal& one = propose.proposals.front();
    const std::string once = EncodePropose(one, propose.RecordsOf(one), propose.no_forwarding);
    StreamRequest again;
    fuzz::Promise(DecodePropose(once, &again).ok(), "a proposal that was read can be written and read");
  }
  WireRead read;
  if (DecodeRead(bytes, &read).ok()) fuzz::Promise(DecodeRead(EncodeRead(read), &read).ok(), "and so can a query");
  const absl::StatusOr<Proposed> proposed = DecodeProposed(bytes);
  if (proposed.ok()) fuzz::Promise(DecodeProposed(EncodeProposed(*proposed)).ok(), "and an answer to a proposal");
  const absl::StatusOr<ReadAnswer> answer = DecodeAnswer(bytes);
  if (answer.ok()) fuzz::Promise(DecodeAnswer(EncodeAnswer(answer->offset, answer->answer)).ok(), "and to a query");
  return 0;
}
