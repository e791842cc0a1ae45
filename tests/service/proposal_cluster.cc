#include "service/proposal_cluster.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "quorate/storage_adapters.h"
#include "support/catch.h"
#include "support/wait.h"

namespace quorate::service_test {

absl::Status Tally::Apply(absl::Span<const CommittedRecord> records) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const CommittedRecord& record : records) {
    ++count_;
    ++times_[std::string(record.data)];
    if (record.result == nullptr) continue;
    int size = 0;
    if (absl::StartsWith(record.data, "big ") && absl::SimpleAtoi(record.data.substr(4), &size)) {
      *record.result = std::string(static_cast<size_t>(size), 'r');
    } else {
      *record.result = absl::StrCat(count_, ":", record.data);
    }
  }
  return absl::OkStatus();
}

std::string Tally::Ask(absl::string_view query) { return absl::StrCat(TimesApplied(std::string(query))); }

int Tally::TimesApplied(const std::string& value) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = times_.find(value);
  return found == times_.end() ? 0 : found->second;
}

void Member::Kill() {
  if (node == nullptr) return;
  listener->Stop(absl::ZeroDuration());
  service->Stop(absl::ZeroDuration());
  node.reset();
  service.reset();
  listener.reset();
  storage.reset();
}

ProposalCluster::ProposalCluster(const std::function<void(ProposalServiceOptions*)>& adjust) {
  std::vector<Voter> voters;
  for (int i = 0; i < kSize; ++i) {
    GrpcListenerOptions options;
    options.bind = {"CONTROLLER", "127.0.0.1", 0};
    absl::StatusOr<std::unique_ptr<GrpcListener>> listener = GrpcListener::Create(std::move(options));
    REQUIRE(listener.ok());
    members_[i].listener = *std::move(listener);
    ports_[i] = members_[i].listener->port();
    Voter voter;
    voter.key = {NodeId(i), DirectoryId(Uuid(7, 1000 + static_cast<uint64_t>(i)))};
    voter.endpoints = {{"CONTROLLER", "127.0.0.1", ports_[i]}};
    voters.push_back(voter);
  }
  for (int i = 0; i < kSize; ++i) {
    Member& member = members_[i];
    member.storage = ThreadExecutorFactory()->MakeSerial("storage");
    QuorumOptions options;
    options.cluster_id = ClusterId(Uuid(7, 999));
    options.self = voters[i].key;
    options.initial_voters = voters;
    QuorumDependencies dependencies;
    dependencies.log = NewMemoryLogStore(member.storage.get());
    dependencies.election_state = NewMemoryElectionStateStore(member.storage.get());
    GrpcTransportOptions transport;
    transport.listener = member.listener.get();
    dependencies.transport = NewGrpcTransport(std::move(transport));
    dependencies.state_machine = &member.tally;
    auto node = QuorumNode::Create(std::move(options), std::move(dependencies));
    REQUIRE(node.ok());
    member.node = *std::move(node);
    ProposalServiceOptions service;
    service.node = member.node.get();
    service.listener = member.listener.get();
    service.query = [&member](absl::string_view query) { return member.tally.Ask(query); };
    if (adjust) adjust(&service);
    auto made = ProposalService::Create(std::move(service));
    REQUIRE(made.ok());
    member.service = *std::move(made);
    REQUIRE(member.listener->Start().ok());
    REQUIRE(member.node->Start().ok());
  }
}

ProposalCluster::~ProposalCluster() {
  for (Member& member : members_) member.Kill();
}

int ProposalCluster::Leader() {
  int leader = -1;
  const bool found = testing::WaitUntil(
      [&] {
        for (int i = 0; i < kSize; ++i) {
          if (members_[i].node != nullptr && members_[i].node->Describe().role == ReplicaRole::kLeader) leader = i;
        }
        return leader >= 0;
      },
      absl::Seconds(60));
  REQUIRE(found);
  // All that live know of it.
  const bool known = testing::WaitUntil(
      [&] {
        for (const Member& member : members_) {
          if (member.node != nullptr && member.node->Describe().leader != NodeId(leader)) return false;
        }
        return true;
      },
      absl::Seconds(60));
  REQUIRE(known);
  return leader;
}

std::vector<Endpoint> ProposalCluster::endpoints() {
  std::vector<Endpoint> all;
  for (int i = 0; i < kSize; ++i) all.push_back(endpoint(i));
  return all;
}

std::unique_ptr<ProposalClient> ProposalCluster::Client(ProposalMode mode, std::vector<Endpoint> servers,
                                                        bool forwarding, size_t window) {
  ProposalClientOptions options;
  options.servers = servers.empty() ? endpoints() : std::move(servers);
  options.mode = mode;
  options.forwarding = forwarding;
  options.window = window;
  auto client = ProposalClient::Create(std::move(options));
  REQUIRE(client.ok());
  return *std::move(client);
}

absl::StatusOr<Proposed> ProposeAndWait(ProposalClient& client, const std::string& value, ProposeOptions options) {
  Answers<Proposed> answers;
  client.Propose(value, options, answers.Next());
  const auto all = answers.Wait();
  REQUIRE(all.size() == 1);
  return all[0];
}

absl::StatusOr<ReadAnswer> ReadAndWait(ProposalClient& client, const std::string& query, absl::Duration timeout) {
  Answers<ReadAnswer> answers;
  client.Read(query, timeout, answers.Next());
  const auto all = answers.Wait();
  REQUIRE(all.size() == 1);
  return all[0];
}

}  // namespace quorate::service_test
