// register_host: a quorum member with named registers as its state, as a program. Tests kill it, and benchmarks compare
// it. Its exit codes are RunHost's (host/host.h).
#include "host/host.h"

int main(int argc, char** argv) {
  int exit_code = 0;
  const auto options = quorate::host::ParseOptions(argc, argv, &exit_code);
  return options ? quorate::host::RunHost(*options) : exit_code;
}
