// Messages and times for people who read a trace.
//
// Pure functions; any thread.
#ifndef QUORATE_TESTING_SIMULATOR_MESSAGE_TEXT_H_
#define QUORATE_TESTING_SIMULATOR_MESSAGE_TEXT_H_

#include <string>

#include "quorate/environment.h"
#include "quorate/messages.h"

namespace quorate::testing::simulator {

std::string TimeText(Instant when);  // "   12.345678"
// "12.345678 1 -> 2 FetchRequest epoch=3 …"
std::string MessageText(Instant when, const Message& message);

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_MESSAGE_TEXT_H_
