#include <csignal>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "cli/program.h"
#include "quorate/admin_client.h"
#include "quorate/system.h"

int main(int argc, char** argv) {
  // `quorate topics --list | head -1` ends with a message, not with a signal.
  std::signal(SIGPIPE, SIG_IGN);
  quorate::cli::Context context;
  context.out = &std::cout;
  context.err = &std::cerr;
  context.files = quorate::PosixFileSystem();
  context.random = quorate::SystemRandom();
  context.clock = quorate::SystemClock();
  context.make_admin = [](quorate::AdminClientOptions options) {
    return quorate::AdminClient::Create(std::move(options));
  };
  return quorate::cli::RunProgram(std::vector<std::string>(argv, argv + argc), &context);
}
