#include "transport/connection_registry.h"

#include <sys/stat.h>

namespace quorate::transport {

bool ConnectionRegistry::Fits(const std::string& address) const {
  return size() < total_max_ && CountOf(address) < per_address_max_;
}

bool ConnectionRegistry::HasRoom(const std::string& address) {
  if (Fits(address)) return true;
  Sweep();
  return Fits(address);
}

void ConnectionRegistry::Add(int fd, const std::string& address) {
  // The number may have belonged to a connection that ended since the last sweep.
  Remove(fd);
  struct stat info {};
  if (::fstat(fd, &info) != 0) return;
  connections_[fd] = {info.st_dev, info.st_ino, address};
  ++per_address_[address];
}

void ConnectionRegistry::Remove(int fd) {
  if (auto it = connections_.find(fd); it != connections_.end()) Erase(it);
}

void ConnectionRegistry::Sweep() {
  for (auto it = connections_.begin(); it != connections_.end();) {
    struct stat info {};
    const bool lives =
        ::fstat(it->first, &info) == 0 && info.st_dev == it->second.device && info.st_ino == it->second.inode;
    it = lives ? std::next(it) : Erase(it);
  }
}

int ConnectionRegistry::CountOf(const std::string& address) const {
  auto it = per_address_.find(address);
  return it == per_address_.end() ? 0 : it->second;
}

ConnectionRegistry::Connections::iterator ConnectionRegistry::Erase(Connections::iterator it) {
  auto count = per_address_.find(it->second.address);
  if (--count->second == 0) per_address_.erase(count);
  return connections_.erase(it);
}

}  // namespace quorate::transport
