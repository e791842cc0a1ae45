#include "compare/proposal_put_client.h"

#include <chrono>
#include <string>

#include "host/protocol.h"

namespace quorate::compare {

ProposalPutClient::ProposalPutClient(const std::vector<int>& ports, ProposalMode mode) {
  for (const int port : ports) {
    ProposalClientOptions options;
    options.servers = {{"CONTROLLER", "127.0.0.1", static_cast<uint16_t>(port)}};
    options.mode = mode;
    absl::StatusOr<std::unique_ptr<ProposalClient>> client = ProposalClient::Create(std::move(options));
    clients_.push_back(client.ok() ? *std::move(client) : nullptr);
  }
}

ProposalPutClient::~ProposalPutClient() {
  for (const auto& client : clients_) {
    if (client != nullptr) client->Close();
  }
}

void ProposalPutClient::Put(uint64_t token, absl::string_view key, absl::string_view value) {
  ProposalClient* const client = clients_[token % clients_.size()].get();
  if (client == nullptr) return Ended(token, PutEnd::kLost);
  host::Command command;
  command.operation = host::Operation::kWrite;
  command.key = key;
  command.argument = value;
  std::string record;
  host::AppendCommand(command, &record);
  client->Propose(std::move(record), {}, [this, token](const absl::StatusOr<Proposed>& proposed) {
    Ended(token, proposed.ok() ? PutEnd::kAcknowledged : PutEnd::kRefused);
  });
}

void ProposalPutClient::Ended(uint64_t token, PutEnd end) {
  bool wake = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ended_.emplace_back(token, end);
    wake = std::exchange(polling_, false);
  }
  if (wake) some_.notify_one();
}

void ProposalPutClient::Poll(absl::Duration limit, PutSink* sink) {
  std::vector<std::pair<uint64_t, PutEnd>> ended;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    polling_ = ended_.empty();
    if (polling_) {
      some_.wait_for(lock, absl::ToChronoNanoseconds(limit), [this] { return !ended_.empty(); });
      polling_ = false;
    }
    ended.swap(ended_);
  }
  for (const auto& [token, end] : ended) sink->Done(token, end);
}

}  // namespace quorate::compare
