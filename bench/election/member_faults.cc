#include "member_faults.h"

#include <utility>

namespace quorate::bench {

// ---- The network --------------------------------------------------------------------------------------------------

absl::Status CuttableTransport::Start(const TransportIdentity& identity, PeerHandler* handler) {
  handler_ = handler;
  return inner_->Start(identity, this);
}

bool CuttableTransport::IsCut() {
  std::lock_guard<std::mutex> lock(mutex_);
  return cut_;
}

void CuttableTransport::Cut() {
  std::lock_guard<std::mutex> lock(mutex_);
  cut_ = true;
}

void CuttableTransport::Heal() {
  std::map<NodeId, bool> missed;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    cut_ = false;
    missed.swap(missed_);
  }
  for (const auto& [peer, connected] : missed) {
    if (connected) handler_->OnPeerDisconnected(peer);  // it stands again: so it had broken
    connected ? handler_->OnPeerConnected(peer) : handler_->OnPeerDisconnected(peer);
  }
}

void CuttableTransport::Send(Message message) {
  if (!IsCut()) inner_->Send(std::move(message));
}

void CuttableTransport::OnMessage(Message message) {
  if (!IsCut()) handler_->OnMessage(std::move(message));
}

void CuttableTransport::Changed(NodeId peer, bool connected) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (cut_) {
      missed_[peer] = connected;
      return;
    }
  }
  connected ? handler_->OnPeerConnected(peer) : handler_->OnPeerDisconnected(peer);
}

// ---- The disk -----------------------------------------------------------------------------------------------------

namespace {

class StallingFile final : public File {
 public:
  StallingFile(std::unique_ptr<File> inner, StallingFileSystem* disk) : inner_(std::move(inner)), disk_(disk) {}

  absl::Status WriteAt(uint64_t offset, absl::Span<const absl::string_view> pieces) override {
    disk_->Wait();
    return inner_->WriteAt(offset, pieces);
  }
  absl::Status ReadAt(uint64_t offset, size_t length, std::string* out) override {
    return inner_->ReadAt(offset, length, out);
  }
  absl::Status Sync() override {
    disk_->Wait();
    absl::Status synced = inner_->Sync();
    disk_->Wait();  // a stall that began meanwhile holds the device's answer back
    return synced;
  }
  absl::Status Truncate(uint64_t size) override {
    disk_->Wait();
    return inner_->Truncate(size);
  }
  absl::Status ZeroFill(uint64_t offset, uint64_t length) override {
    disk_->Wait();
    return inner_->ZeroFill(offset, length);
  }
  absl::StatusOr<uint64_t> Size() override { return inner_->Size(); }
  absl::Status TryLock() override { return inner_->TryLock(); }

 private:
  const std::unique_ptr<File> inner_;
  StallingFileSystem* const disk_;
};

}  // namespace

void StallingFileSystem::Stall(bool stalled) {
  std::lock_guard<std::mutex> lock(mutex_);
  stalled_ = stalled;
  if (!stalled) moves_.notify_all();
}

void StallingFileSystem::Wait() {
  std::unique_lock<std::mutex> lock(mutex_);
  moves_.wait(lock, [this] { return !stalled_; });
}

absl::StatusOr<std::unique_ptr<File>> StallingFileSystem::Open(const std::string& path, OpenMode mode) {
  if (mode != OpenMode::kRead) Wait();
  absl::StatusOr<std::unique_ptr<File>> file = inner_->Open(path, mode);
  if (!file.ok()) return file.status();
  return std::make_unique<StallingFile>(*std::move(file), this);
}

absl::Status StallingFileSystem::CreateDirectories(const std::string& path) {
  Wait();
  return inner_->CreateDirectories(path);
}

absl::Status StallingFileSystem::Rename(const std::string& from, const std::string& to) {
  Wait();
  return inner_->Rename(from, to);
}

absl::Status StallingFileSystem::Remove(const std::string& path) {
  Wait();
  return inner_->Remove(path);
}

absl::Status StallingFileSystem::SyncDirectory(const std::string& path) {
  Wait();
  return inner_->SyncDirectory(path);
}

}  // namespace quorate::bench
