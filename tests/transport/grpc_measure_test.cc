// What docs/transport.md tells of times, measured; run by hand: test_transport '[measure]'.
#include <algorithm>
#include <atomic>
#include <ctime>
#include <iostream>
#include <utility>
#include <vector>

#include "support/catch.h"
#include "transport/grpc_node.h"

namespace quorate::transport_test {
namespace {

void PrintSpread(const char* what, std::vector<double> millis) {
  std::sort(millis.begin(), millis.end());
  std::cout << what << ": median " << millis[millis.size() / 2] << " ms, worst " << millis.back() << " ms" << std::endl;
}

TEST_CASE("losing and finding a peer", "[.][measure]") {
  std::vector<double> notice, back;
  {
    Node a(1);
    uint16_t port = 0;
    for (int round = 1; round <= 30; ++round) {
      ChildPeer peer(port);
      port = peer.port();
      if (round == 1) a.transport->SetPeer(NodeId(2), {"CONTROLLER", "127.0.0.1", port});
      REQUIRE(WaitFor([&] { return a.sink.connects == round; }));
      const auto killed = Clock::now();
      peer.Kill();
      REQUIRE(WaitFor([&] { return a.sink.disconnects == round; }));
      notice.push_back(MillisBetween(killed, a.sink.disconnected_at.load()));
    }
  }
  PrintSpread("SIGKILL to OnPeerDisconnected", notice);
  Node a(1);
  uint16_t port = 0;
  for (int round = 1; round <= 20; ++round) {
    Node b(2, port);
    port = b.listener->port();
    const auto up = Clock::now();
    b.transport->SetPeer(NodeId(1), a.endpoint());
    if (round == 1) a.transport->SetPeer(NodeId(2), b.endpoint());
    REQUIRE(WaitFor([&] { return a.sink.connects == round && b.sink.connects == 1; }));
    back.push_back(MillisBetween(up, std::max(a.sink.connected_at.load(), b.sink.connected_at.load())));
  }
  PrintSpread("start to connected both ways", back);
}

TEST_CASE("round trips", "[.][measure]") {
  Node a(1), b(2);
  a.transport->SetPeer(NodeId(2), b.endpoint());
  REQUIRE(WaitFor([&] { return a.sink.connects == 1; }));
  b.sink.on_message = [&](Message m) {
    Message answer = Request(b.identity, a.identity, m.request_id);
    answer.request_incarnation = a.identity.incarnation;
    answer.body = ReadResponse{PeerError::kNone, Epoch(1), {}, 1, Offset(0)};
    b.transport->Send(std::move(answer));
  };
  std::atomic<bool> finished{false};
  constexpr uint64_t kRounds = 20'000;
  a.sink.on_message = [&](Message m) {
    if (m.request_id == kRounds) {
      finished.store(true);
    } else {
      a.transport->Send(Request(a.identity, b.identity, m.request_id + 1));
    }
  };
  const auto start = Clock::now();
  const std::clock_t cpu = std::clock();
  a.transport->Send(Request(a.identity, b.identity, 1));
  REQUIRE(WaitFor([&] { return finished.load(); }, std::chrono::seconds(60)));
  std::cout << "round trip: " << MillisBetween(start, Clock::now()) * 1000 / kRounds << " us, CPU "
            << 1e6 * static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC / kRounds << " us" << std::endl;

  b.sink.on_message = nullptr;
  const int before = b.sink.messages;
  constexpr int kCount = 100'000;
  const auto burst = Clock::now();
  const std::clock_t burst_cpu = std::clock();
  for (int i = 0; i < kCount; ++i) a.transport->Send(Request(a.identity, b.identity, 7));
  REQUIRE(WaitFor([&] { return b.sink.messages == before + kCount; }, std::chrono::seconds(60)));
  std::cout << "one way: " << MillisBetween(burst, Clock::now()) * 1000 / kCount << " us per message, CPU "
            << 1e6 * static_cast<double>(std::clock() - burst_cpu) / CLOCKS_PER_SEC / kCount << " us" << std::endl;
}

}  // namespace
}  // namespace quorate::transport_test
