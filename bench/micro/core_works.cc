// The core, and the arithmetic that it stands on.
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core_trio.h"
#include "raft/progress.h"
#include "raft/quorum.h"
#include "raft/votes.h"
#include "work.h"

namespace quorate::bench {
namespace {

absl::StatusOr<std::unique_ptr<Work>> CommitByCores(size_t records) {
  absl::StatusOr<std::unique_ptr<CoreTrio>> trio = CoreTrio::Elect();
  if (!trio.ok()) return trio.status();
  return Repeat([trio = *std::move(trio), record = std::string(100, 'r'), records] {
    const std::vector<absl::string_view> views(records, record);
    return trio->Commit(views);
  });
}

// A voter that hears its leader refuses a pre-vote: the question that a broken link makes a peer ask.
absl::StatusOr<std::unique_ptr<Work>> AnswerPreVote() {
  absl::StatusOr<std::unique_ptr<CoreTrio>> trio = CoreTrio::Elect();
  if (!trio.ok()) return trio.status();
  const Message question =
      (*trio)->FromFollower(VoteRequest{(*trio)->leader().epoch(), (*trio)->follower().log_end(), /*pre_vote=*/true});
  return Repeat([trio = *std::move(trio), question] {
    trio->leader().Receive(trio->now(), question);
    const raft::Effects effects = trio->leader().TakeEffects();
    return effects.send.size() == 1 ? absl::OkStatus() : absl::InternalError("a pre-vote got no answer");
  });
}

absl::StatusOr<std::unique_ptr<Work>> TickEarly() {
  absl::StatusOr<std::unique_ptr<CoreTrio>> trio = CoreTrio::Elect();
  if (!trio.ok()) return trio.status();
  return Repeat([trio = *std::move(trio)] {
    trio->leader().Tick(trio->now());
    const raft::Effects effects = trio->leader().TakeEffects();
    return effects.send.empty() ? absl::OkStatus() : absl::InternalError("a tick with nothing due sent something");
  });
}

raft::VoterSet FiveVoters() {
  std::vector<Voter> voters;
  for (int id = 1; id <= 5; ++id) {
    voters.push_back({{NodeId(id), DirectoryId(Uuid(7, static_cast<uint64_t>(id)))}, {}, 0, 1});
  }
  return raft::VoterSet(std::move(voters));
}

absl::StatusOr<std::unique_ptr<Work>> CountVotes() {
  return Repeat([voters = FiveVoters()] {
    raft::VoteTally tally(voters);
    for (const Voter& voter : voters.voters()) tally.Record(voter.key, voter.key.id.value() % 2 == 1);
    return tally.Won() && !tally.Lost({}) ? absl::OkStatus() : absl::InternalError("three of five didn't win");
  });
}

// What a leader does for one acknowledgement of one follower: in, and on to the high watermark of five.
absl::StatusOr<std::unique_ptr<Work>> Acknowledge() {
  struct State {
    raft::VoterSet voters = FiveVoters();
    raft::ReplicaTable table;
    FetchRequest fetch;
    Offset end{0};
  };
  auto state = std::make_unique<State>();
  state->fetch.epoch = Epoch(1);
  state->fetch.session = 1;
  state->fetch.credit_bytes = 1u << 20;
  Message hello;
  hello.from_incarnation = IncarnationId(Uuid(9, 1));
  for (const Voter& voter : state->voters.voters()) {
    if (!state->table.ForVoter(voter.key).Open(hello, state->fetch, 0)) {
      return absl::InternalError("a replica that just came is fenced");
    }
  }
  return Repeat([state = std::move(state)] {
    ++state->end;
    state->fetch.fetch_offset = state->end;
    state->fetch.durable_end = state->end;
    std::vector<Offset> ends;
    for (auto& [key, progress] : state->table.replicas()) {
      progress.Sent(state->end, 150);
      if (!progress.Acknowledge(state->fetch)) return absl::InternalError("an acknowledgement counted nothing");
      ends.push_back(progress.durable_end());
    }
    return raft::ReachedByMajority(std::move(ends), kNoOffset) == state->end
               ? absl::OkStatus()
               : absl::InternalError("the high watermark of five equal voters is another one");
  });
}

}  // namespace

void AddCoreWorks(std::vector<WorkSpec>& works) {
  works.push_back({"core_commit", "three cores commit one record of 100 B, network and disks taking no time", 500, 1,
                   [](const std::string&) { return CommitByCores(1); }});
  works.push_back({"core_commit_64", "the same with 64 records in one batch", 100, 1,
                   [](const std::string&) { return CommitByCores(64); }});
  works.push_back({"core_tick", "a leader is told the time, and nothing is due", 2000, 1,
                   [](const std::string&) { return TickEarly(); }});
  works.push_back(
      {"core_pre_vote", "a leader refuses a pre-vote", 1000, 1, [](const std::string&) { return AnswerPreVote(); }});
  works.push_back(
      {"votes", "an election of five is counted", 1000, 1, [](const std::string&) { return CountVotes(); }});
  works.push_back({"progress", "five replicas acknowledge, and the high watermark of the five is found", 1000, 1,
                   [](const std::string&) { return Acknowledge(); }});
}

}  // namespace quorate::bench
