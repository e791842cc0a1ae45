// Was every answer that clients got one that a single copy could have given? (I-20, I-21)
//
// The committed history is a witness: an order of all that took effect. So instead of searching for an order, which is
// exponential, the judge checks this one: a fresh state machine of the host's is fed with the committed records, alone;
// every answer must be what it answers there; what ended before something else began must come before it; what was
// refused must not be in it, what was acknowledged must be, once. That is sufficient for linearizability, and necessary
// because the log's order is what state machines were fed with. When the workload has a model, the general checker
// (quorate/testing/linearizability.h) judges the same history without knowing the log: one oracle to watch the other.
//
// Pure function of what it is given.
#ifndef QUORATE_TESTING_SIMULATOR_JUDGE_H_
#define QUORATE_TESTING_SIMULATOR_JUDGE_H_

#include "testing/simulator/clients.h"
#include "testing/simulator/history.h"
#include "testing/simulator/referee.h"

namespace quorate::testing::simulator {

// Tells the referee what it finds. `fresh` is a state machine that has seen nothing.
void JudgeClients(const History& history, Clients* clients, StateMachine* fresh, Referee* referee);

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_JUDGE_H_
