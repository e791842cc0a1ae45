#include "compare/failover.h"

#include <signal.h>

#include <algorithm>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "quorate/system.h"

namespace quorate::compare {
namespace {

constexpr absl::Duration kPace = absl::Microseconds(250);   // between two attempts on one node
constexpr absl::Duration kRedial = absl::Milliseconds(1);   // after a connection that broke or wasn't accepted
constexpr absl::Duration kSilence = absl::Milliseconds(5);  // after an attempt that isn't answered
constexpr absl::Duration kFailoverMax = absl::Seconds(60);
constexpr absl::Duration kWholeMax = absl::Seconds(90);
constexpr absl::Duration kSettle = absl::Milliseconds(500);  // between whole and the fault: it hits a steady cluster

class Prober final : public PutSink {
 public:
  Prober(PutClient& client, std::string name) : client_(client), name_(std::move(name)), lanes_(Lanes(client)) {}

  // The moment of the first acknowledgement.
  absl::StatusOr<Instant> Run(Instant until) {
    while (first_ == Instant()) {
      const Instant now = SystemClock()->Now();
      if (now >= until) return absl::DeadlineExceededError("no write was acknowledged");
      Instant next = now + absl::Milliseconds(10);
      for (size_t i = 0; i < lanes_.size(); ++i) {
        if (lanes_[i].next <= now) Try(i, now);
        next = std::min(next, lanes_[i].next);
      }
      client_.Poll(next - now, this);
    }
    return first_;
  }

  void Done(uint64_t token, PutEnd end) override {
    const Instant now = SystemClock()->Now();
    Lane& lane = lanes_[token % lanes_.size()];
    if (end == PutEnd::kAcknowledged && first_ == Instant()) first_ = now;
    if (token != lane.newest) return;
    lane.next = std::max(lane.tried + kPace, end == PutEnd::kLost ? now + kRedial : now);
  }

 private:
  struct Lane {
    uint64_t newest = 0;
    Instant tried;
    Instant next;  // the next attempt
  };

  static std::vector<Lane> Lanes(const PutClient& client) {
    return std::vector<Lane>(static_cast<size_t>(client.lanes()));
  }

  void Try(size_t lane, Instant now) {
    lanes_[lane].newest = ++attempts_ * lanes_.size() + lane;
    lanes_[lane].tried = now;
    lanes_[lane].next = now + kSilence;
    client_.Create(lanes_[lane].newest, absl::StrCat(name_, "-", attempts_), "probe");
  }

  PutClient& client_;
  const std::string name_;
  std::vector<Lane> lanes_;
  uint64_t attempts_ = 0;
  Instant first_;
};

// Has the connections made, and the paths warm, before it counts.
class Warmer final : public PutSink {
 public:
  static void Warm(PutClient& client, const std::string& name) {
    Warmer warmer;
    for (int lane = 0; lane < client.lanes(); ++lane) {
      client.Create(static_cast<uint64_t>(lane), absl::StrCat(name, "-warm-", lane), "warm");
    }
    const Instant until = SystemClock()->Now() + absl::Seconds(5);
    while (warmer.done_ < client.lanes() && SystemClock()->Now() < until) {
      client.Poll(absl::Milliseconds(10), &warmer);
    }
  }
  void Done(uint64_t, PutEnd) override { ++done_; }

 private:
  int done_ = 0;
};

std::vector<int> OthersThan(int node) {
  std::vector<int> others;
  for (int other = 0; other < kNodes; ++other) {
    if (other != node) others.push_back(other);
  }
  return others;
}

}  // namespace

absl::StatusOr<absl::Duration> TimeToFirstWrite(PutClient& client, const std::string& name, absl::Duration limit,
                                                absl::FunctionRef<absl::Status()> disturb) {
  Prober prober(client, name);
  const Instant began = SystemClock()->Now();
  if (absl::Status status = disturb(); !status.ok()) return status;
  const absl::StatusOr<Instant> first = prober.Run(began + limit);
  if (!first.ok())
    return absl::DeadlineExceededError(absl::StrCat("no write was acknowledged within ", absl::FormatDuration(limit)));
  return *first - began;
}

absl::StatusOr<absl::Duration> RunFailover(System& system, Fault fault, const std::string& name) {
  const absl::StatusOr<int> leader = system.WaitUntilWhole(kWholeMax);
  if (!leader.ok()) return leader.status();
  std::this_thread::sleep_for(absl::ToChronoMilliseconds(kSettle));
  const std::unique_ptr<PutClient> client = system.Connect(OthersThan(*leader), 1);
  Warmer::Warm(*client, name);
  const absl::StatusOr<absl::Duration> took = TimeToFirstWrite(*client, name, kFailoverMax, [&] {
    system.Signal(*leader, fault == Fault::kKill ? SIGKILL : SIGSTOP);
    return absl::OkStatus();
  });
  if (fault == Fault::kKill) {
    system.Kill(*leader);
    if (absl::Status status = system.Start(*leader); !status.ok()) return status;
  } else {
    system.Signal(*leader, SIGCONT);
  }
  if (!took.ok()) return absl::DeadlineExceededError(absl::StrCat(took.status().message(), ". ", system.LastWords()));
  const absl::StatusOr<int> whole = system.WaitUntilWhole(kWholeMax);
  return whole.ok() ? took : absl::StatusOr<absl::Duration>(whole.status());
}

absl::StatusOr<TransferResult> RunTransfer(System& system, const std::string& name) {
  const absl::StatusOr<int> leader = system.WaitUntilWhole(kWholeMax);
  if (!leader.ok()) return leader.status();
  const int target = (*leader + 1) % kNodes;
  const std::unique_ptr<PutClient> client = system.Connect({target}, 1);
  Warmer::Warm(*client, name);
  client->CountOnlyLaterLeaders();
  TransferResult result;
  absl::Status called;
  std::thread call;
  const absl::StatusOr<absl::Duration> took = TimeToFirstWrite(*client, name, kFailoverMax, [&] {
    call = std::thread([&] {
      const Instant began = SystemClock()->Now();
      called = system.Transfer(*leader, target);
      result.call = SystemClock()->Now() - began;
    });
    return absl::OkStatus();
  });
  call.join();
  if (!called.ok()) return called;
  if (!took.ok()) return took.status();
  result.first_write = *took;
  return result;
}

absl::StatusOr<absl::Duration> RunStart(System& system, const std::string& name) {
  const std::unique_ptr<PutClient> client = system.Connect({0, 1, 2}, 1);
  absl::StatusOr<absl::Duration> took =
      TimeToFirstWrite(*client, name, absl::Seconds(120), [&] { return system.StartAll(); });
  if (!took.ok()) return absl::DeadlineExceededError(absl::StrCat(took.status().message(), ". ", system.LastWords()));
  return took;
}

}  // namespace quorate::compare
