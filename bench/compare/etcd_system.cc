// etcd, as Debian packages it: one process for each node, everything on the command line.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "compare/etcd_client.h"
#include "compare/system.h"

namespace quorate::compare {
namespace {

std::string Program() { return FirstExisting({"/usr/bin/etcd", "/usr/local/bin/etcd"}); }

class EtcdSystem final : public System {
 public:
  using System::System;

  absl::Status Transfer(int from, int to) override {
    const absl::StatusOr<EtcdStatus> target = AskEtcd(port(to, 0));
    if (!target.ok()) return target.status();
    return MoveEtcdLeader(port(from, 0), target->member);
  }

  absl::StatusOr<NodeState> Ask(int node) const override {
    const absl::StatusOr<EtcdStatus> status = AskEtcd(port(node, 0));
    if (!status.ok()) return status.status();
    NodeState state;
    state.leads = status->leader != 0 && status->leader == status->member;
    state.follows = status->leader != 0 && !state.leads;
    state.position = static_cast<int64_t>(status->applied);
    return state;
  }

 protected:
  absl::Status FormatNode(int) override { return absl::OkStatus(); }

  std::vector<std::string> CommandLine(int node) const override {
    std::vector<std::string> cluster;
    for (int i = 0; i < kNodes; ++i) cluster.push_back(absl::StrCat("node", i, "=", Url(i, 1)));
    std::vector<std::string> command = {Program(),
                                        absl::StrCat("--name=node", node),
                                        absl::StrCat("--data-dir=", NodeFolder(node), "/data"),
                                        absl::StrCat("--listen-client-urls=", Url(node, 0)),
                                        absl::StrCat("--advertise-client-urls=", Url(node, 0)),
                                        absl::StrCat("--listen-peer-urls=", Url(node, 1)),
                                        absl::StrCat("--initial-advertise-peer-urls=", Url(node, 1)),
                                        absl::StrCat("--initial-cluster=", absl::StrJoin(cluster, ",")),
                                        "--initial-cluster-state=new",
                                        "--initial-cluster-token=quorate-compare",
                                        "--quota-backend-bytes=8589934592",
                                        "--logger=zap",
                                        "--log-level=error"};
    if (tuned()) {
      command.push_back("--heartbeat-interval=10");
      command.push_back("--election-timeout=100");
    }
    return command;
  }

  std::unique_ptr<PutClient> MakeClient(const std::vector<int>& nodes) const override {
    std::vector<int> ports;
    for (int node : nodes) ports.push_back(port(node, 0));
    return std::make_unique<EtcdClient>(ports);
  }

 private:
  [[nodiscard]] std::string Url(int node, int k) const { return absl::StrCat("http://127.0.0.1:", port(node, k)); }
};

}  // namespace

Contender EtcdContender() {
  Contender etcd;
  etcd.name = "etcd";
  etcd.title = "etcd 3.4";
  if (Program().empty()) etcd.missing = "the package etcd-server isn't installed (bench/compare/run.sh --install)";
  etcd.tuned = "heartbeat interval 10 ms, election timeout 100 ms (default 100 and 1000)";
  etcd.make = [](std::string folder, std::vector<int> ports, Tuning tuning) -> std::unique_ptr<System> {
    return std::make_unique<EtcdSystem>(std::move(folder), std::move(ports), tuning);
  };
  return etcd;
}

}  // namespace quorate::compare
