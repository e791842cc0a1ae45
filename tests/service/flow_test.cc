// Clients that don't keep to it: who don't read, send garbage, half-close, or go away.
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorate/v1/proposals.pb.h"
#include "service/proposal_cluster.h"
#include "service/proposal_link.h"
#include "support/catch.h"
#include "support/wait.h"
#include "transport/byte_stream.h"

namespace quorate::service_test {
namespace {

// A stream by hand: reads only when it is told to, writes whatever it is given.
class RawStream {
 public:
  explicit RawStream(const Endpoint& to)
      : executor_(ThreadExecutorFactory()->MakeSerial("raw")),
        client_(transport::NewGrpcByteStreamClient(executor_.get())) {
    client_->Open(to, service::kStreamMethod, absl::Seconds(5), [this](transport::ByteStream* stream) {
      handler_ = std::make_shared<Handler>();
      handler_->stream = stream;
      return handler_;
    });
  }

  void Write(const std::string& message) {
    Handler& h = *handler_;
    std::unique_lock<std::mutex> lock(h.mutex);
    h.changed.wait(lock, [&] { return !h.writing || h.ended; });
    if (h.ended) return;
    h.writing = true;
    lock.unlock();
    if (h.stream->Write(message)) return;
    lock.lock();
    h.writing = false;
  }
  // As often as it takes, from now on.
  void ReadOn() {
    Handler& h = *handler_;
    bool begin = false;
    {
      const std::lock_guard<std::mutex> lock(h.mutex);
      h.read_on = true;
      begin = std::exchange(h.waiting, false);
    }
    if (begin) h.stream->Read();
  }
  void Cancel() { handler_->stream->Cancel(); }
  int answers() {
    const std::lock_guard<std::mutex> lock(handler_->mutex);
    return handler_->answers;
  }
  bool ended() {
    const std::lock_guard<std::mutex> lock(handler_->mutex);
    return handler_->ended;
  }
  absl::Status End() {
    Handler& h = *handler_;
    std::unique_lock<std::mutex> lock(h.mutex);
    const bool came = h.changed.wait_for(lock, std::chrono::seconds(60), [&] { return h.ended; });
    return came ? h.status : absl::InternalError("the stream didn't end");
  }

 private:
  struct Handler final : transport::ByteStreamHandler {
    void OnMessage(absl::string_view message) override {
      v1::StreamResponse response;
      const bool parsed = response.ParseFromArray(message.data(), static_cast<int>(message.size()));
      bool more = false;
      {
        const std::lock_guard<std::mutex> lock(mutex);
        answers += parsed ? response.proposed_size() + response.answers_size() : -1'000'000;
        more = read_on;
        waiting = !more;
      }
      if (more) stream->Read();
    }
    void OnWritten(bool) override {
      const std::lock_guard<std::mutex> lock(mutex);
      writing = false;
      changed.notify_all();
    }
    void OnReadsEnded() override {}
    void OnEnd(const absl::Status& why) override {
      const std::lock_guard<std::mutex> lock(mutex);
      ended = true;
      status = why;
      changed.notify_all();
    }

    transport::ByteStream* stream = nullptr;
    std::mutex mutex;
    std::condition_variable changed;
    bool read_on = false;
    bool waiting = false;
    bool writing = false;
    bool ended = false;
    int answers = 0;
    absl::Status status;
  };

