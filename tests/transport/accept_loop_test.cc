#include "transport/accept_loop.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <mutex>
#include <vector>

#include "quorate/status.h"
#include "support/catch.h"
#include "transport/harness.h"

namespace quorate::transport {
namespace {

using testing::MemoryLog;
using testing::RawClient;
using testing::WaitFor;

const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Takes what the loop hands over and keeps it open until told otherwise.
struct Port {
  explicit Port(AcceptLoopOptions changes = {}) {
    AcceptLoopOptions options = std::move(changes);
    options.bind = {"PLAINTEXT", "127.0.0.1", 0};
    if (options.connections_max == 0) options.connections_max = 100;
    if (options.connections_per_address_max == 0) options.connections_per_address_max = 100;
    if (options.handshake_timeout == absl::ZeroDuration()) options.handshake_timeout = absl::Seconds(10);
    options.log_sink = log;
    options.on_http2 = [this](AcceptedConnection connection) {
      const std::lock_guard<std::mutex> lock(mutex);
      taken.push_back(std::move(connection));
    };
    absl::StatusOr<std::unique_ptr<AcceptLoop>> created = AcceptLoop::Create(std::move(options));
    REQUIRE(created.ok());
    loop = *std::move(created);
    loop->Start();
  }
  ~Port() {
    loop->Stop();
    CloseTaken();
  }
  size_t TakenCount() {
    const std::lock_guard<std::mutex> lock(mutex);
    return taken.size();
  }
  void CloseTaken() {
    const std::lock_guard<std::mutex> lock(mutex);
    for (const AcceptedConnection& connection : taken) ::close(connection.fd);
    taken.clear();
  }

