// Faults inside a member, on command: a network that swallows everything in both directions, and a disk whose writes
// stand still.
//
// Why decorators and not a network namespace or a device-mapper target: those need root and leave things behind when a
// benchmark is killed; and for the protocol it makes no difference who drops a message. A cut is silent, as a pulled
// cable is: connections don't break, nothing arrives.
//
// Both are thread-safe.
#ifndef QUORATE_BENCH_ELECTION_MEMBER_FAULTS_H_
#define QUORATE_BENCH_ELECTION_MEMBER_FAULTS_H_

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "quorate/file_system.h"
#include "quorate/transport.h"

namespace quorate::bench {

class CuttableTransport final : public Transport, private PeerHandler {
 public:
  explicit CuttableTransport(std::unique_ptr<Transport> inner) : inner_(std::move(inner)) {}

  void Cut();
  // What broke or came to stand meanwhile is said now.
  void Heal();

  absl::Status Start(const TransportIdentity& identity, PeerHandler* handler) override;
  void SetPeer(NodeId peer, const Endpoint& endpoint) override { inner_->SetPeer(peer, endpoint); }
  void ForgetPeer(NodeId peer) override { inner_->ForgetPeer(peer); }
  void Send(Message message) override;
  void Stop() override { inner_->Stop(); }

 private:
  void OnMessage(Message message) override;
  void OnPeerDisconnected(NodeId peer) override { Changed(peer, false); }
  void OnPeerConnected(NodeId peer) override { Changed(peer, true); }
  void Changed(NodeId peer, bool connected);
  [[nodiscard]] bool IsCut();

  const std::unique_ptr<Transport> inner_;
  PeerHandler* handler_ = nullptr;
  std::mutex mutex_;
  bool cut_ = false;
  std::map<NodeId, bool> missed_;  // whether the connection stands, where that changed during the cut
};

// Passes everything on, but while it is stalled whatever changes the disk waits. One gate for all files.
class StallingFileSystem final : public FileSystem {
 public:
  explicit StallingFileSystem(FileSystem* inner) : inner_(inner) {}

  void Stall(bool stalled);

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override {
    return inner_->List(directory);
  }
  absl::StatusOr<bool> Exists(const std::string& path) override { return inner_->Exists(path); }
  absl::StatusOr<bool> IsDirectory(const std::string& path) override { return inner_->IsDirectory(path); }
  absl::Status CreateDirectories(const std::string& path) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status SyncDirectory(const std::string& path) override;
  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override { return inner_->FreeBytes(path); }

  // Returns when the disk isn't stalled.
  void Wait();

 private:
  FileSystem* const inner_;
  std::mutex mutex_;
  std::condition_variable moves_;
  bool stalled_ = false;
};

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_ELECTION_MEMBER_FAULTS_H_
