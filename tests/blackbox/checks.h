// What must be true when everything is over.
#ifndef QUORATE_TESTS_BLACKBOX_CHECKS_H_
#define QUORATE_TESTS_BLACKBOX_CHECKS_H_

#include <string>
#include <vector>

#include "blackbox/history.h"
#include "blackbox/hosts.h"

namespace quorate::blackbox {

// Reads every key through every host of `ids`, which run. Requires that they agree, that nothing acknowledged is
// missing, that nodes at one position have one state, and that the history, these last reads included, is linearizable.
void RequireSound(Hosts& hosts, History& history, const std::vector<int>& ids = {1, 2, 3});

// Waits until the text is in the file. Fails the test when it doesn't come.
void RequireLogged(const std::string& file, const std::string& text);

}  // namespace quorate::blackbox

#endif  // QUORATE_TESTS_BLACKBOX_CHECKS_H_
