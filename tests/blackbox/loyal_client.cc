#include "blackbox/loyal_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/system.h"

namespace quorate::blackbox {
namespace {

constexpr absl::Duration kPace = absl::Milliseconds(2);
// Few writes: a host that stood still takes them all at once, as a leader that it isn't any more, and each that ends
// with an unknown outcome doubles the orders that have to be considered.
constexpr uint64_t kReadsPerWrite = 150;
constexpr absl::Duration kLastAnswers = absl::Seconds(10);

}  // namespace

std::unique_ptr<LoyalClient> LoyalClient::Start(int port, std::string name, std::vector<std::string> keys,
                                                History* history) {
  std::unique_ptr<Client> client = Client::Connect(port);
  if (client == nullptr) return nullptr;
  return std::unique_ptr<LoyalClient>(new LoyalClient(std::move(client), std::move(name), std::move(keys), history));
}

LoyalClient::LoyalClient(std::unique_ptr<Client> client, std::string name, std::vector<std::string> keys,
                         History* history)
    : name_(std::move(name)), keys_(std::move(keys)), history_(history), client_(std::move(client)) {
  thread_ = std::thread([this] { Run(); });
}

LoyalClient::~LoyalClient() { Stop(); }

void LoyalClient::Stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void LoyalClient::Run() {
  while (!stopping_ && !client_->broken()) {
    Ask();
    const Instant next = SystemClock()->Now() + kPace;
    while (std::optional<Answer> answer = client_->Receive(next)) Take(*answer);
  }
  const Instant end = SystemClock()->Now() + kLastAnswers;
  while (!asked_.empty()) {
    const std::optional<Answer> answer = client_->Receive(end);
    if (!answer) break;
    Take(*answer);
  }
  for (const auto& [id, asked] : asked_) history_->Record(asked->command, asked->called, Instant::Infinite(), nullptr);
}

void LoyalClient::Ask() {
  auto asked = std::make_unique<Asked>();
  const uint64_t number = asked_count_++;
  asked->key = keys_[number % keys_.size()];
  asked->command.key = asked->key;
  if (number % kReadsPerWrite == kReadsPerWrite - 1) {
    asked->command.operation = Operation::kWrite;
    asked->argument = absl::StrCat(name_, ".", number);
    asked->command.argument = asked->argument;
  }
  asked->called = SystemClock()->Now();
  const std::optional<uint64_t> id = client_->Send(asked->command);
  // When the connection broke under it, nobody knows how much of it arrived.
  asked_[id.value_or(0)] = std::move(asked);
}

void LoyalClient::Take(const Answer& answer) {
  const auto found = asked_.find(answer.id);
  if (found == asked_.end()) return;
  history_->Record(found->second->command, found->second->called, SystemClock()->Now(), &answer);
  asked_.erase(found);
  ++answered_;
  if (answer.result == Result::kOk) ++served_;
}

}  // namespace quorate::blackbox
