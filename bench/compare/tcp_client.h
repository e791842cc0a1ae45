// A PutClient over plain sockets: one for each lane, all polled together.
//
// A lane whose connection breaks ends its Puts as lost and connects again with the next one.
#ifndef QUORATE_BENCH_COMPARE_TCP_CLIENT_H_
#define QUORATE_BENCH_COMPARE_TCP_CLIENT_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "compare/put_client.h"
#include "compare/wire.h"

namespace quorate::compare {

class TcpClient final : public PutClient {
 public:
  // A lane for each of `ports` of 127.0.0.1; the same port may come several times.
  TcpClient(const std::vector<int>& ports, const WireFactory& make_wire);
  ~TcpClient() override;

  [[nodiscard]] int lanes() const override { return static_cast<int>(lanes_.size()); }
  void Put(uint64_t token, absl::string_view key, absl::string_view value) override;
  void Create(uint64_t token, absl::string_view key, absl::string_view value) override;
  void Poll(absl::Duration limit, PutSink* sink) override;

 private:
  struct Lane {
    int port = 0;
    std::unique_ptr<Wire> wire;
    int socket = -1;
    bool connecting = false;
    std::string out;
    std::string in;
    absl::flat_hash_set<uint64_t> under_way;
  };

  Lane& LaneOf(uint64_t token) { return *lanes_[token % lanes_.size()]; }
  // Makes sure that there is a connection, or the beginning of one, and notes the token.
  Lane* Prepare(uint64_t token);
  static bool Connect(Lane& lane);
  bool Send(Lane& lane);
  bool Receive(Lane& lane);
  void Break(Lane& lane);

  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<std::pair<uint64_t, PutEnd>> ended_;  // to be handed over by Poll
};

}  // namespace quorate::compare

#endif  // QUORATE_BENCH_COMPARE_TCP_CLIENT_H_
