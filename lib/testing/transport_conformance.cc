#include "quorate/testing/transport_conformance.h"

#include <atomic>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "testing/sample_messages.h"

namespace quorate::testing {
namespace {

constexpr uint64_t kClusterLow = 0x1122334455667788;

TransportIdentity Identity(int32_t node, uint64_t incarnation = 1, uint64_t cluster = kClusterLow) {
  const auto n = static_cast<uint64_t>(node);
  return {ClusterId(Uuid(0xc1u, cluster)),
          {NodeId(node), DirectoryId(Uuid(0xd1u, 1000 + n))},
          IncarnationId(Uuid(0xe1u, incarnation * 1000 + n))};
}

// Remembers what it was told. Thread-safe.
class Recorder final : public PeerHandler {
 public:
  void OnMessage(Message message) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++calls_;
    messages_.push_back(std::move(message));
  }
  void OnPeerDisconnected(NodeId peer) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++calls_;
    ++disconnects_[peer];
  }
  void OnPeerConnected(NodeId peer) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++calls_;
    ++connects_[peer];
  }

  [[nodiscard]] size_t count() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return messages_.size();
  }
  [[nodiscard]] std::vector<Message> messages() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return messages_;
  }
  [[nodiscard]] int connects(int32_t peer) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto it = connects_.find(NodeId(peer));
    return it == connects_.end() ? 0 : it->second;
  }
  [[nodiscard]] int disconnects(int32_t peer) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto it = disconnects_.find(NodeId(peer));
    return it == disconnects_.end() ? 0 : it->second;
  }
  [[nodiscard]] uint64_t calls() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return calls_;
  }
  [[nodiscard]] bool Has(uint64_t request_id) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const Message& m : messages_) {
      if (m.request_id == request_id) return true;
    }
    return false;
  }

 private:
  mutable std::mutex mutex_;  // guards all below
  std::vector<Message> messages_;
  std::map<NodeId, int> connects_;
  std::map<NodeId, int> disconnects_;
  uint64_t calls_ = 0;
};

absl::Status Fail(absl::string_view what) { return absl::FailedPreconditionError(what); }

#define QUORATE_EXPECT(condition, what)  \
  do {                                   \
    if (!(condition)) return Fail(what); \
  } while (false)

// A host with identity and handler. The transport is stopped before the handler goes away.
struct Node {
  Node(TransportHarness* harness, TransportIdentity who) : host(harness->MakeHost()), self(std::move(who)) {}
  ~Node() {
    if (host->transport() != nullptr) host->transport()->Stop();
  }
  absl::Status Start() { return host->transport()->Start(self, &recorder); }
  Transport& transport() { return *host->transport(); }
  void Knows(const Node& other) { transport().SetPeer(other.self.self.id, other.host->endpoint()); }

  std::unique_ptr<TransportHost> host;
  TransportIdentity self;
  Recorder recorder;
};

Message MakeResponse(const TransportIdentity& from, const TransportIdentity& to, uint64_t id) {
  Message m = MakeRequest(from, to.self, id);
  m.request_incarnation = to.incarnation;
  m.body = ReadResponse{PeerError::kNone, Epoch(1), {}, id, Offset(5)};
  return m;
}

// Starts two nodes and connects `a` to `b`.
absl::Status Connect(TransportHarness* harness, Node* a, Node* b) {
  if (absl::Status s = b->Start(); !s.ok()) return s;
  if (absl::Status s = a->Start(); !s.ok()) return s;
  a->Knows(*b);
  const int32_t id = b->self.self.id.value();
  QUORATE_EXPECT(harness->WaitFor([&] { return a->recorder.connects(id) == 1; }), "OnPeerConnected was never called");
  return absl::OkStatus();
}

