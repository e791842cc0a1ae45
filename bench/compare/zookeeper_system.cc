// ZooKeeper, as Debian packages it: the server's main class on a JVM, a configuration file for each node.
#include <fstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "compare/system.h"
#include "compare/tcp_client.h"

namespace quorate::compare {
namespace {

constexpr char kJar[] = "/usr/share/java/zookeeper.jar";

std::string Java() { return FirstExisting({"/usr/bin/java"}); }

absl::Status WriteText(const std::string& path, const std::string& text) {
  std::ofstream out(path);
  out << text;
  out.flush();
  return out.good() ? absl::OkStatus() : absl::InternalError(absl::StrCat("can't write ", path));
}

// The rest of the line that begins with `label`.
absl::string_view LineAfter(absl::string_view text, absl::string_view label) {
  const size_t at = text.find(label);
  if (at == absl::string_view::npos) return {};
  const absl::string_view rest = text.substr(at + label.size());
  return rest.substr(0, rest.find('\n'));
}

class ZooKeeperSystem final : public System {
 public:
  using System::System;

  bool CanTransfer() const override { return false; }
  absl::Status Transfer(int, int) override {
    return absl::UnimplementedError("ZooKeeper can't hand its leadership over on request");
  }

  // The four-letter word "srvr": mode, and the last transaction that this node has seen.
  absl::StatusOr<NodeState> Ask(int node) const override {
    const std::optional<std::string> answer = testing::SendBytes(port(node, 0), "srvr", absl::Seconds(2));
    if (!answer.has_value()) return absl::UnavailableError("it doesn't accept connections");
    const absl::string_view mode = LineAfter(*answer, "Mode: ");
    const absl::string_view zxid = LineAfter(*answer, "Zxid: ");
    NodeState state;
    state.leads = mode == "leader";
    state.follows = mode == "follower";
    if (!absl::SimpleHexAtoi(zxid, &state.position)) return absl::UnavailableError("it isn't serving");
    return state;
  }

 protected:
  absl::Status FormatNode(int node) override {
    const std::string folder = NodeFolder(node);
    std::string configuration = absl::StrCat("dataDir=", folder, "\nclientPort=", port(node, 0),
                                             "\nclientPortAddress=127.0.0.1"
                                             "\ntickTime=",
                                             tuned() ? 100 : 2000, "\ninitLimit=", tuned() ? 50 : 10,
                                             "\nsyncLimit=5\nmaxClientCnxns=0\nadmin.enableServer=false"
                                             "\n4lw.commands.whitelist=srvr\n");
    for (int i = 0; i < kNodes; ++i) {
      absl::StrAppend(&configuration, "server.", i + 1, "=127.0.0.1:", port(i, 1), ":", port(i, 2), "\n");
    }
    if (absl::Status s = WriteText(folder + "/zoo.cfg", configuration); !s.ok()) return s;
    if (absl::Status s = WriteText(folder + "/log4j.properties",
                                   "log4j.rootLogger=ERROR, console\n"
                                   "log4j.appender.console=org.apache.log4j.ConsoleAppender\n"
                                   "log4j.appender.console.layout=org.apache.log4j.PatternLayout\n"
                                   "log4j.appender.console.layout.ConversionPattern=%d %p %c %m%n\n");
        !s.ok()) {
      return s;
    }
    return WriteText(folder + "/myid", absl::StrCat(node + 1, "\n"));
  }

  // The heap is what zkServer.sh gives a server that nobody configured.
  std::vector<std::string> CommandLine(int node) const override {
    return {Java(),
            "-Xmx1000m",
            absl::StrCat("-Dlog4j.configuration=file:", NodeFolder(node), "/log4j.properties"),
            "-cp",
            kJar,
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            NodeFolder(node) + "/zoo.cfg"};
  }

  std::unique_ptr<PutClient> MakeClient(const std::vector<int>& nodes) const override {
    std::vector<int> ports;
    for (int node : nodes) ports.push_back(port(node, 0));
    return std::make_unique<TcpClient>(ports, [] { return NewZooKeeperWire(30'000); });
  }
};

}  // namespace

Contender ZooKeeperContender() {
  Contender zookeeper;
  zookeeper.name = "zookeeper";
  zookeeper.title = "ZooKeeper 3.8";
  if (Java().empty() || FirstExisting({kJar}).empty()) {
    zookeeper.missing = "the package zookeeper isn't installed (bench/compare/run.sh --install)";
  }
  zookeeper.tuned = "tick 100 ms, so that a silent leader is given up after 500 ms (default: 2000 ms, 10 s)";
  zookeeper.make = [](std::string folder, std::vector<int> ports, Tuning tuning) -> std::unique_ptr<System> {
    return std::make_unique<ZooKeeperSystem>(std::move(folder), std::move(ports), tuning);
  };
  return zookeeper;
}

}  // namespace quorate::compare
