// A stranger's program: a quorum of one for its own state machine, on files, with nothing but quorate::quorum.
#include <chrono>
#include <cstdio>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "quorate/quorum_node.h"
#include "quorate/storage_adapters.h"
#include "quorate/system.h"
#include "quorate/transport_adapters.h"

namespace {

class Text : public quorate::StateMachine {
 public:
  absl::Status Apply(absl::Span<const quorate::CommittedRecord> records) override {
    for (const quorate::CommittedRecord& record : records) {
      text_.append(record.data.data(), record.data.size());
      if (record.result != nullptr) *record.result = text_;
    }
    return absl::OkStatus();
  }
  void OnLeadership(const quorate::Leadership& leadership) override {
    if (leadership.is_self && !told_) leads_.set_value();
    told_ = told_ || leadership.is_self;
  }
  std::future<void> leads() { return leads_.get_future(); }

 private:
  std::string text_;
  bool told_ = false;
  std::promise<void> leads_;
};

int Fail(const char* what, const absl::Status& status) {
  std::fprintf(stderr, "%s: %s\n", what, status.ToString().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string path = argc > 1 ? argv[1] : "data";
  const quorate::Endpoint address{"CONTROLLER", "self", 9093};
  quorate::DirectoryIdentity identity;
  identity.cluster_id = quorate::ClusterId(quorate::Uuid(1, 1000));
  identity.node_id = quorate::NodeId(1);
  identity.directory_id = quorate::DirectoryId(quorate::Uuid(1, 1001));
  absl::Status formatted = quorate::FormatDirectory(quorate::PosixFileSystem(), path, identity);
  if (!formatted.ok()) return Fail("format", formatted);
  quorate::FileStorageOptions storage;
  storage.path = path;
  auto directory = quorate::DataDirectory::Open(std::move(storage));
  if (!directory.ok()) return Fail("open", directory.status());

  auto wire = quorate::ThreadExecutorFactory()->MakeSerial("wire");
  auto network = quorate::InProcessNetwork::Create(wire.get(), quorate::SystemClock());
  Text text;
  quorate::QuorumOptions options;
  options.cluster_id = identity.cluster_id;
  options.self = {identity.node_id, identity.directory_id};
  options.initial_voters = {{options.self, {address}}};
  quorate::QuorumDependencies dependencies;
  dependencies.log = (*directory)->MakeLogStore();
  dependencies.election_state = (*directory)->MakeElectionStateStore();
  dependencies.transport = network->MakeTransport(address);
  dependencies.state_machine = &text;
  auto node = quorate::QuorumNode::Create(std::move(options), std::move(dependencies));
  if (!node.ok()) return Fail("create", node.status());
  auto leads = text.leads();
  if (absl::Status started = (*node)->Start(); !started.ok()) return Fail("start", started);
  if (leads.wait_for(std::chrono::seconds(20)) != std::future_status::ready) {
    std::fprintf(stderr, "a quorum of one didn't elect itself within 20 s\n");
    return 1;
  }

  std::promise<absl::StatusOr<quorate::Proposed>> promise;
  quorate::Proposal proposal;
  proposal.records = {"hello ", "stranger"};
  (*node)->Propose(std::move(proposal),
                   [&](absl::StatusOr<quorate::Proposed> reply) { promise.set_value(std::move(reply)); });
  auto reply = promise.get_future().get();
  if (!reply.ok()) return Fail("propose", reply.status());
  std::printf("%s\n", reply->results.back().c_str());
  if (absl::Status stopped = (*node)->Shutdown(absl::Seconds(5)); !stopped.ok()) return Fail("shutdown", stopped);
  return reply->results.back() == "hello stranger" ? 0 : 1;
}
