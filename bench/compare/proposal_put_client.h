// A PutClient over quorate's own client library (quorate/proposal_client.h): a client of it for each lane, by unary
// calls or by a stream.
//
// That library calls back on its own threads; what ended there is handed to the thread that polls. The hand-over is
// part of what is measured: a wake-up, which etcd's client, whose completion queue the polling thread itself empties,
// doesn't pay.
//
// One thread, but for the callbacks.
#ifndef QUORATE_BENCH_COMPARE_PROPOSAL_PUT_CLIENT_H_
#define QUORATE_BENCH_COMPARE_PROPOSAL_PUT_CLIENT_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "compare/put_client.h"
#include "quorate/proposal_client.h"

namespace quorate::compare {

class ProposalPutClient final : public PutClient {
 public:
  // A lane for each of the nodes whose peers reach them at these ports of 127.0.0.1.
  ProposalPutClient(const std::vector<int>& ports, ProposalMode mode);
  ~ProposalPutClient() override;

  [[nodiscard]] int lanes() const override { return static_cast<int>(clients_.size()); }
  void Put(uint64_t token, absl::string_view key, absl::string_view value) override;
  void Poll(absl::Duration limit, PutSink* sink) override;

 private:
  void Ended(uint64_t token, PutEnd end);

  std::mutex mutex_;
  std::condition_variable some_;
  std::vector<std::pair<uint64_t, PutEnd>> ended_;  // guarded by mutex_
  bool polling_ = false;                            // guarded by mutex_: somebody waits for some_
  std::vector<std::unique_ptr<ProposalClient>> clients_;
};

}  // namespace quorate::compare

#endif  // QUORATE_BENCH_COMPARE_PROPOSAL_PUT_CLIENT_H_
