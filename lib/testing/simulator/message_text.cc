#include "testing/simulator/message_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/overloaded.h"

namespace quorate::testing::simulator {
namespace {

std::string Position(const LogPosition& at) { return absl::StrCat(at.end.value(), "@", at.epoch.value()); }

std::string Details(const MessageBody& body) {
  return std::visit(
      Overloaded{
          [](const VoteRequest& m) {
            return absl::StrCat(" log_end=", Position(m.log_end), m.pre_vote ? " pre_vote" : "");
          },
          [](const VoteResponse& m) {
            return absl::StrCat(m.granted ? " granted" : " refused", m.pre_vote ? " pre_vote" : "");
          },
          [](const FetchRequest& m) {
            return absl::StrCat(" session=", m.session, " from=", m.fetch_offset.value(), "@",
                                m.last_fetched_epoch.value(), " durable=", m.durable_end.value(),
                                " hw=", m.high_watermark.value(), " round=", m.read_round);
          },
          [](const FetchResponse& m) {
            std::string text = absl::StrCat(" session=", m.session, " base=", m.base_offset.value(),
                                            " hw=", m.high_watermark.value(), " round=", m.read_round);
            if (m.diverging.has_value()) absl::StrAppend(&text, " diverging=", Position(*m.diverging));
            if (m.snapshot.has_value()) absl::StrAppend(&text, " snapshot=", Position(*m.snapshot));
            for (const Batch& batch : m.batches) {
              absl::StrAppend(&text, " [", batch.base_offset().value(), ",", batch.end_offset().value(), ")@",
                              batch.epoch().value());
            }
            return text;
          },
          [](const ReadRequest& m) { return absl::StrCat(" read=", m.read_id); },
          [](const ReadResponse& m) { return absl::StrCat(" read=", m.read_id, " offset=", m.read_offset.value()); },
          [](const SnapshotRequest& m) {
            return absl::StrCat(" snapshot=", Position(m.snapshot), " position=", m.position);
          },
          [](const SnapshotResponse& m) {
            return absl::StrCat(" snapshot=", Position(m.snapshot), " position=", m.position, "+", m.data.size(),
                                " of ", m.total);
          },
          [](const VoterChangeRequest& m) {
            return absl::StrCat(" ", ToString(m.change.kind), " ", m.change.voter.key.ToString());
          },
          [](const VoterChangeResponse& m) { return absl::StrCat(" ", m.message); },
          [](const auto&) { return std::string(); },
      },
      body);
}

}  // namespace

std::string TimeText(Instant when) { return absl::StrFormat("%12.6f", static_cast<double>(when.nanos()) / 1e9); }

std::string MessageText(Instant when, const Message& message) {
  std::string text = absl::StrCat(TimeText(when), " ", message.from.id.value(), " -> ", message.to.id.value(), " ",
                                  message.TypeName());
  std::visit(
      [&](const auto& body) {
        absl::StrAppend(&text, " epoch=", body.epoch.value());
        if constexpr (requires { body.error; }) {
          if (body.error != PeerError::kNone) absl::StrAppend(&text, " error=", static_cast<int>(body.error));
        }
      },
      message.body);
  return text + Details(message.body);
}

}  // namespace quorate::testing::simulator
