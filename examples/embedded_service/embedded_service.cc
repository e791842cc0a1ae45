// A service with a main() of its own that carries its cluster inside: controller and broker in one object.
//
// The service sends e-mail. Its work is split into the partitions of the topic email.send, and each instance works
// on those partitions that it leads. Which those are, the cluster's metadata says: a publisher is told of every
// change, and starts and stops workers accordingly. No coordination service beside it, no polling, no lock held on a
// remote machine: when an instance dies, the controller moves its partitions, and the others are told.
//
//   embedded_service [DIRECTORY [PORT]]     data in DIRECTORY, broker on PORT, controller on PORT + 1
//
// Here one instance is a cluster of one; more of them are the same code with other ids, and with the others'
// controllers in bootstrap_servers (examples/three_node_cluster shows three, as processes).
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "quorate/node.h"
#include "quorate/status.h"
#include "quorate/storage_adapters.h"
#include "quorate/system.h"

namespace {

constexpr char kTopic[] = "email.send";
constexpr int32_t kPartitions = 12;
constexpr quorate::NodeId kSelf{1};

// Keeps one worker for each partition of the topic that this broker leads.
class Dispatcher : public quorate::MetadataPublisher {
 public:
  // On the node's apply thread, in the order of the log. It may take its time; images in between are skipped.
  void OnMetadata(const quorate::MetadataImagePtr& image, const quorate::MetadataDelta& delta) override {
    (void)delta;  // with millions of partitions one would look only at those that it names
    std::set<int32_t> ours;
    if (auto topic = image->FindTopic(kTopic)) {
      image->ForEachLedBy(kSelf, [&](const quorate::PartitionId& id, const quorate::PartitionInfo&) {
        if (id.topic == topic->id) ours.insert(id.partition);
        return true;
      });
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    for (int32_t partition : ours) {
      if (!working_on_.contains(partition)) std::printf("  start a worker for partition %d\n", partition);
    }
    for (int32_t partition : working_on_) {
      if (!ours.contains(partition)) std::printf("  stop the worker of partition %d\n", partition);
    }
    working_on_ = std::move(ours);
    changed_.notify_all();
  }

  // Waits until `count` partitions are worked on; returns how many are.
  size_t WaitFor(size_t count, absl::Duration timeout) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, absl::ToChronoNanoseconds(timeout), [&] { return working_on_.size() >= count; });
    return working_on_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;  // working_on_
  std::set<int32_t> working_on_;     // guarded by mutex_
};

quorate::NodeOptions Configure(const std::string& directory, uint16_t port) {
  quorate::NodeOptions options;  // the names of Kafka's server.properties are in the comments of the struct
  options.id = kSelf;
  options.is_broker = options.is_controller = true;
  options.listeners = {{"PLAINTEXT", "localhost", port}, {"CONTROLLER", "localhost", static_cast<uint16_t>(port + 1)}};
  options.controller_listener_names = {"CONTROLLER"};
  options.bootstrap_servers = {{"CONTROLLER", "localhost", static_cast<uint16_t>(port + 1)}};
  options.log_dirs = {directory};
  return options;
}

// A data directory gets its identity once, before its first start; what `quorate storage format` does for servers.
absl::Status FormatIfNew(const quorate::NodeOptions& options) {
  quorate::FileSystem* files = quorate::PosixFileSystem();
  auto identity = quorate::ReadDirectoryIdentity(files, options.metadata_dir());
  if (!identity.ok()) return identity.status();
  if (identity->has_value()) return absl::OkStatus();
  quorate::Random* random = quorate::SystemRandom();
  quorate::DirectoryIdentity fresh;
  fresh.cluster_id = quorate::ClusterId(quorate::Uuid(random->Next(), random->Next()));
  fresh.node_id = options.id;
  fresh.directory_id = quorate::DirectoryId(quorate::Uuid(random->Next(), random->Next()));
  // The quorum starts with this voter alone; others can be added while it runs.
  fresh.initial_voters = {{{options.id, fresh.directory_id}, {options.listeners[1]}}};
  return quorate::FormatDirectory(files, options.metadata_dir(), fresh);
}

// Asks for the topic, and says whether it is new. Whichever node is asked finds the active controller.
absl::Status EnsureTopic(quorate::Node& node) {
  constexpr int16_t kTopicAlreadyExists = 36;
  std::promise<absl::Status> answer;
  node.CreateTopics({{.name = kTopic, .partitions = kPartitions, .replication_factor = 1, .assignments = {}}},
                    /*validate_only=*/false, absl::Seconds(10),
                    [&](absl::StatusOr<std::vector<quorate::TopicResult>> results) {
                      answer.set_value(results.ok() ? results->front().status : results.status());
                    });
  const absl::Status status = answer.get_future().get();
  const bool existed = quorate::KafkaErrorOf(status) == kTopicAlreadyExists;
  if (status.ok() || existed) std::printf("%s %s\n", existed ? "found" : "created", kTopic);
  return existed ? absl::OkStatus() : status;
}

absl::Status RunService(const std::string& directory, uint16_t port) {
  const quorate::NodeOptions options = Configure(directory, port);
  if (absl::Status formatted = FormatIfNew(options); !formatted.ok()) return formatted;
  auto node = quorate::Node::Create(options, {});
  if (!node.ok()) return node.status();
  auto dispatcher = std::make_shared<Dispatcher>();
  (*node)->AddPublisher(dispatcher);
  if (absl::Status started = (*node)->Start(); !started.ok()) return started;
  if (absl::Status running = (*node)->WaitUntilBrokerRunning(absl::Seconds(30)); !running.ok()) return running;
  std::printf("broker %d is in service, cluster %s\n", kSelf.value(), (*node)->status().cluster_id.ToString().c_str());
  if (absl::Status topic = EnsureTopic(**node); !topic.ok()) return topic;
  const size_t working = dispatcher->WaitFor(kPartitions, absl::Seconds(10));
  std::printf("working on %zu of %d partitions\n", working, kPartitions);
  // A real service would serve here until it is told to stop.
  return (*node)->Shutdown(absl::Seconds(10));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string directory = argc > 1 ? argv[1] : "embedded_service.data";
  const int port = argc > 2 ? std::atoi(argv[2]) : 9192;
  if (port < 1 || port > 65534) {
    std::fprintf(stderr, "error: port '%s': 1 to 65534 is allowed\n", argv[2]);
    return 1;
  }
  absl::Status status = RunService(directory, static_cast<uint16_t>(port));
  if (status.ok()) return 0;
  std::fprintf(stderr, "error: %s\n", std::string(status.message()).c_str());
  return 1;
}
