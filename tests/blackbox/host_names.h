// The register host's words (bench/host), as these tests use them.
#ifndef QUORATE_TESTS_BLACKBOX_HOST_NAMES_H_
#define QUORATE_TESTS_BLACKBOX_HOST_NAMES_H_

#include "host/client.h"
#include "host/protocol.h"

namespace quorate::blackbox {

using host::Answer;
using host::Client;
using host::Command;
using host::EncodeStaleValue;
using host::Operation;
using host::ParseStaleValue;
using host::Result;
using host::StaleValue;

}  // namespace quorate::blackbox

#endif  // QUORATE_TESTS_BLACKBOX_HOST_NAMES_H_