absl::Status EveryMessageArrivesUnchanged(TransportHarness* harness) {
  Node a(harness, Identity(1)), b(harness, Identity(2));
  if (absl::Status s = Connect(harness, &a, &b); !s.ok()) return s;
  std::vector<Message> requests, responses;
  for (Message& m : SampleMessages(a.self, b.self)) {
    if (!m.IsResponse()) requests.push_back(std::move(m));
  }
  for (Message& m : SampleMessages(b.self, a.self)) {
    if (m.IsResponse()) responses.push_back(std::move(m));
  }
  for (const Message& m : requests) a.transport().Send(m);
  QUORATE_EXPECT(harness->WaitFor([&] { return b.recorder.count() == requests.size(); }),
                 absl::StrCat("of ", requests.size(), " requests ", b.recorder.count(), " arrived"));
  for (const Message& m : responses) b.transport().Send(m);
  QUORATE_EXPECT(harness->WaitFor([&] { return a.recorder.count() == responses.size(); }),
                 absl::StrCat("of ", responses.size(), " responses ", a.recorder.count(), " arrived"));
  for (size_t i = 0; i < requests.size(); ++i) {
    QUORATE_EXPECT(SameMessage(requests[i], b.recorder.messages()[i]),
                   absl::StrCat(requests[i].TypeName(), " changed"));
  }
  for (size_t i = 0; i < responses.size(); ++i) {
    QUORATE_EXPECT(SameMessage(responses[i], a.recorder.messages()[i]),
                   absl::StrCat(responses[i].TypeName(), " changed"));
  }
  return absl::OkStatus();
}

absl::Status ManyMessagesArrive(TransportHarness* harness) {
  constexpr uint64_t kCount = 2000;
  Node a(harness, Identity(1)), b(harness, Identity(2));
  if (absl::Status s = Connect(harness, &a, &b); !s.ok()) return s;
  for (uint64_t id = 1; id <= kCount; ++id) a.transport().Send(MakeRequest(a.self, b.self.self, id));
  QUORATE_EXPECT(harness->WaitFor([&] { return b.recorder.count() == kCount; }),
                 absl::StrCat("of ", kCount, " messages ", b.recorder.count(), " arrived"));
  std::vector<bool> seen(kCount + 1);
  for (const Message& m : b.recorder.messages()) seen[m.request_id] = true;
  for (uint64_t id = 1; id <= kCount; ++id) QUORATE_EXPECT(seen[id], absl::StrCat("message ", id, " is missing"));
  return absl::OkStatus();
}

absl::Status BigMessagesArrive(TransportHarness* harness) {
  Node a(harness, Identity(1)), b(harness, Identity(2));
  if (absl::Status s = Connect(harness, &a, &b); !s.ok()) return s;
  a.transport().Send(MakeRequest(a.self, b.self.self, 1));
  QUORATE_EXPECT(harness->WaitFor([&] { return b.recorder.count() == 1; }), "the request didn't arrive");
  Message answer = MakeResponse(b.self, a.self, 2);
  FetchResponse body;
  body.epoch = Epoch(3);
  body.batches.push_back(MakeBatch(Offset(0), limits::kProposalBytesMax - 64));
  body.batches.push_back(MakeBatch(Offset(1), 100));
  answer.body = std::move(body);
  b.transport().Send(answer);
  QUORATE_EXPECT(harness->WaitFor([&] { return a.recorder.count() == 1; }), "the big answer didn't arrive");
  QUORATE_EXPECT(SameMessage(answer, a.recorder.messages()[0]), "the big answer changed");
  return absl::OkStatus();
}

// F-N09.
absl::Status AnotherClusterIsRefused(TransportHarness* harness) {
  Node a(harness, Identity(1, 1, kClusterLow + 1)), b(harness, Identity(2));
  if (absl::Status s = b.Start(); !s.ok()) return s;
  if (absl::Status s = a.Start(); !s.ok()) return s;
  a.Knows(b);
  QUORATE_EXPECT(harness->WaitFor([&] { return a.recorder.disconnects(2) == 1; }), "the refusal wasn't reported");
  a.transport().Send(MakeRequest(a.self, b.self.self, 1));
  QUORATE_EXPECT(a.recorder.connects(2) == 0, "a peer of another cluster was reported as connected");
  QUORATE_EXPECT(b.recorder.calls() == 0, "a message of another cluster was delivered");
  return absl::OkStatus();
}