  std::shared_ptr<MemoryLog> log = std::make_shared<MemoryLog>();
  std::mutex mutex;
  std::vector<AcceptedConnection> taken;
  std::unique_ptr<AcceptLoop> loop;
};

TEST_CASE("HTTP/2 is handed over with the bytes that were read", "[transport]") {
  Port port;
  RawClient client(port.loop->port());
  REQUIRE(client.Write(kPreface + "and more"));
  REQUIRE(WaitFor([&] { return port.TakenCount() == 1; }));
  const std::lock_guard<std::mutex> lock(port.mutex);
  CHECK(port.taken[0].first_bytes == kPreface);
  CHECK(port.taken[0].peer.substr(0, 10) == "127.0.0.1:");
  char rest[16] = {};
  CHECK(::recv(port.taken[0].fd, rest, sizeof(rest), 0) == 8);
  CHECK(std::string(rest) == "and more");
}

TEST_CASE("a preface that comes byte by byte", "[transport]") {
  Port port;
  RawClient client(port.loop->port());
  for (const char c : kPreface) REQUIRE(client.Write(std::string(1, c)));
  REQUIRE(WaitFor([&] { return port.TakenCount() == 1; }));
}

TEST_CASE("F-X03: garbage is closed, HTTP/1 is told", "[transport]") {
  Port port;
  SECTION("garbage") {
    RawClient client(port.loop->port());
    REQUIRE(client.Write("\x01\x02garbage"));
    CHECK(client.ReadToEnd().empty());
  }
  SECTION("TLS") {
    RawClient client(port.loop->port());
    REQUIRE(client.Write(std::string("\x16\x03\x01\x02\x00", 5)));
    CHECK(client.ReadToEnd().empty());
  }
  SECTION("GET") {
    RawClient client(port.loop->port());
    REQUIRE(client.Write("GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n"));
    const std::string answer = client.ReadToEnd();
    CHECK(answer.substr(0, 24) == "HTTP/1.1 400 Bad Request");
    CHECK(answer.find("gRPC port of a quorate node") != std::string::npos);
    CHECK(answer.find("<timeout>") == std::string::npos);
  }
  SECTION("POST with a body that doesn't end") {
    RawClient client(port.loop->port());
    REQUIRE(client.Write("POST /x HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + std::string(20'000, 'x')));
    CHECK(client.ReadToEnd().find("400 Bad Request") != std::string::npos);
  }
  REQUIRE(WaitFor([&] { return port.loop->counters().refused_protocol == 1; }));
  CHECK(port.log->Count("event=connection_refused") == 1);
  // The port serves on.
  RawClient good(port.loop->port());
  REQUIRE(good.Write(kPreface));
  REQUIRE(WaitFor([&] { return port.TakenCount() == 1; }));
}

TEST_CASE("F-X03: who says nothing is closed at the handshake timeout", "[transport]") {
  AcceptLoopOptions options;
  options.handshake_timeout = absl::Milliseconds(50);
  Port port(std::move(options));
  RawClient silent(port.loop->port());
  RawClient slow(port.loop->port());
  REQUIRE(slow.Write("PRI * HT"));
  CHECK(silent.ReadToEnd().empty());
  CHECK(slow.ReadToEnd().empty());
  CHECK(port.loop->counters().handshake_timeouts == 2);
  SECTION("and one that hangs up is forgotten at once") {
    {
      RawClient gone(port.loop->port());
      REQUIRE(gone.Write("PR"));
    }
    REQUIRE(WaitFor([&] { return port.loop->counters().handshake_timeouts == 3; }));
  }
}

TEST_CASE("F-X06: caps in total and per address, freed when connections end", "[transport]") {
  AcceptLoopOptions options;
  SECTION("total") { options.connections_max = 3; }
  SECTION("per address") { options.connections_per_address_max = 3; }
  Port port(std::move(options));
  std::vector<std::unique_ptr<RawClient>> clients;
  for (size_t i = 1; i <= 3; ++i) {
    clients.push_back(std::make_unique<RawClient>(port.loop->port()));
    REQUIRE(clients.back()->Write(kPreface));
    REQUIRE(WaitFor([&] { return port.TakenCount() == i; }));
  }
  RawClient fourth(port.loop->port());
  CHECK(fourth.ReadToEnd().empty());
  CHECK(port.loop->counters().refused_cap == 1);
  // Closed by their new owner, of which the loop isn't told.
  port.CloseTaken();
  RawClient fifth(port.loop->port());
  REQUIRE(fifth.Write(kPreface));
  REQUIRE(WaitFor([&] { return port.TakenCount() == 1; }));
  CHECK(port.loop->counters().refused_cap == 1);
}

TEST_CASE("a port in use is found out at once", "[transport]") {
  Port port;
  AcceptLoopOptions options;
  options.bind = {"PLAINTEXT", "127.0.0.1", port.loop->port()};
  const absl::Status status = AcceptLoop::Create(std::move(options)).status();
  CHECK(ReasonOf(status) == Reason::kInUse);
  CHECK(status.message().find(std::to_string(port.loop->port())) != absl::string_view::npos);
}

TEST_CASE("a name that can't be resolved", "[transport]") {
  AcceptLoopOptions options;
  options.bind = {"PLAINTEXT", "no such host", 0};
  CHECK(ReasonOf(AcceptLoop::Create(std::move(options)).status()) == Reason::kInvalidArgument);
}

TEST_CASE("an empty host takes IPv4 and IPv6", "[transport]") {
  AcceptLoopOptions options;
  options.bind = {"PLAINTEXT", "", 0};
  options.connections_max = 10;
  options.connections_per_address_max = 10;
  options.handshake_timeout = absl::Seconds(10);
  std::atomic<int> taken{0};
  std::string peer;
  options.on_http2 = [&](AcceptedConnection connection) {
    peer = connection.peer;
    ::close(connection.fd);
    ++taken;
  };
  auto loop = *AcceptLoop::Create(std::move(options));
  loop->Start();
  RawClient client(loop->port());
  REQUIRE(client.Write(kPreface));
  REQUIRE(WaitFor([&] { return taken.load() == 1; }));
  loop->Stop();
  CHECK(peer.substr(0, 10) == "127.0.0.1:");
}

TEST_CASE("accept fails for a while and recovers by itself", "[transport]") {
  std::atomic<int> failures{5};
  AcceptLoopOptions options;
  int error = 0;
  SECTION("EMFILE") { error = EMFILE; }
  SECTION("ENFILE") { error = ENFILE; }
  SECTION("ENOMEM") { error = ENOMEM; }
  SECTION("ECONNABORTED") { error = ECONNABORTED; }
  options.accept = [&failures, error](int fd, sockaddr* address, unsigned int* length) {
    if (failures.load() > 0) {
      --failures;
      errno = error;
      return -1;
    }
    return ::accept4(fd, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  };
  Port port(std::move(options));
  // While descriptors are short a caller may be turned away; one of the next gets through.
  REQUIRE(WaitFor([&] {
    RawClient client(port.loop->port());
    return client.Write(kPreface) && WaitFor([&] { return port.TakenCount() > 0; }, std::chrono::milliseconds(200));
  }));
  CHECK(failures.load() == 0);
  CHECK((port.loop->counters().accept_failures > 0) == (error != ECONNABORTED));
}

// The fault that kills gRPC's own listener (fault model, section 7), with real descriptors. In a child process,
// because the limit is the process's.
int ServeAtTheDescriptorLimit() {
  rlimit limit{64, 64};
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return 10;
  std::atomic<int> taken{0};
  AcceptLoopOptions options;
  options.bind = {"PLAINTEXT", "127.0.0.1", 0};
  options.connections_max = 1000;
  options.connections_per_address_max = 1000;
  options.handshake_timeout = absl::Seconds(10);
  std::vector<int> held;
  options.on_http2 = [&](AcceptedConnection connection) {
    held.push_back(connection.fd);
    ++taken;
  };
  auto loop = AcceptLoop::Create(std::move(options));
  if (!loop.ok()) return 11;
  (*loop)->Start();
  std::vector<int> eaten;
  for (int fd = ::open("/dev/null", O_RDONLY); fd >= 0; fd = ::open("/dev/null", O_RDONLY)) eaten.push_back(fd);
  ::close(eaten.back());
  eaten.pop_back();
  RawClient first((*loop)->port());  // takes the last descriptor
  const uint64_t failures_wanted = 3;
  if (!WaitFor([&] { return (*loop)->counters().accept_failures >= failures_wanted || first.ReadToEnd(1).empty(); }))
    return 12;
  if ((*loop)->counters().accept_failures == 0) return 13;
  first.Close();
  for (const int fd : eaten) ::close(fd);
  RawClient second((*loop)->port());
  if (!second.Write(kPreface)) return 14;
  if (!WaitFor([&] { return taken.load() >= 1; })) return 15;
  (*loop)->Stop();
  return 0;
}

TEST_CASE("the port survives running out of descriptors", "[transport]") {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(ServeAtTheDescriptorLimit());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("connections are recognised by their inode", "[transport]") {
  ConnectionRegistry registry(2, 2);
  const int a = ::socket(AF_INET, SOCK_STREAM, 0);
  const int b = ::socket(AF_INET, SOCK_STREAM, 0);
  registry.Add(a, "x");
  registry.Add(b, "x");
  CHECK_FALSE(registry.HasRoom("y"));
  CHECK(registry.CountOf("x") == 2);
  // The number lives on, as another socket and as another kind of file.
  ::close(a);
  const int again = ::socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(again == a);
  CHECK(registry.HasRoom("y"));
  CHECK(registry.size() == 1);
  ::close(b);
  const int file = ::open("/dev/null", O_RDONLY);
  REQUIRE(file == b);
  registry.Sweep();
  CHECK(registry.size() == 0);
  CHECK(registry.CountOf("x") == 0);
  ::close(again);
  ::close(file);
}

}  // namespace
}  // namespace quorate::transport
