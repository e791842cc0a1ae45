// Kills a controller and measures how long the others need to acknowledge a write without it.
//
//   failover_probe PID TOPIC HOST:PORT...      PID: the active controller; HOST:PORT: brokers that stay alive
//
// The clock starts right before kill(2) with SIGKILL, and stops when the creation of TOPIC was acknowledged: by a
// new leader, after it was elected, after a majority has the records on disk. The connection is made before, so
// that this measures the cluster and not the set-up of a client. Prints one line for run.sh: "MILLISECONDS LEADER
// EPOCH".
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "quorate/admin_client.h"
#include "quorate/status.h"
#include "quorate/system.h"

namespace {

constexpr int16_t kTopicAlreadyExists = 36;
constexpr absl::Duration kPatience = absl::Seconds(30);

int Fail(const std::string& message) {
  std::fprintf(stderr, "error: %s\n", message.c_str());
  return 1;
}

bool ParseAddress(const std::string& text, quorate::Endpoint* endpoint) {
  const size_t colon = text.rfind(':');
  int port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(text.substr(colon + 1), &port) || port < 1 || port > 65535) {
    return false;
  }
  *endpoint = {"", text.substr(0, colon), static_cast<uint16_t>(port)};
  return true;
}

// A write that was on its way to the leader when that died may or may not take effect, and says so. Sent again, it
// either succeeds or finds itself there: nobody else creates a topic of this name. Both are an acknowledgement.
absl::Status CreateUntilAcknowledged(quorate::AdminClient& admin, const std::string& topic, quorate::Clock* clock,
                                     quorate::Instant deadline) {
  while (true) {
    // Three replicas: a single one might be placed on the broker that was just killed and isn't fenced yet.
    auto results = admin.CreateTopics({{.name = topic, .partitions = 1, .replication_factor = 3, .assignments = {}}},
                                      /*validate_only=*/false);
    absl::Status status = results.ok() ? results->front().status : results.status();
    if (status.ok() || quorate::KafkaErrorOf(status) == kTopicAlreadyExists) return absl::OkStatus();
    const bool unsure = quorate::OutcomeOf(status) == quorate::Outcome::kUnknown;
    if ((!unsure && !quorate::IsRetriable(status)) || clock->Now() >= deadline) return status;
  }
}

}  // namespace

int main(int argc, char** argv) {
  int pid = 0;
  if (argc < 4 || !absl::SimpleAtoi(argv[1], &pid) || pid < 2)
    return Fail("usage: failover_probe PID TOPIC HOST:PORT...");
  quorate::AdminClientOptions options;
  for (int i = 3; i < argc; ++i) {
    quorate::Endpoint endpoint;
    if (!ParseAddress(argv[i], &endpoint)) return Fail(std::string(argv[i]) + " isn't HOST:PORT");
    options.servers.push_back(std::move(endpoint));
  }
  auto admin = quorate::AdminClient::Create(std::move(options));
  if (!admin.ok()) return Fail(std::string(admin.status().message()));
  auto before = (*admin)->DescribeQuorum();
  if (!before.ok()) return Fail("before the kill: " + std::string(before.status().message()));

  quorate::Clock* clock = quorate::SystemClock();
  const quorate::Instant killed = clock->Now();
  if (::kill(pid, SIGKILL) != 0) return Fail("process " + std::to_string(pid) + " can't be killed");
  const absl::Status written = CreateUntilAcknowledged(**admin, argv[2], clock, killed + kPatience);
  const absl::Duration took = clock->Now() - killed;
  if (!written.ok()) return Fail("no write was acknowledged: " + std::string(written.message()));
  auto after = (*admin)->DescribeQuorum();
  if (!after.ok()) return Fail("after the kill: " + std::string(after.status().message()));
  if (after->epoch <= before->epoch) return Fail("the epoch didn't change: another process than the leader was killed");
  std::printf("%.1f %d %d\n", absl::ToDoubleMilliseconds(took), after->leader.value(), after->epoch.value());
  return 0;
}
