// A PutClient that speaks etcd's gRPC API: unary calls, a channel for each lane, one completion queue that the user's
// thread polls.
#ifndef QUORATE_BENCH_COMPARE_ETCD_CLIENT_H_
#define QUORATE_BENCH_COMPARE_ETCD_CLIENT_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "compare/put_client.h"
#include "etcd.grpc.pb.h"

namespace quorate::compare {

class EtcdClient final : public PutClient {
 public:
  explicit EtcdClient(const std::vector<int>& ports);
  ~EtcdClient() override;

  [[nodiscard]] int lanes() const override { return static_cast<int>(stubs_.size()); }
  void Put(uint64_t token, absl::string_view key, absl::string_view value) override;
  void Poll(absl::Duration limit, PutSink* sink) override;
  void CountOnlyLaterLeaders() override { term_floor_ = term_seen_; }

 private:
  struct Call;
  void Finish(Call* call, PutSink* sink);

  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<etcdserverpb::KV::Stub>> stubs_;
  std::vector<std::unique_ptr<Call>> spare_;
  absl::flat_hash_set<Call*> under_way_;
  uint64_t term_seen_ = 0;
  uint64_t term_floor_ = 0;
};

struct EtcdStatus {
  uint64_t member = 0;
  uint64_t leader = 0;  // 0: it knows none
  uint64_t applied = 0;
};
absl::StatusOr<EtcdStatus> AskEtcd(int port);
// Returns when etcd says that it is done.
absl::Status MoveEtcdLeader(int leader_port, uint64_t to_member);

}  // namespace quorate::compare

#endif  // QUORATE_BENCH_COMPARE_ETCD_CLIENT_H_