// F-N10: swapped addresses.
absl::Status AnotherNodeAtTheAddressIsRefused(TransportHarness* harness) {
  Node a(harness, Identity(1)), b(harness, Identity(2));
  if (absl::Status s = b.Start(); !s.ok()) return s;
  if (absl::Status s = a.Start(); !s.ok()) return s;
  a.transport().SetPeer(NodeId(7), b.host->endpoint());
  QUORATE_EXPECT(harness->WaitFor([&] { return a.recorder.disconnects(7) == 1; }), "the refusal wasn't reported");
  a.transport().Send(MakeRequest(a.self, {NodeId(7), {}}, 1));
  QUORATE_EXPECT(a.recorder.connects(7) == 0, "node 2 was taken for node 7");
  QUORATE_EXPECT(b.recorder.calls() == 0, "a message for node 7 was delivered to node 2");
  return absl::OkStatus();
}

// F-N10: the disk was replaced. The connection is fine, the message isn't.
absl::Status AnotherDirectoryIsRefused(TransportHarness* harness) {
  Node a(harness, Identity(1)), b(harness, Identity(2));
  if (absl::Status s = Connect(harness, &a, &b); !s.ok()) return s;
  a.transport().Send(MakeRequest(a.self, {NodeId(2), DirectoryId(Uuid(9, 9999))}, 1));
  a.transport().Send(MakeRequest(a.self, {NodeId(2), {}}, 2));
  QUORATE_EXPECT(harness->WaitFor([&] { return b.recorder.Has(2); }), "a message without a directory wasn't delivered");
  QUORATE_EXPECT(!b.recorder.Has(1), "a message for another directory was delivered");
  QUORATE_EXPECT(a.recorder.disconnects(2) == 0, "the connection broke over one message");
  return absl::OkStatus();
}

// F-N11.
absl::Status OwnAddressIsRefused(TransportHarness* harness) {
  Node a(harness, Identity(1));
  if (absl::Status s = a.Start(); !s.ok()) return s;
  a.transport().SetPeer(NodeId(-2), a.host->endpoint());
  QUORATE_EXPECT(harness->WaitFor([&] { return a.recorder.disconnects(-2) == 1; }), "the refusal wasn't reported");
  a.transport().Send(MakeRequest(a.self, {NodeId(-2), {}}, 1));
  QUORATE_EXPECT(a.recorder.count() == 0, "a message to ourselves was delivered");
  return absl::OkStatus();
}

absl::Status BootstrapServerIsReached(TransportHarness* harness) {
  Node a(harness, Identity(1)), b(harness, Identity(2));
  if (absl::Status s = b.Start(); !s.ok()) return s;
  if (absl::Status s = a.Start(); !s.ok()) return s;
  a.transport().SetPeer(NodeId(-2), b.host->endpoint());
  QUORATE_EXPECT(harness->WaitFor([&] { return a.recorder.connects(-2) == 1; }), "not connected");
  a.transport().Send(MakeRequest(a.self, {NodeId(-2), {}}, 1));
  QUORATE_EXPECT(harness->WaitFor([&] { return b.recorder.count() == 1; }), "the request didn't arrive");
  b.transport().Send(MakeResponse(b.self, a.self, 1));
  QUORATE_EXPECT(harness->WaitFor([&] { return a.recorder.count() == 1; }), "the answer didn't arrive");
  QUORATE_EXPECT(a.recorder.messages()[0].from == b.self.self, "the answer doesn't name the real sender");
  return absl::OkStatus();
}

absl::Status CrashIsReportedOnceAndHealed(TransportHarness* harness) {
  Node a(harness, Identity(1)), b(harness, Identity(2));
  if (absl::Status s = Connect(harness, &a, &b); !s.ok()) return s;
  for (int round = 1; round <= 3; ++round) {
    b.host->TakeDown();
    QUORATE_EXPECT(harness->WaitFor([&] { return a.recorder.disconnects(2) == round; }), "the loss wasn't reported");
    a.transport().Send(MakeRequest(a.self, b.self.self, 100));  // dropped
    b.host->BringUp();
    b.self = Identity(2, 1 + round);
    if (absl::Status s = b.Start(); !s.ok()) return s;
    QUORATE_EXPECT(harness->WaitFor([&] { return a.recorder.connects(2) == round + 1; }), "never connected again");
    QUORATE_EXPECT(a.recorder.disconnects(2) == round, "one loss was reported more than once");
    a.transport().Send(MakeRequest(a.self, b.self.self, round));
    QUORATE_EXPECT(harness->WaitFor([&] { return b.recorder.Has(round); }), "no message after the reconnection");
  }
  QUORATE_EXPECT(!b.recorder.Has(100), "a message that was sent while the peer was down arrived");
  return absl::OkStatus();
}

