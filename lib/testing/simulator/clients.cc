#include "testing/simulator/clients.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/status.h"

namespace quorate::testing::simulator {
namespace {

// A workload that makes both proposals and reads has made either by then, for all that matters.
constexpr int kTriesForAKind = 1'000;

}  // namespace

Clients::Clients(Cluster* cluster, const SimulationPlan& plan, std::unique_ptr<Workload> workload)
    : cluster_(cluster),
      config_(plan.config),
      random_(plan.seed * 31 + 3),
      workload_(std::move(workload)),
      believed_leader_(static_cast<size_t>(plan.config.clients), -1),
      waiting_(static_cast<size_t>(cluster->size())) {}

void Clients::Begin() {
  for (int client = 0; client < static_cast<int>(config_.clients); ++client) Schedule(client);
}

void Clients::Schedule(int client) {
  const auto think = static_cast<uint64_t>(std::max<int64_t>(1, config_.think)) * 2'000;
  cluster_->scheduler().After(absl::Microseconds(random_.Below(think)), EventKind::kClient, Scheduler::kNobody,
                              [this, client] { Next(client); });
}

int Clients::ChooseNode(int client) {
  int& believed = believed_leader_[static_cast<size_t>(client)];
  if (believed >= 0 && believed < cluster_->size() && cluster_->At(believed).up && random_.Below(20) != 0) {
    return believed;
  }
  return static_cast<int>(random_.Below(static_cast<uint64_t>(cluster_->size())));
}

void Clients::Next(int client) {
  if (stopped_) return;
  ClientCall call;
  call.client = client;
  call.call = workload_->Next(client, ++serial_, &random_);
  if (call.call.read) {
    const bool stale = random_.Below(1000) < static_cast<uint64_t>(config_.stale_permille);
    call.kind = stale ? ClientCall::Kind::kReadStale : ClientCall::Kind::kRead;
  }
  // Linearizable and stale reads work anywhere.
  call.node = call.call.read && random_.Below(2) == 0
                  ? static_cast<int>(random_.Below(static_cast<uint64_t>(cluster_->size())))
                  : ChooseNode(client);
  if (!cluster_->At(call.node).up || cluster_->At(call.node).process == nullptr) {
    believed_leader_[static_cast<size_t>(client)] = -1;
    return Schedule(client);
  }
  // A client is a thread of the process that it calls: stopped with it, and the first to call when that goes on.
  if (cluster_->At(call.node).machine.paused()) return Schedule(client);
  const auto longest = static_cast<uint64_t>(std::max<int64_t>(1, config_.call_timeout)) * 1'000;
  Submit(std::move(call), absl::Microseconds(1 + longest / 4 + random_.Below(longest)));
}

size_t Clients::Call(int node, ClientCall::Kind kind, absl::Duration timeout) {
  ClientCall call;
  call.kind = kind;
  call.client = -1;
  call.node = node;
  const bool read = kind != ClientCall::Kind::kPropose;
  call.call = workload_->Next(call.client, ++serial_, &random_);
  for (int tries = 0; call.call.read != read && tries < kTriesForAKind; ++tries) {
    call.call = workload_->Next(call.client, ++serial_, &random_);
  }
  // A workload that only reads has nothing to write, one that only writes nothing to ask for.
  if (call.call.read && !read) call.kind = ClientCall::Kind::kRead;
  return Submit(std::move(call), timeout);
}

size_t Clients::Submit(ClientCall call, absl::Duration timeout) {
  const size_t index = calls_.size();
  call.life = cluster_->At(call.node).life;
  call.called = cluster_->scheduler().now();
  ++open_;
  waiting_[static_cast<size_t>(call.node)].push_back(index);
  calls_.push_back(std::move(call));
  Send(index, timeout);
  return index;
}

std::string Clients::AnswerFrom(StateMachine* machine, const ClientCall& call) {
  return call.call.read ? workload_->Answer(machine, call.call) : "";
}

void Clients::Send(size_t index, absl::Duration timeout) {
  ClientCall& call = calls_[index];
  Cluster::Node& node = cluster_->At(call.node);
  QuorumNode* process = node.process.get();
  switch (call.kind) {
    case ClientCall::Kind::kPropose: {
      Proposal proposal;
      proposal.records = {call.call.record};
      proposal.timeout = timeout;
      process->Propose(std::move(proposal), [this, index](absl::StatusOr<Proposed> result) {
        if (result.ok()) {
          calls_[index].offset = result->base_offset;
          calls_[index].answer = std::move(result->results.at(0));
        }
        Complete(index, result.status());
      });
      return;
    }
    case ClientCall::Kind::kRead:
      process->ReadBarrier(timeout, [this, index, &node](absl::StatusOr<Offset> read) {
        // On the apply thread: the state stands still during this look.
        if (read.ok() && Arrives(index)) {
          calls_[index].offset = node.state->end();
          calls_[index].answer = AnswerFrom(node.state->machine(), calls_[index]);
        }
        Complete(index, read.status());
      });
      return;
    case ClientCall::Kind::kReadStale:
      process->ReadStale([this, index, &node](LogPosition position) {
        if (Arrives(index)) {
          calls_[index].offset = position.end;
          calls_[index].epoch = position.epoch;
          calls_[index].answer = AnswerFrom(node.state->machine(), calls_[index]);
        }
        Complete(index, absl::OkStatus());
      });
  }
}

bool Clients::Arrives(size_t index) {
  const ClientCall& call = calls_[index];
  const Cluster::Node& node = cluster_->At(call.node);
  return call.end == ClientCall::End::kOpen && node.up && node.life == call.life;
}

void Clients::Complete(size_t index, const absl::Status& status) {
  ClientCall& call = calls_[index];
  if (call.completed) {
    return cluster_->referee().Fail("I-24", absl::StrCat("call ", index, " to node ", call.node, " completed twice"));
  }
  call.completed = true;
  std::erase(waiting_[static_cast<size_t>(call.node)], index);
  if (!Arrives(index)) return;
  FinishWithStatus(&call, status);
}

void Clients::FinishWithStatus(ClientCall* call, const absl::Status& status) {
  --open_;
  cluster_->scheduler().trace().Mix(static_cast<uint64_t>(status.code()));
  call->returned = cluster_->scheduler().now();
  if (status.ok()) {
    call->end = ClientCall::End::kOk;
    ++succeeded_;
  } else {
    call->end = OutcomeOf(status) == Outcome::kNotApplied ? ClientCall::End::kNotApplied : ClientCall::End::kUnknown;
  }
  if (call->client < 0) return;
  int& believed = believed_leader_[static_cast<size_t>(call->client)];
  if (!status.ok()) {
    const std::optional<LeaderHint> hint = LeaderHintFrom(status);
    believed = hint.has_value() ? hint->id.value() : -1;
  } else if (call->kind == ClientCall::Kind::kPropose) {
    believed = call->node;
  }
  if (!stopped_) Schedule(call->client);
}

void Clients::NodeDied(int node) {
  for (const size_t index : waiting_[static_cast<size_t>(node)]) {
    ClientCall& call = calls_[index];
    if (call.end != ClientCall::End::kOpen) continue;
    call.end = ClientCall::End::kUnknown;
    --open_;
    if (call.client < 0) continue;
    believed_leader_[static_cast<size_t>(call.client)] = -1;
    if (!stopped_) Schedule(call.client);
  }
}

void Clients::NodeBuried(int node) {
  std::vector<size_t>& waiting = waiting_[static_cast<size_t>(node)];
  if (!waiting.empty()) {
    const ClientCall& call = calls_[waiting.front()];
    cluster_->referee().Fail("I-24", absl::StrCat("a call to node ", node, " (", call.call.input, call.call.record,
                                                  ") was never completed, though the node is destroyed"));
  }
  waiting.clear();
}

}  // namespace quorate::testing::simulator
