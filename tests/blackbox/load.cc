#include "blackbox/load.h"

#include <chrono>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/xoshiro.h"
#include "quorate/system.h"
#include "support/catch.h"
#include "support/wait.h"

namespace quorate::blackbox {
namespace {

constexpr uint64_t kKeysAtATime = 8;
constexpr absl::Duration kPatience = absl::Seconds(30);

}  // namespace

// One client: where it is connected, what it does next.
class Load::Worker {
 public:
  Worker(const Load& load, int index)
      : load_(load),
        random_(load.options_.seed * 1000 + static_cast<uint64_t>(index)),
        name_(absl::StrCat("c", index)) {}

  // False: it is no use to try again at once.
  bool Call(uint64_t generation) {
    Choose(generation);
    const int node = WhereTo();
    std::unique_ptr<Client>& client = clients_[node];
    if (client == nullptr || client->broken())
      client = Client::Connect(load_.options_.ports[static_cast<size_t>(node)]);
    if (client == nullptr) {
      leader_ = -1;
      return false;
    }
    const Instant called = SystemClock()->Now();
    const std::optional<Answer> answer = client->Call(command_, load_.options_.call_limit);
    load_.history_->Record(command_, called, SystemClock()->Now(), answer ? &*answer : nullptr);
    if (answer) {
      Learn(node, *answer);
      return answer->result == Result::kOk || (leader_ >= 0 && leader_ != node);
    }
    // A late answer is no longer of use, and what follows shall not wait behind it.
    client.reset();
    leader_ = -1;
    return true;
  }

 private:
  void Learn(int node, const Answer& answer) {
    const bool wrote = command_.operation >= Operation::kWrite && command_.operation <= Operation::kAdd;
    if (answer.result == Result::kOk) {
      if (wrote) leader_ = node;
      if (command_.operation == Operation::kRead) last_read_[key_] = answer.payload;
      return;
    }
    const int hint = answer.leader().value() - 1;
    const bool known = hint >= 0 && hint < static_cast<int>(load_.options_.ports.size());
    if (wrote || hint != node) leader_ = known ? hint : -1;
  }

  // Writes go to the leader, as far as it is known; reads to anybody.
  int WhereTo() {
    const bool read = command_.operation == Operation::kRead || command_.operation == Operation::kReadStale;
    if (leader_ >= 0 && !(read && random_.Below(2) == 0)) return leader_;
    return static_cast<int>(random_.Below(load_.options_.ports.size()));
  }

  void Choose(uint64_t generation) {
    const bool looks_back = random_.Below(20) == 0;
    if (looks_back) generation = random_.Below(generation + 1);
    const uint64_t kind = random_.Below(kKeysAtATime);
    key_ = absl::StrCat(load_.options_.keys, generation, "-", kind);
    command_ = Command();
    command_.key = key_;
    const uint64_t dice = random_.Below(10);
    if (looks_back || dice < 3) return;  // a read
    if (dice == 3) {
      command_.operation = Operation::kReadStale;
      return;
    }
    argument_ = absl::StrCat(name_, ".", ++written_);
    switch (kind % 4) {
      case 0:
        command_.operation = Operation::kAdd;
        // So large that a sum tells what is in it.
        argument_ = absl::StrCat(1 + random_.Below(1'000'000'000));
        break;
      case 1:
        command_.operation = Operation::kAppend;
        // Of all lengths, so that the length of the value tells what is in it, too.
        argument_.append(random_.Below(128), '_');
        argument_ += ";";
        break;
      default:
        if (argument_.size() < load_.options_.value_bytes) argument_.resize(load_.options_.value_bytes, '_');
        command_.operation = dice < 7 ? Operation::kWrite : Operation::kCompareSet;
        if (dice >= 7) {
          expected_ = last_read_[key_];
          command_.expected = expected_;
        }
    }
    command_.argument = argument_;
  }

  const Load& load_;
  Xoshiro random_;
  const std::string name_;
  uint64_t written_ = 0;
  int leader_ = -1;  // an index into the ports
  std::map<int, std::unique_ptr<Client>> clients_;
  std::map<std::string, std::string> last_read_;
  Command command_;
  std::string key_, expected_, argument_;  // what command_ points into
};

Load::Load(LoadOptions options, History* history) : options_(std::move(options)), history_(history) {
  for (int i = 0; i < options_.clients; ++i) {
    threads_.emplace_back([this, i] { Run(i); });
  }
}

Load::~Load() { Stop(); }

void Load::Stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Load::Run(int index) {
  Worker worker(*this, index);
  while (!stopping_) {
    ++calls_;
    if (!worker.Call(history_->calls() / options_.calls_per_generation) && !WaitABit()) return;
  }
}

// So that clients whom nobody answers don't take the processor from those who could.
bool Load::WaitABit() {
  std::unique_lock<std::mutex> lock(mutex_);
  return !stop_.wait_for(lock, std::chrono::milliseconds(3), [this] { return stopping_.load(); });
}

void Load::RequireProgress(uint64_t count) {
  const uint64_t goal = history_->acknowledged() + count;
  const bool reached = testing::WaitUntil([&] { return history_->acknowledged() >= goal; }, kPatience);
  INFO("the clients make no progress");
  REQUIRE(reached);
}

void Load::LetPass(uint64_t count, absl::Duration limit) {
  const uint64_t goal = calls_ + count;
  testing::WaitUntil([&] { return calls_ >= goal; }, limit);
}

}  // namespace quorate::blackbox
