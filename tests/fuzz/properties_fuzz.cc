#include "fuzz/fuzz.h"
#include "quorate/node_options.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quorate;
  std::vector<std::string> warnings;
  const absl::StatusOr<NodeOptions> options =
      ParseServerProperties(fuzz::AsText(data, size), "fuzz.properties", {}, &warnings);
  if (options.ok()) {
    fuzz::Promise(ValidateNodeOptions(*options).ok(), "what was read from a file is valid");
  } else {
    fuzz::Promise(!options.status().message().empty(), "a refusal says why");
  }
  return 0;
}
