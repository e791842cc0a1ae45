// A message that the way damaged (faults F-N06, F-N17): what a receiver gets to see of it.
//
// Two kinds. Flipped bits: a transport's decoder refuses them, here as there, so the message is lost; a batch inside
// is parsed again, by the production parser, and its checksum has to catch the flip. Nonsense from a broken peer:
// fields that decode and can't be true - another cluster, another addressee, a negative epoch, a batch that doesn't
// continue the answer or is newer than its epoch - which transport and core must refuse. Lies that could be true
// aren't told: against a peer that wants to break the protocol nothing is promised.
//
// Pure functions; any thread.
#ifndef QUORATE_TESTING_SIMULATOR_TAMPER_H_
#define QUORATE_TESTING_SIMULATOR_TAMPER_H_

#include <optional>

#include "quorate/environment.h"
#include "quorate/messages.h"

namespace quorate::testing::simulator {

// nullopt: it doesn't decode any more, and is lost.
std::optional<Message> Tamper(Message message, Random* random);

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_TAMPER_H_
