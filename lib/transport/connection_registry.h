// Which accepted connections still live, in total and per address (F-X06).
//
// A descriptor that was handed to gRPC is closed by gRPC, without a word to us. Watching a duplicate of it would
// take a second descriptor per connection, just when descriptors are short, and a duplicate keeps the socket open
// after its owner closed it. So each connection is remembered as (descriptor, inode of the socket): the kernel
// never gives two living sockets the same inode, hence fstat tells whether that descriptor still is that socket.
// The accept loop looks when it matters: before a cap refuses somebody, and from time to time for the gauge. A
// sweep over 1,000 connections takes about 0.2 ms and there is no cost per message.
//
// One thread (the accept loop's).
#ifndef QUORATE_LIB_TRANSPORT_CONNECTION_REGISTRY_H_
#define QUORATE_LIB_TRANSPORT_CONNECTION_REGISTRY_H_

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace quorate::transport {

class ConnectionRegistry {
 public:
  ConnectionRegistry(int total_max, int per_address_max) : total_max_(total_max), per_address_max_(per_address_max) {}

  // Whether one more from `address` fits; sweeps first when it seems not to.
  bool HasRoom(const std::string& address);
  void Add(int fd, const std::string& address);
  // The caller is about to close `fd` itself.
  void Remove(int fd);
  // Forgets what others have closed.
  void Sweep();

  [[nodiscard]] int size() const { return static_cast<int>(connections_.size()); }
  [[nodiscard]] int CountOf(const std::string& address) const;

 private:
  struct Connection {
    dev_t device;
    ino_t inode;
    std::string address;
  };
  using Connections = std::map<int, Connection>;

  [[nodiscard]] bool Fits(const std::string& address) const;
  Connections::iterator Erase(Connections::iterator it);

  const int total_max_;
  const int per_address_max_;
  Connections connections_;  // by descriptor
  std::map<std::string, int> per_address_;
};

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_CONNECTION_REGISTRY_H_
