#include "compare/etcd_client.h"

#include <chrono>
#include <string>

#include "absl/strings/str_cat.h"

namespace quorate::compare {
namespace {

// A call that a dead leader swallowed ends by etcd's own timeout of 7 s; ours is only for what hangs altogether.
constexpr std::chrono::seconds kCallTimeout(15);
constexpr int kEventsAtOnce = 1000;

std::shared_ptr<grpc::Channel> Connect(int port, int lane) {
  grpc::ChannelArguments arguments;
  // gRPC shares connections between channels with the same arguments, and waits longer and longer before it tries a
  // broken one again.
  arguments.SetInt("quorate.lane", lane);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  return grpc::CreateCustomChannel(absl::StrCat("ipv4:127.0.0.1:", port), grpc::InsecureChannelCredentials(),
                                   arguments);
}

absl::Status ToAbsl(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace

struct EtcdClient::Call {
  uint64_t token = 0;
  std::unique_ptr<grpc::ClientContext> context;  // a context serves one call
  etcdserverpb::PutRequest request;
  etcdserverpb::PutResponse response;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<etcdserverpb::PutResponse>> reader;
};

EtcdClient::EtcdClient(const std::vector<int>& ports) {
  for (size_t i = 0; i < ports.size(); ++i) {
    stubs_.push_back(etcdserverpb::KV::NewStub(Connect(ports[i], static_cast<int>(i))));
  }
}

EtcdClient::~EtcdClient() {
  for (Call* call : under_way_) call->context->TryCancel();
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) delete static_cast<Call*>(tag);
}

void EtcdClient::Put(uint64_t token, absl::string_view key, absl::string_view value) {
  std::unique_ptr<Call> call;
  if (spare_.empty()) {
    call = std::make_unique<Call>();
  } else {
    call = std::move(spare_.back());
    spare_.pop_back();
  }
  call->token = token;
  call->context = std::make_unique<grpc::ClientContext>();
  call->context->set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  call->request.set_key(std::string(key));
  call->request.set_value(std::string(value));
  call->reader = stubs_[token % stubs_.size()]->AsyncPut(call->context.get(), call->request, &queue_);
  call->reader->Finish(&call->response, &call->status, call.get());
  under_way_.insert(call.release());  // the queue's, until it comes back
}

void EtcdClient::Finish(Call* finished, PutSink* sink) {
  std::unique_ptr<Call> call(finished);
  under_way_.erase(finished);
  PutEnd end = PutEnd::kRefused;
  if (call->status.ok()) {
    term_seen_ = std::max<uint64_t>(term_seen_, call->response.header().raft_term());
    if (call->response.header().raft_term() > term_floor_) end = PutEnd::kAcknowledged;
  } else if (call->status.error_code() == grpc::StatusCode::UNAVAILABLE &&
             call->status.error_message().find("etcdserver") == std::string::npos) {
    end = PutEnd::kLost;
  }
  const uint64_t token = call->token;
  call->reader.reset();
  call->context.reset();
  spare_.push_back(std::move(call));
  sink->Done(token, end);
}

void EtcdClient::Poll(absl::Duration limit, PutSink* sink) {
  void* tag = nullptr;
  bool ok = false;
  gpr_timespec until =
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(absl::ToInt64Nanoseconds(limit), GPR_TIMESPAN));
  // Bounded, so that the caller sees the time pass however fast answers come.
  for (int i = 0; i < kEventsAtOnce && queue_.AsyncNext(&tag, &ok, until) == grpc::CompletionQueue::GOT_EVENT; ++i) {
    Finish(static_cast<Call*>(tag), sink);
    until = gpr_time_0(GPR_CLOCK_MONOTONIC);  // whatever else is there, without waiting
  }
}

absl::StatusOr<EtcdStatus> AskEtcd(int port) {
  const auto stub = etcdserverpb::Maintenance::NewStub(Connect(port, -1));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(2));
  etcdserverpb::StatusResponse response;
  const grpc::Status status = stub->Status(&context, {}, &response);
  if (!status.ok()) return ToAbsl(status);
  return EtcdStatus{response.header().member_id(), response.leader(), response.raft_applied_index()};
}

absl::Status MoveEtcdLeader(int leader_port, uint64_t to_member) {
  const auto stub = etcdserverpb::Maintenance::NewStub(Connect(leader_port, -2));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  etcdserverpb::MoveLeaderRequest request;
  request.set_target_id(to_member);
  etcdserverpb::MoveLeaderResponse response;
  return ToAbsl(stub->MoveLeader(&context, request, &response));
}

}  // namespace quorate::compare
