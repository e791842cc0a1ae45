// The part of quorate/testing/storage_conformance.h that is about the election state.

#include <algorithm>
#include <mutex>
#include <optional>

#include "quorate/status.h"
#include "quorate/testing/storage_conformance.h"
#include "testing/conformance_support.h"

namespace quorate::testing {
namespace {

constexpr DirectoryId kSomeDirectory(Uuid(0x1234, 0x5678));

ElectionState MakeState(int i) {
  ElectionState state;
  state.epoch = Epoch(i);
  state.voted_for = i % 3 == 0 ? ReplicaKey{} : ReplicaKey{NodeId(i), i % 3 == 1 ? kSomeDirectory : DirectoryId()};
  state.leader = i % 2 == 0 ? kNoNode : NodeId(i);
  return state;
}

absl::Status Store(ElectionStateFixture& fixture, ElectionStateStore& store, const ElectionState& state) {
  Waiter<absl::Status> waiter;
  store.Store(state, waiter.Done());
  fixture.RunUntil([&] { return waiter.done(); });
  return waiter.result();
}

absl::Status StartsEmpty(ElectionStateFixture& fixture) {
  std::unique_ptr<ElectionStateStore> store = fixture.Make();
  absl::StatusOr<std::optional<ElectionState>> state = store->Load();
  QUORATE_EXPECT_OK(state.status());
  QUORATE_EXPECT(!state->has_value(), "nobody has voted yet");
  return absl::OkStatus();
}

absl::Status KeepsTheLatest(ElectionStateFixture& fixture) {
  std::unique_ptr<ElectionStateStore> store = fixture.Make();
  QUORATE_EXPECT_OK(store->Load().status());
  for (int i = 0; i < 12; ++i) {
    QUORATE_EXPECT_OK(Store(fixture, *store, MakeState(i)));
    if (!fixture.survives_restart()) continue;
    store.reset();
    store = fixture.Make();
    absl::StatusOr<std::optional<ElectionState>> state = store->Load();
    QUORATE_EXPECT_OK(state.status());
    QUORATE_EXPECT(state->has_value() && **state == MakeState(i), "state ", i);
  }
  return absl::OkStatus();
}

absl::Status StoresInOrder(ElectionStateFixture& fixture) {
  std::unique_ptr<ElectionStateStore> store = fixture.Make();
  QUORATE_EXPECT_OK(store->Load().status());
  std::mutex callers;
  std::vector<int> order;
  std::string problem;
  constexpr int kCalls = 40;
  {
    std::lock_guard<std::mutex> lock(callers);
    for (int i = 0; i < kCalls; ++i) {
      store->Store(MakeState(i), [&, i](const absl::Status& status) {
        std::lock_guard<std::mutex> inner(callers);  // hangs if it runs inside the call
        order.push_back(i);
        if (!status.ok()) problem = status.ToString();
      });
    }
    QUORATE_EXPECT(order.empty(), "a callback ran inside the call");
  }
  fixture.RunUntil([&] {
    std::lock_guard<std::mutex> lock(callers);
    return order.size() == kCalls;
  });
  std::lock_guard<std::mutex> lock(callers);
  QUORATE_EXPECT(order.size() == kCalls && std::is_sorted(order.begin(), order.end()), order.size(), " callbacks");
  QUORATE_EXPECT(problem.empty(), problem);
  return absl::OkStatus();
}

absl::Status ElectionDestruction(ElectionStateFixture& fixture) {
  std::unique_ptr<ElectionStateStore> store = fixture.Make();
  QUORATE_EXPECT_OK(store->Load().status());
  std::mutex mutex;
  int completed = 0;
  int acknowledged = -1;
  std::string problem;
  constexpr int kCalls = 10;
  for (int i = 0; i < kCalls; ++i) {
    store->Store(MakeState(i), [&, i](const absl::Status& status) {
      std::lock_guard<std::mutex> lock(mutex);
      ++completed;
      if (status.ok()) acknowledged = i;
      if (!status.ok() && ReasonOf(status) != Reason::kShuttingDown) problem = status.ToString();
    });
  }
  store.reset();
  {
    std::lock_guard<std::mutex> lock(mutex);
    QUORATE_EXPECT(completed == kCalls, completed, " callbacks of ", kCalls, " had run");
    QUORATE_EXPECT(problem.empty(), problem);
  }
  if (!fixture.survives_restart()) return absl::OkStatus();
  store = fixture.Make();
  absl::StatusOr<std::optional<ElectionState>> state = store->Load();
  QUORATE_EXPECT_OK(state.status());
  const int found = state->has_value() ? (*state)->epoch.value() : -1;
  QUORATE_EXPECT(found >= acknowledged, "epoch ", found, " after ", acknowledged, " was acknowledged");
  return absl::OkStatus();
}

}  // namespace

std::vector<ConformanceCase<ElectionStateFixture>> ElectionStateConformance() {
  return {
      {"nothing stored yet", StartsEmpty},
      {"the latest state is kept", KeepsTheLatest},
      {"callbacks run in order and never inside the call", StoresInOrder},
      {"destruction completes every call exactly once", ElectionDestruction},
  };
}

}  // namespace quorate::testing
