// Does your state machine survive in a quorum? Replicated, it must be a function of the records alone: the same
// records, the same state and the same answers, on every member, in every life of it, and also when it was loaded from
// a snapshot half-way. Whether that is so shows when members crash, lag and are overtaken - seldom, at night, in
// production. Here it shows at once: quorate's simulator runs whole members on one thread, under virtual time, and does
// to them what can be done. What it finds, it makes small, and it finds the same again on every machine.
//
// Below is a service that grants seats, with a bug that reviews miss.
//
//   test_your_state_machine                      finds it within a few seeds, says what happened and what it takes,
//                                                and keeps that as failed.plan
//   test_your_state_machine --replay FILE        the same again, with every message and log line
//   test_your_state_machine --fixed              the service without the bug holds
//   test_your_state_machine --fixed --replay FILE      also where the other one failed: a regression test
//
// As a test of yours it would be the third, in some seconds, and the last, with each plan that ever failed.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>

#include "quorate/state_machine.h"
#include "quorate/testing/simulator.h"

namespace q = quorate;

// Grants seats to guests, one after the other; a guest who leaves gives the seat back, and it is granted again last.
class Seats : public q::StateMachine {
 public:
  explicit Seats(bool with_bug) : with_bug_(with_bug) {}

  // Records are "+name" and "-name"; the answer is the seat.
  absl::Status Apply(absl::Span<const q::CommittedRecord> records) override {
    for (const q::CommittedRecord& record : records) {
      const std::string name(record.data.substr(1));
      std::string answer = "none";
      if (record.data[0] == '+') {
        if (!seat_of_.contains(name)) seat_of_[name] = ++last_seat_;
        answer = std::to_string(seat_of_[name]);
      } else if (auto guest = seat_of_.find(name); guest != seat_of_.end()) {
        answer = std::to_string(guest->second);
        seat_of_.erase(guest);
      }
      if (record.result != nullptr) *record.result = answer;
    }
    return absl::OkStatus();
  }

  // A snapshot: the guests and their seats. The bug is what is missing: the number of the last seat that was granted. A
  // member that is loaded from this grants a seat that somebody already left - and the others don't.
  absl::StatusOr<std::unique_ptr<q::SnapshotSource>> CaptureSnapshot() override {
    std::map<std::string, int> all = seat_of_;
    if (!with_bug_) all[""] = last_seat_;
    return std::make_unique<Source>(std::move(all));
  }

  absl::Status LoadSnapshot(q::SnapshotRecords& records, q::LogPosition) override {
    seat_of_.clear();
    last_seat_ = 0;
    while (true) {
      auto next = records.Next();
      if (!next.ok()) return next.status();
      if (!next->has_value()) break;
      const std::string record(**next);
      const size_t space = record.find(' ');
      seat_of_[record.substr(space + 1)] = std::stoi(record.substr(0, space));
    }
    for (const auto& [name, seat] : seat_of_) last_seat_ = std::max(last_seat_, seat);
    seat_of_.erase("");
    return absl::OkStatus();
  }

  int SeatOf(const std::string& name) const { return seat_of_.contains(name) ? seat_of_.at(name) : 0; }

 private:
  // Hands out a copy, record by record, while the state machine goes on. A large state would share structure instead.
  struct Source : q::SnapshotSource {
    explicit Source(std::map<std::string, int> seats) : seats(std::move(seats)), at(this->seats.begin()) {}
    absl::StatusOr<std::optional<std::string>> Next() override {
      if (at == seats.end()) return std::nullopt;
      std::string record = std::to_string(at->second) + " " + at->first;
      ++at;
      return std::optional<std::string>(std::move(record));
    }
    std::map<std::string, int> seats;
    std::map<std::string, int>::iterator at;
  };

  const bool with_bug_;
  std::map<std::string, int> seat_of_;
  int last_seat_ = 0;
};

// What clients do: guests come, guests go, and somebody asks where a guest sits.
class Guests : public q::testing::Workload {
 public:
  q::testing::WorkloadCall Next(int, uint64_t, q::Random* random) override {
    q::testing::WorkloadCall call;
    const std::string name = "guest" + std::to_string(random->Below(6));
    call.read = random->Below(4) == 0;
    call.query = name;
    call.record = (random->Below(3) == 0 ? "-" : "+") + name;
    return call;
  }
  // From the state as it is; that it is new enough for the read, the quorum sees to.
  std::string Answer(q::StateMachine* machine, const q::testing::WorkloadCall& call) override {
    return std::to_string(static_cast<Seats*>(machine)->SeatOf(call.query));
  }
};

// Says what came of it; the exit code.
int Report(const q::testing::SimulationResult& result) {
  if (result.ok()) {
    std::printf(
        "%llu runs held: %.1f minutes of virtual time, %llu faults, %llu calls that clients made with success\n",
        static_cast<unsigned long long>(result.seeds), absl::ToDoubleMinutes(result.simulated),
        static_cast<unsigned long long>(result.faults), static_cast<unsigned long long>(result.calls));
    return 0;
  }
  std::printf("%s", result.failure->report.c_str());
  return 1;
}

int main(int argc, char** argv) {
  bool with_bug = true;
  const char* replay = nullptr;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--fixed") == 0) {
      with_bug = false;
    } else if (std::strcmp(argv[i], "--replay") == 0 && i + 1 < argc) {
      replay = argv[++i];
    } else {
      std::fprintf(stderr, "usage: %s [--fixed] [--replay FILE]\n", argv[0]);
      return 2;
    }
  }
  const auto machine = [with_bug](const q::testing::SimulatedProcess&) { return std::make_unique<Seats>(with_bug); };
  const auto workload = [] { return std::make_unique<Guests>(); };
  q::testing::SimulationOptions options;

  if (replay != nullptr) {
    std::ifstream file(replay);
    const std::string plan{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (plan.empty()) return std::fprintf(stderr, "%s can't be read, or is empty\n", replay), 2;
    options.trace = [](absl::string_view line) { std::printf("%.*s\n", static_cast<int>(line.size()), line.data()); };
    return Report(q::testing::ReplaySimulation(options, plan, machine, workload));
  }
  options.seeds = 40;
  options.duration_max = absl::Seconds(10);  // of virtual time, in each run
  const q::testing::SimulationResult result = q::testing::RunSimulation(options, machine, workload);
  if (!result.ok()) {
    std::ofstream("failed.plan") << result.failure->plan;
    std::printf("It is kept as failed.plan; once more, with everything that happens: %s --replay failed.plan\n\n",
                argv[0]);
  }
  return Report(result);
}
