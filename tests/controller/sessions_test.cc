#include "controller/sessions.h"

#include "support/catch.h"

namespace quorate::controller {
namespace {

Instant At(int seconds) { return Instant::FromNanos(int64_t{seconds} * 1'000'000'000); }

TEST_CASE("a session is valid up to and at its deadline, and only while tracked") {
  Sessions sessions(absl::Seconds(9));
  sessions.Touch(NodeId(1), At(10));
  CHECK_FALSE(sessions.Valid(NodeId(1), At(10)));
  CHECK(sessions.NextDeadline().is_infinite());
  sessions.Track(NodeId(1));
  CHECK(sessions.Valid(NodeId(1), At(19)));
  CHECK_FALSE(sessions.Valid(NodeId(1), At(19) + absl::Nanoseconds(1)));
  CHECK(sessions.Stale(At(19)).empty());
  REQUIRE(sessions.NextDeadline() == At(19) + absl::Nanoseconds(1));
  CHECK(sessions.Stale(sessions.NextDeadline()) == std::vector<NodeId>{NodeId(1)});
  sessions.Untrack(NodeId(1));
  CHECK(sessions.Stale(At(100)).empty());
  CHECK_FALSE(sessions.Valid(NodeId(1), At(11)));
}

TEST_CASE("stale sessions come the longest silent first") {
  Sessions sessions(absl::Seconds(9));
  for (int id : {3, 1, 2}) sessions.Track(NodeId(id));
  sessions.Touch(NodeId(1), At(3));
  sessions.Touch(NodeId(2), At(1));
  sessions.Touch(NodeId(3), At(1));
  CHECK(sessions.Stale(At(11)) == std::vector<NodeId>{NodeId(2), NodeId(3)});
  sessions.Touch(NodeId(2), At(11));
  CHECK(sessions.Stale(At(13)) == std::vector<NodeId>{NodeId(3), NodeId(1)});
  sessions.Forget(NodeId(3));
  CHECK(sessions.Stale(At(13)) == std::vector<NodeId>{NodeId(1)});
}

}  // namespace
}  // namespace quorate::controller
