#include "member.h"

#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "host/client.h"
#include "host/host.h"
#include "process_load.h"

namespace quorate::bench {
namespace {

// Behind those of the register host. Its argument is a LoadSpec, its answer a LoadResult, both as JSON.
constexpr auto kRunLoad = static_cast<host::Operation>(200);
constexpr size_t kCommandHeaderBytes = 4;

class LoadHandler final : public host::RequestHandler {
 public:
  explicit LoadHandler(host::Host* host) : host_(host) {}
  ~LoadHandler() override {
    for (std::thread& thread : threads_) thread.join();
  }

  void Handle(absl::string_view command, host::Reply reply) override {
    if (command.size() < kCommandHeaderBytes || static_cast<host::Operation>(command.front()) != kRunLoad) {
      return host_->service()->Handle(command, std::move(reply));
    }
    absl::StatusOr<LoadSpec> spec = LoadSpec::FromJson(command.substr(kCommandHeaderBytes));
    if (!spec.ok()) return reply.Answer(host::EncodeOutcome(host::Result::kRejected, spec.status().message()));
    threads_.emplace_back([node = host_->node(), spec = *std::move(spec), reply = std::move(reply)] {
      reply.Answer(host::EncodeOutcome(host::Result::kOk, RunProcessLoad(spec, node).ToJson()));
    });
  }

 private:
  host::Host* const host_;
  std::vector<std::thread> threads_;  // the server thread's
};

}  // namespace

int RunMember(int argc, char** argv) {
  int exit_code = 0;
  const auto options = host::ParseOptions(argc, argv, &exit_code);
  if (!options) return exit_code;
  return host::RunHost(*options, [](host::Host* host) { return std::make_unique<LoadHandler>(host); });
}

absl::StatusOr<LoadResult> RunLoadInMember(const LoadSpec& spec, int port) {
  const std::unique_ptr<host::Client> client = host::Client::Connect(port);
  if (client == nullptr) return absl::UnavailableError("the leader doesn't accept connections");
  const std::string json = spec.ToJson();
  host::Command command;
  command.operation = kRunLoad;
  command.argument = json;
  const absl::Duration limit = absl::Seconds(spec.warm_up + spec.seconds) + absl::Seconds(30);
  const std::optional<host::Answer> answer = client->Call(command, limit);
  if (!answer) return absl::UnavailableError("the leader did not say what came of the load; its log says why");
  if (answer->result != host::Result::kOk) return absl::InternalError(answer->payload);
  return LoadResult::FromJson(answer->payload);
}

}  // namespace quorate::bench