absl::Status PeerThatStartsLaterIsFound(TransportHarness* harness) {
  Node a(harness, Identity(1)), b(harness, Identity(2));
  b.host->TakeDown();
  if (absl::Status s = a.Start(); !s.ok()) return s;
  a.Knows(b);
  QUORATE_EXPECT(harness->WaitFor([&] { return a.recorder.disconnects(2) == 1; }), "the failure wasn't reported");
  b.host->BringUp();
  if (absl::Status s = b.Start(); !s.ok()) return s;
  QUORATE_EXPECT(harness->WaitFor([&] { return a.recorder.connects(2) == 1; }), "never connected");
  QUORATE_EXPECT(a.recorder.disconnects(2) == 1, "the failure was reported more than once");
  return absl::OkStatus();
}

// The asker restarts: what is sent to it now goes to its new self.
absl::Status AnswersTakeTheNewestConnection(TransportHarness* harness) {
  Node a(harness, Identity(1)), b(harness, Identity(2));
  if (absl::Status s = Connect(harness, &a, &b); !s.ok()) return s;
  a.transport().Send(MakeRequest(a.self, b.self.self, 1));
  QUORATE_EXPECT(harness->WaitFor([&] { return b.recorder.Has(1); }), "the first request didn't arrive");
  a.host->TakeDown();
  a.host->BringUp();
  a.self = Identity(1, 2);
  if (absl::Status s = a.Start(); !s.ok()) return s;
  a.Knows(b);
  QUORATE_EXPECT(harness->WaitFor([&] { return a.recorder.connects(2) == 2; }), "not connected again");
  a.transport().Send(MakeRequest(a.self, b.self.self, 2));
  QUORATE_EXPECT(harness->WaitFor([&] { return b.recorder.Has(2); }), "the second request didn't arrive");
  b.transport().Send(MakeResponse(b.self, a.self, 2));
  QUORATE_EXPECT(harness->WaitFor([&] { return a.recorder.Has(2); }), "the answer didn't arrive");
  return absl::OkStatus();
}

absl::Status ForgottenPeerIsLeftAlone(TransportHarness* harness) {
  Node a(harness, Identity(1)), b(harness, Identity(2)), c(harness, Identity(3));
  if (absl::Status s = Connect(harness, &a, &b); !s.ok()) return s;
  if (absl::Status s = c.Start(); !s.ok()) return s;
  a.Knows(c);
  QUORATE_EXPECT(harness->WaitFor([&] { return a.recorder.connects(3) == 1; }), "not connected to the third");
  a.transport().ForgetPeer(NodeId(2));
  a.transport().Send(MakeRequest(a.self, b.self.self, 1));
  a.transport().Send(MakeRequest(a.self, c.self.self, 2));
  QUORATE_EXPECT(harness->WaitFor([&] { return c.recorder.Has(2); }), "the third got nothing");
  QUORATE_EXPECT(!b.recorder.Has(1), "a forgotten peer got a message");
  QUORATE_EXPECT(a.recorder.disconnects(2) == 0, "forgetting a peer was reported as a loss");
  return absl::OkStatus();
}

absl::Status PeerMoves(TransportHarness* harness) {
  Node a(harness, Identity(1)), b(harness, Identity(2)), moved(harness, Identity(2, 2));
  if (absl::Status s = Connect(harness, &a, &b); !s.ok()) return s;
  if (absl::Status s = moved.Start(); !s.ok()) return s;
  a.Knows(b);  // nothing new: the connection stays
  a.Knows(moved);
  QUORATE_EXPECT(harness->WaitFor([&] { return a.recorder.connects(2) == 2; }), "not connected to the new address");
  QUORATE_EXPECT(a.recorder.disconnects(2) == 1, "the old connection's end wasn't reported once");
  a.transport().Send(MakeRequest(a.self, {NodeId(2), {}}, 1));
  QUORATE_EXPECT(harness->WaitFor([&] { return moved.recorder.Has(1); }), "the new address got nothing");
  QUORATE_EXPECT(b.recorder.count() == 0, "the old address got a message");
  return absl::OkStatus();
}

