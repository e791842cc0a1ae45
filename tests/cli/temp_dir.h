// Files for a command line under test.
#ifndef QUORATE_TESTS_CLI_TEMP_DIR_H_
#define QUORATE_TESTS_CLI_TEMP_DIR_H_

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "support/catch.h"

namespace quorate::cli {

// A directory of its own, gone at the end.
class TempDir {
 public:
  TempDir() {
    std::string path = (std::filesystem::temp_directory_path() / "quorate-cli-XXXXXX").string();
    REQUIRE(::mkdtemp(path.data()) != nullptr);
    path_ = path;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(*this / name) << text;
    return *this / name;
  }

 private:
  std::string path_;
};

// The properties of node 1, in `dir`.
inline std::string Properties(const TempDir& dir, const std::string& roles, const std::string& more = "") {
  const bool controller = roles.find("controller") != std::string::npos;
  const bool broker = roles.find("broker") != std::string::npos;
  std::string listeners = broker ? "PLAINTEXT://localhost:9092" : "";
  if (controller) listeners += std::string(listeners.empty() ? "" : ",") + "CONTROLLER://localhost:9093";
  return dir.Write(
      "node.properties",
      "process.roles=" + roles + "\nnode.id=1\nlisteners=" + listeners +
          "\ncontroller.listener.names=CONTROLLER\n"
          "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n"
          "log.dirs=" +
          (dir / "data") + "\n" +
          (more.find("voters") == std::string::npos ? "controller.quorum.bootstrap.servers=localhost:9093\n" : "") +
          more);
}

}  // namespace quorate::cli

#endif  // QUORATE_TESTS_CLI_TEMP_DIR_H_
