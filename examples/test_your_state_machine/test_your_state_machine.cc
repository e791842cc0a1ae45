// Does your state machine survive in a quorum? Replicated, it must be a function of the records alone: the same
// records, the same state and the same answers, on every member, in every life of it, and also when it was loaded from
// a snapshot half-way. Whether that is so shows when members crash, lag and are overtaken - seldom, at night, in
// production. Here it shows at once: quorate's simulator runs whole members on one thread, under virtual time, and does
// to them what can be done. What it finds, it makes small, and it finds the same again on every machine.
//
// Below is a service that grants seats, with a bug that reviews miss. Run it: the simulator finds the bug within a few
// seeds and prints what you would look at. Then the same service without the bug, which holds.
#include <cstdio>
#include <map>
#include <memory>
#include <set>
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
    call.record = (random->Below(3) == 0 ? "-" : "+") + name;
    call.query = name;
    return call;
  }
  // A linearizable read, from the state as it is.
  std::string Answer(q::StateMachine* machine, const q::testing::WorkloadCall& call) override {
    return std::to_string(static_cast<Seats*>(machine)->SeatOf(call.query));
  }
};

q::testing::SimulationResult Try(bool with_bug, uint64_t seeds) {
  q::testing::SimulationOptions options;
  options.seeds = seeds;
  options.duration_max = absl::Seconds(10);  // of virtual time, in each run
  return q::testing::RunSimulation(
      options, [with_bug](const q::testing::SimulatedProcess&) { return std::make_unique<Seats>(with_bug); },
      [] { return std::make_unique<Guests>(); });
}

int main() {
  std::printf("The service as it was reviewed:\n\n");
  const q::testing::SimulationResult found = Try(/*with_bug=*/true, 100);
  if (found.ok()) return std::printf("the planted bug was not found\n"), 1;
  std::printf("%s\n", found.failure->report.c_str());

  std::printf("The service with the field in its snapshot:\n\n");
  const q::testing::SimulationResult fixed = Try(/*with_bug=*/false, 20);
  if (!fixed.ok()) return std::printf("%s\n", fixed.failure->report.c_str()), 1;
  std::printf("%llu runs held: %.0f minutes of virtual time, %llu faults, %llu calls that clients made with success\n",
              static_cast<unsigned long long>(fixed.seeds), absl::ToDoubleMinutes(fixed.simulated),
              static_cast<unsigned long long>(fixed.faults), static_cast<unsigned long long>(fixed.calls));
}