  std::unique_ptr<Executor> executor_;
  std::unique_ptr<transport::ByteStreamClient> client_;
  std::shared_ptr<Handler> handler_;
};

std::string Message(int count, const std::string& value) {
  v1::StreamRequest request;
  for (int i = 0; i < count; ++i) {
    v1::StreamProposal* proposal = request.add_proposals();
    proposal->set_id(static_cast<uint64_t>(i) + 1);
    proposal->add_records(value);
    proposal->set_timeout_ms(30'000);
  }
  return request.SerializeAsString();
}

TEST_CASE("F-N13: who doesn't read his answers isn't read, and gets them all when he does") {
  ProposalCluster cluster;
  const int leader = cluster.Leader();
  ProposalService* const service = cluster.member(leader).service.get();
  RawStream stream(cluster.endpoint(leader));
  // Each message is answered with 2 MiB; the first read is done for us, and no other. All together stay below the bound
  // at which a stream is cut.
  constexpr int kMessages = 14;
  constexpr int kEach = 64;
  const std::string message = Message(kEach, absl::StrCat("big ", 32 << 10));
  const auto paused = [&] { return service->counters().paused > 0; };
  for (int i = 0; i < 6; ++i) stream.Write(message);
  CHECK(testing::WaitUntil([&] { return paused() || service->counters().answered == 6 * kEach; }, absl::Seconds(60)));
  stream.Write(message);
  CHECK(testing::WaitUntil(paused, absl::Seconds(60)));
  CHECK(stream.answers() < 6 * kEach);
  stream.ReadOn();
  for (int i = 7; i < kMessages; ++i) stream.Write(message);
  CHECK(testing::WaitUntil([&] { return stream.answers() == kMessages * kEach || stream.ended(); }, absl::Seconds(60)));
  CHECK(stream.answers() == kMessages * kEach);
  CHECK(service->counters().cut == 0);
  // Others were served all the while.
  CHECK(ProposeAndWait(*cluster.Client(ProposalMode::kStream), "x").ok());
}

TEST_CASE("F-N13: a stream whose answers grow beyond all bounds is cut, and the node lives on") {
  ProposalCluster cluster;
  const int leader = cluster.Leader();
  ProposalService* const service = cluster.member(leader).service.get();
  RawStream stream(cluster.endpoint(leader));
  stream.Write(Message(48, absl::StrCat("big ", 1 << 20)));
  stream.Write(Message(48, absl::StrCat("big ", 1 << 20)));
  CHECK(testing::WaitUntil([&] { return service->counters().cut == 1; }, absl::Seconds(60)));
  CHECK(testing::WaitUntil([&] { return service->counters().live_streams == 0; }, absl::Seconds(60)));
  stream.ReadOn();
  const absl::Status end = stream.End();
  CHECK_FALSE(end.ok());
  CHECK(OutcomeOf(end) == Outcome::kUnknown);
  CHECK(ProposeAndWait(*cluster.Client(ProposalMode::kStream), "x").ok());
}

TEST_CASE("F-X05: garbage ends its own stream, and no other") {
  ProposalCluster cluster;
  const int leader = cluster.Leader();
  const auto client = cluster.Client(ProposalMode::kStream, {cluster.endpoint(leader)});
  REQUIRE(ProposeAndWait(*client, "x").ok());
  for (const std::string& garbage : {std::string("\x20\x01"), std::string(1000, '\xff'), std::string("\x0a\xff\x01")}) {
    RawStream stream(cluster.endpoint(leader));
    stream.Write(garbage);
    const absl::Status end = stream.End();
    CHECK(ReasonOf(end) == Reason::kInvalidArgument);
    CHECK(OutcomeOf(end) == Outcome::kUnknown);
  }
  RawStream too_many(cluster.endpoint(leader));
  too_many.Write(Message(limits::kProposalsPerMessageMax + 1, "x"));
  CHECK(ReasonOf(too_many.End()) == Reason::kTooLarge);
  auto rpc = NewGrpcRpcClient();
  for (const char* const method : {"/quorate.v1.Proposals/Propose", "/quorate.v1.Proposals/Read"}) {
    Answers<std::string> answers;
    rpc->Call(cluster.endpoint(leader), method, "\xff\xff", absl::Seconds(20), answers.Next());
    const auto all = answers.Wait();
    REQUIRE(all.size() == 1);
    CHECK(ReasonOf(all[0].status()) == Reason::kInvalidArgument);
  }
  CHECK(ProposeAndWait(*client, "x").ok());
  CHECK(client->counters().connects == 1);
}

TEST_CASE("A proposal without records is refused alone, among others in its message") {
  ProposalCluster cluster;
  RawStream stream(cluster.endpoint(cluster.Leader()));
  v1::StreamRequest request;
  for (int i = 0; i < 3; ++i) {
    v1::StreamProposal* proposal = request.add_proposals();
    proposal->set_id(static_cast<uint64_t>(i));
    if (i != 1) proposal->add_records(absl::StrCat("value ", i));
  }
  stream.ReadOn();
  stream.Write(request.SerializeAsString());
  CHECK(testing::WaitUntil([&] { return stream.answers() == 3; }, absl::Seconds(60)));
  Tally& tally = cluster.member(cluster.Leader()).tally;
  CHECK(tally.TimesApplied("value 0") == 1);
  CHECK(tally.TimesApplied("value 2") == 1);
}

TEST_CASE("A client that goes away leaves nothing behind but what it proposed") {
  ProposalCluster cluster;
  const int leader = cluster.Leader();
  ProposalService* const service = cluster.member(leader).service.get();
  {
    RawStream stream(cluster.endpoint(leader));
    stream.Write(Message(100, "gone"));
    CHECK(testing::WaitUntil([&] { return service->counters().proposals == 100; }, absl::Seconds(60)));
    stream.Cancel();
  }
  CHECK(testing::WaitUntil([&] { return service->counters().live_streams == 0; }, absl::Seconds(60)));
  CHECK(testing::WaitUntil([&] { return service->counters().answered == 100; }, absl::Seconds(60)));
}

}  // namespace
}  // namespace quorate::service_test
