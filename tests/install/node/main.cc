// A stranger's program: a whole node, configured as Kafka is, on an in-process network (so that no port is needed).
#include <cstdio>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "quorate/node.h"
#include "quorate/storage_adapters.h"
#include "quorate/system.h"

namespace {

int Fail(const char* what, const absl::Status& status) {
  std::fprintf(stderr, "%s: %s\n", what, status.ToString().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string path = argc > 1 ? argv[1] : "data";
  const std::string properties =
      "process.roles=broker,controller\nnode.id=1\nlog.dirs=" + path +
      "\nlisteners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\ncontroller.listener.names=CONTROLLER\n"
      "controller.quorum.bootstrap.servers=localhost:9093\n";
  std::vector<std::string> warnings;
  auto options = quorate::ParseServerProperties(properties, "server.properties", {}, &warnings);
  if (!options.ok()) return Fail("configuration", options.status());

  quorate::DirectoryIdentity identity;
  identity.cluster_id = quorate::ClusterId(quorate::Uuid(1, 1000));
  identity.node_id = options->id;
  identity.directory_id = quorate::DirectoryId(quorate::Uuid(1, 1001));
  identity.initial_voters = {{{options->id, identity.directory_id}, {{"CONTROLLER", "localhost", 9093}}}};
  absl::Status formatted = quorate::FormatDirectory(quorate::PosixFileSystem(), path, identity);
  if (!formatted.ok()) return Fail("format", formatted);

  auto wire = quorate::ThreadExecutorFactory()->MakeSerial("wire");
  auto network = quorate::InProcessNetwork::Create(wire.get(), quorate::SystemClock());
  quorate::NodeDependencies dependencies;
  dependencies.network = quorate::NewInProcessNodeNetwork(network.get());
  auto node = quorate::Node::Create(*options, std::move(dependencies));
  if (!node.ok()) return Fail("create", node.status());
  if (absl::Status started = (*node)->Start(); !started.ok()) return Fail("start", started);
  absl::Status running = (*node)->WaitUntilBrokerRunning(absl::Seconds(30));
  if (!running.ok()) return Fail("broker", running);

  std::promise<absl::Status> created;
  quorate::NewTopic topic;
  topic.name = "hello";
  topic.partitions = 3;
  topic.replication_factor = 1;
  (*node)->CreateTopics({topic}, false, absl::Seconds(10),
                        [&](absl::StatusOr<std::vector<quorate::TopicResult>> results) {
                          created.set_value(results.ok() ? results->front().status : results.status());
                        });
  absl::Status status = created.get_future().get();
  if (!status.ok()) return Fail("topic", status);
  const size_t partitions = (*node)->image()->partition_count();
  std::printf("%zu partitions\n", partitions);
  if (absl::Status stopped = (*node)->Shutdown(absl::Seconds(10)); !stopped.ok()) return Fail("shutdown", stopped);
  return partitions == 3 ? 0 : 1;
}