absl::Status UnknownAddresseesAreDropped(TransportHarness* harness) {
  Node a(harness, Identity(1)), b(harness, Identity(2));
  if (absl::Status s = Connect(harness, &a, &b); !s.ok()) return s;
  a.transport().Send(MakeRequest(a.self, {NodeId(9), {}}, 1));
  b.transport().Send(MakeResponse(b.self, a.self, 1));  // a never asked
  a.transport().Send(MakeRequest(a.self, b.self.self, 2));
  QUORATE_EXPECT(harness->WaitFor([&] { return b.recorder.Has(2); }), "the good message didn't arrive");
  QUORATE_EXPECT(b.recorder.count() == 1 && a.recorder.count() == 0, "a message without a way was delivered");
  return absl::OkStatus();
}

absl::Status MisuseIsSurvived(TransportHarness* harness) {
  Node a(harness, Identity(1));
  a.transport().Send(MakeRequest(a.self, {NodeId(2), {}}, 1));  // before Start
  a.transport().ForgetPeer(NodeId(4));
  if (absl::Status s = a.Start(); !s.ok()) return s;
  QUORATE_EXPECT(!a.Start().ok(), "a second Start succeeded");
  a.transport().Stop();
  a.transport().Stop();
  a.transport().Send(MakeRequest(a.self, {NodeId(2), {}}, 1));
  return absl::OkStatus();
}

// F-H05: nothing is called after Stop returned, whatever was under way.
absl::Status StopUnderTraffic(TransportHarness* harness) {
  for (int round = 0; round < 5; ++round) {
    Node a(harness, Identity(1)), b(harness, Identity(2));
    if (absl::Status s = Connect(harness, &a, &b); !s.ok()) return s;
    b.Knows(a);
    QUORATE_EXPECT(harness->WaitFor([&] { return b.recorder.connects(1) == 1; }), "not connected back");
    std::atomic<bool> stop{false};
    std::thread sender([&] {
      for (uint64_t id = 1; !stop.load() && id < 100'000; ++id) {
        a.transport().Send(MakeRequest(a.self, b.self.self, id));
        b.transport().Send(MakeResponse(b.self, a.self, id));
        // No faster than it is taken: else a slow receiver's queue overflows, and its connection is cut (F-N13).
        while (!stop.load() && id > b.recorder.count() + 200) std::this_thread::yield();
      }
    });
    const bool flowing = harness->WaitFor([&] { return b.recorder.count() > 20; });
    b.transport().Stop();
    const uint64_t calls = b.recorder.calls();
    const bool noticed = harness->WaitFor([&] { return a.recorder.disconnects(2) == 1; });
    stop.store(true);
    sender.join();
    a.transport().Stop();
    QUORATE_EXPECT(flowing, "no traffic");
    QUORATE_EXPECT(noticed, "the end of the other side wasn't noticed");
    QUORATE_EXPECT(b.recorder.calls() == calls, "the handler was called after Stop returned");
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<TransportCheck> TransportConformanceChecks() {
  return {{"every message arrives unchanged", EveryMessageArrivesUnchanged},
          {"many messages arrive", ManyMessagesArrive},
          {"big messages arrive", BigMessagesArrive},
          {"F-N09: another cluster is refused", AnotherClusterIsRefused},
          {"F-N10: another node at the address is refused", AnotherNodeAtTheAddressIsRefused},
          {"F-N10: another directory is refused", AnotherDirectoryIsRefused},
          {"F-N11: our own address is refused", OwnAddressIsRefused},
          {"a bootstrap server is reached", BootstrapServerIsReached},
          {"a crash is reported once and healed", CrashIsReportedOnceAndHealed},
          {"a peer that starts later is found", PeerThatStartsLaterIsFound},
          {"answers take the newest connection", AnswersTakeTheNewestConnection},
          {"a forgotten peer is left alone", ForgottenPeerIsLeftAlone},
          {"F-N15: a peer moves to another address", PeerMoves},
          {"unknown addressees are dropped", UnknownAddresseesAreDropped},
          {"misuse is survived", MisuseIsSurvived},
          {"F-H05: nothing is called after Stop", StopUnderTraffic}};
}

}  // namespace quorate::testing
