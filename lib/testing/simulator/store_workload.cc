#include "testing/simulator/store_workload.h"

#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "testing/simulator/message_digest.h"

namespace quorate::testing::simulator {
namespace {

// What an operation makes of a value, and answers.
struct Outcome {
  std::string value;
  std::string answer;
};

Outcome Perform(const std::string& value, absl::string_view input) {
  const std::vector<std::string> words = absl::StrSplit(input, ' ');
  int64_t number = 0;
  int64_t sum = 0;
  switch (words[0][0]) {
    case 'w':
      return {words.at(1), ""};
    case 'c':
      return value == words.at(1) ? Outcome{words.at(2), "1"} : Outcome{value, "0"};
    case 'i':
      // A value that is no number counts as 0; sums stay far from the limits.
      if (!absl::SimpleAtoi(value, &sum) || sum > 1'000'000'000) sum = 0;
      if (!absl::SimpleAtoi(words.at(1), &number)) number = 1;
      return {absl::StrCat(sum + number), absl::StrCat(sum + number)};
    default: {
      const std::string next = absl::StrCat(absl::Hex(BytesDigest(absl::StrCat(value, "|", words.at(1)))));
      return {next, next};
    }
  }
}

class StoreSource final : public SnapshotSource {
 public:
  explicit StoreSource(std::shared_ptr<const std::map<std::string, std::string>> values)
      : values_(std::move(values)), at_(values_->begin()) {}
  absl::StatusOr<std::optional<std::string>> Next() override {
    if (at_ == values_->end()) return std::nullopt;
    std::string record = absl::StrCat(at_->first, " ", at_->second);
    ++at_;
    return std::optional<std::string>(std::move(record));
  }

 private:
  std::shared_ptr<const std::map<std::string, std::string>> values_;
  std::map<std::string, std::string>::const_iterator at_;
};

}  // namespace

// "serial key operation…"
absl::Status StoreMachine::Apply(absl::Span<const CommittedRecord> records) {
  if (values_.use_count() > 1) values_ = std::make_shared<Values>(*values_);
  for (const CommittedRecord& record : records) {
    const std::pair<std::string, std::string> serial = absl::StrSplit(record.data, absl::MaxSplits(' ', 1));
    const std::pair<std::string, std::string> call = absl::StrSplit(serial.second, absl::MaxSplits(' ', 1));
    if (call.second.empty()) return absl::InvalidArgumentError("a record without an operation");
    std::string& value = (*values_)[call.first];
    Outcome outcome = Perform(value, call.second);
    value = std::move(outcome.value);
    if (record.result != nullptr) *record.result = std::move(outcome.answer);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<SnapshotSource>> StoreMachine::CaptureSnapshot() {
  return std::make_unique<StoreSource>(values_);
}

absl::Status StoreMachine::LoadSnapshot(SnapshotRecords& records, LogPosition) {
  auto values = std::make_shared<Values>();
  while (true) {
    absl::StatusOr<std::optional<absl::string_view>> next = records.Next();
    if (!next.ok()) return next.status();
    if (!next->has_value()) break;
    const std::pair<std::string, std::string> entry = absl::StrSplit(**next, absl::MaxSplits(' ', 1));
    values->insert(entry);
  }
  values_ = std::move(values);
  return absl::OkStatus();
}

std::string StoreMachine::Read(const std::string& key) const {
  const auto value = values_->find(key);
  return value == values_->end() ? "" : value->second;
}

WorkloadCall StoreWorkload::Next(int client, uint64_t serial, Random* random) {
  WorkloadCall call;
  call.key = absl::StrCat("k", random->Below(static_cast<uint64_t>(keys_)));
  call.query = call.key;
  // Whoever looks whether both kinds succeed needs both, whatever the plan says.
  call.read = random->Below(1000) < static_cast<uint64_t>(client < 0 ? 500 : reads_permille_);
  if (call.read) return call;
  switch (random->Below(5)) {
    case 0:
      call.input = absl::StrCat("w ", serial);
      break;
    case 1:
      call.input = absl::StrCat("c ", random->Below(serial + 1), " ", serial);
      break;
    case 2:
      call.input = absl::StrCat("i ", 1 + random->Below(9));
      break;
    default:
      call.input = absl::StrCat("a ", serial);
  }
  call.record = absl::StrCat(serial, " ", call.key, " ", call.input);
  return call;
}

std::string StoreWorkload::Answer(StateMachine* machine, const WorkloadCall& call) {
  return static_cast<StoreMachine*>(machine)->Read(call.query);
}

std::optional<std::string> StoreWorkload::Model::Apply(absl::string_view state, const Operation& operation) const {
  const std::string value(state);
  if (operation.input == "read") {
    if (operation.output.has_value() && *operation.output != value) return std::nullopt;
    return value;
  }
  Outcome outcome = Perform(value, operation.input);
  if (operation.output.has_value() && *operation.output != outcome.answer) return std::nullopt;
  return std::move(outcome.value);
}

}  // namespace quorate::testing::simulator
