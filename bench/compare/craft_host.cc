// craft_host: a member of a Canonical raft cluster whose state is a set of named registers, with the same protocol
// before its clients as quorate's engine host (bench/host/protocol.h), so that both are measured by the same client.
//
// As its authors have it: one thread and one libuv loop for raft, disk, peers and clients alike; raft_uv for disk and
// network; one raft_apply for each write. A snapshot every 100,000 entries, which is what etcd and ZooKeeper do by
// default (the library's own default of 1024 would write the whole state dozens of times a second here).
//
// Exit codes: 0 after SIGTERM or SIGINT, 1 when it can't start.
#include <signal.h>
#include <uv.h>

extern "C" {  // written for C only
#include <raft.h>
#include <raft/uv.h>
}

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/little_endian.h"
#include "host/protocol.h"

namespace quorate::compare {
namespace {

constexpr unsigned kSnapshotThreshold = 100'000;
constexpr unsigned kSnapshotTrailing = 10'000;
constexpr size_t kReadBytes = 64u << 10;

struct Flags {
  raft_id id = 0;
  std::string directory;
  int client_port = 0;
  std::vector<std::string> peers;
  unsigned election_timeout_ms = 1000;  // raft's own defaults
  unsigned heartbeat_ms = 100;
};

// ---- The state. ---------------------------------------------------------------------------------------------------

using Registers = absl::flat_hash_map<std::string, std::string>;

// An entry is a command behind its length, filled up to a multiple of 8 bytes: raft_uv reads entries back at such
// positions, wherever they were written.
size_t EntryBytes(size_t command) { return (sizeof(uint32_t) + command + 7) / 8 * 8; }

void FillEntry(absl::string_view command, const raft_buffer& entry) {
  char* at = static_cast<char*>(entry.base);
  WriteLittleEndian(static_cast<uint32_t>(command.size()), at);
  std::memcpy(at + sizeof(uint32_t), command.data(), command.size());
  const size_t end = sizeof(uint32_t) + command.size();
  std::memset(at + end, 0, entry.len - end);
}

int Apply(raft_fsm* fsm, const raft_buffer* buf, void** result) {
  *result = nullptr;
  ByteReader entry(absl::string_view(static_cast<const char*>(buf->base), buf->len));
  const std::optional<host::Command> command = host::ParseCommand(entry.TakeString<uint32_t>(host::kRequestBytesMax));
  if (!command.has_value() || command->operation != host::Operation::kWrite) return RAFT_MALFORMED;
  Registers& registers = *static_cast<Registers*>(fsm->data);
  registers[std::string(command->key)] = std::string(command->argument);
  return 0;
}

// Keys and values, each behind its length.
int TakeSnapshot(raft_fsm* fsm, raft_buffer* bufs[], unsigned* n_bufs) {
  std::string text;
  for (const auto& [key, value] : *static_cast<Registers*>(fsm->data)) {
    AppendLittleEndian(static_cast<uint32_t>(key.size()), &text);
    text += key;
    AppendLittleEndian(static_cast<uint32_t>(value.size()), &text);
    text += value;
  }
  *bufs = static_cast<raft_buffer*>(raft_malloc(sizeof(raft_buffer)));
  if (*bufs == nullptr) return RAFT_NOMEM;
  (*bufs)->len = EntryBytes(text.size());
  (*bufs)->base = raft_malloc((*bufs)->len);
  if ((*bufs)->base == nullptr) return RAFT_NOMEM;
  FillEntry(text, **bufs);
  *n_bufs = 1;
  return 0;
}

int Restore(raft_fsm* fsm, raft_buffer* buf) {
  Registers registers;
  ByteReader entry(absl::string_view(static_cast<const char*>(buf->base), buf->len));
  ByteReader reader(entry.TakeString<uint32_t>(buf->len));
  if (!entry.ok()) return RAFT_MALFORMED;
  while (reader.ok() && !reader.AtEnd()) {
    const std::string key(reader.TakeString<uint32_t>(host::kRequestBytesMax));
    registers[key] = std::string(reader.TakeString<uint32_t>(host::kRequestBytesMax));
  }
  if (!reader.ok()) return RAFT_MALFORMED;
  *static_cast<Registers*>(fsm->data) = std::move(registers);
  raft_free(buf->base);
  return 0;
}

// ---- Clients. -----------------------------------------------------------------------------------------------------

class Host;

struct Client {
  Host* host = nullptr;
  uv_tcp_t socket{};
  std::string in;
  std::string out;
  bool closed = false;
  std::shared_ptr<Client> self;  // until libuv has let go of the socket
};
using ClientPtr = std::shared_ptr<Client>;

struct PendingApply {
  struct raft_apply request {};
  ClientPtr client;
  uint64_t id = 0;
};
struct PendingTransfer {
  struct raft_transfer request {};
  ClientPtr client;
  uint64_t id = 0;
  raft_id to = 0;
};
struct PendingWrite {
  uv_write_t request{};
  std::string bytes;
};

class Host {
 public:
  explicit Host(Flags flags) : flags_(std::move(flags)) {}

  // Runs until a signal. An error message, or an empty text.
  std::string Run();

 private:
  std::string StartRaft();
  std::string StartServing();
  void Stop();

  static Host* Of(const uv_handle_t* handle) { return static_cast<Host*>(handle->data); }
  static void Accept(uv_stream_t* listener, int status);
  static void Allocate(uv_handle_t*, size_t, uv_buf_t* buffer);
  static void Read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer);
  static void CloseClient(Client* client);

  void Handle(const ClientPtr& client, const host::Request& request);
  void Write(const ClientPtr& client, const host::Request& request);
  void Transfer(const ClientPtr& client, uint64_t id, raft_id to);
  void Answer(const ClientPtr& client, uint64_t id, const std::string& outcome);
  void Refuse(const ClientPtr& client, uint64_t id, host::Result result, const char* message);
  // Sends what has gathered in this turn of the loop, with one system call for each client.
  void Flush();
  raft_id Leader();
  std::string Status();

  const Flags flags_;
  Registers registers_;
  uv_loop_t loop_{};
  raft_uv_transport transport_{};
  raft_io io_{};
  raft_fsm fsm_{};
  raft raft_{};
  uv_tcp_t listener_{};
  uv_check_t after_io_{};
  uv_signal_t signals_[2] = {};
  std::set<ClientPtr> unsent_;
  std::string read_buffer_ = std::string(kReadBytes, '\0');
  bool stopping_ = false;
};

std::string Host::Run() {
  uv_loop_init(&loop_);
  std::string error = StartRaft();
  if (error.empty()) error = StartServing();
  if (error.empty()) uv_run(&loop_, UV_RUN_DEFAULT);
  return error;
}

std::string Host::StartRaft() {
  const auto failed = [](const char* what, int code, const char* detail) {
    return absl::StrCat(what, ": ", raft_strerror(code), " ", detail);
  };
  int code = raft_uv_tcp_init(&transport_, &loop_);
  if (code != 0) return failed("raft_uv_tcp_init", code, "");
  code = raft_uv_init(&io_, &loop_, flags_.directory.c_str(), &transport_);
  if (code != 0) return failed("raft_uv_init", code, io_.errmsg);
  fsm_.version = 1;
  fsm_.data = &registers_;
  fsm_.apply = Apply;
  fsm_.snapshot = TakeSnapshot;
  fsm_.restore = Restore;
  code = raft_init(&raft_, &io_, &fsm_, flags_.id, flags_.peers[flags_.id - 1].c_str());
  if (code != 0) return failed("raft_init", code, raft_errmsg(&raft_));
  raft_.data = this;

  raft_configuration configuration;
  raft_configuration_init(&configuration);
  for (size_t i = 0; i < flags_.peers.size(); ++i) {
    raft_configuration_add(&configuration, i + 1, flags_.peers[i].c_str(), RAFT_VOTER);
  }
  code = raft_bootstrap(&raft_, &configuration);
  raft_configuration_close(&configuration);
  // It was here before.
  if (code != 0 && code != RAFT_CANTBOOTSTRAP) return failed("raft_bootstrap", code, raft_errmsg(&raft_));

  raft_set_election_timeout(&raft_, flags_.election_timeout_ms);
  raft_set_heartbeat_timeout(&raft_, flags_.heartbeat_ms);
  raft_set_snapshot_threshold(&raft_, kSnapshotThreshold);
  raft_set_snapshot_trailing(&raft_, kSnapshotTrailing);
  code = raft_start(&raft_);
  return code == 0 ? "" : failed("raft_start", code, raft_errmsg(&raft_));
}

std::string Host::StartServing() {
  uv_tcp_init(&loop_, &listener_);
  listener_.data = this;
  sockaddr_in address{};
  uv_ip4_addr("127.0.0.1", flags_.client_port, &address);
  int code = uv_tcp_bind(&listener_, reinterpret_cast<const sockaddr*>(&address), 0);
  if (code == 0) code = uv_listen(reinterpret_cast<uv_stream_t*>(&listener_), 1024, Accept);
  if (code != 0) return absl::StrCat("can't listen on 127.0.0.1:", flags_.client_port, ": ", uv_strerror(code));
  uv_check_init(&loop_, &after_io_);
  after_io_.data = this;
  uv_check_start(&after_io_, [](uv_check_t* check) { static_cast<Host*>(check->data)->Flush(); });
  const int numbers[] = {SIGTERM, SIGINT};
  for (int i = 0; i < 2; ++i) {
    uv_signal_init(&loop_, &signals_[i]);
    signals_[i].data = this;
    uv_signal_start(
        &signals_[i], [](uv_signal_t* signal, int) { static_cast<Host*>(signal->data)->Stop(); }, numbers[i]);
  }
  return "";
}

void Host::Stop() {
  if (std::exchange(stopping_, true)) return;
  raft_close(&raft_, [](raft* closed) { uv_stop(&static_cast<Host*>(closed->data)->loop_); });
}

void Host::Accept(uv_stream_t* listener, int status) {
  if (status != 0) return;
  Host* host = Of(reinterpret_cast<uv_handle_t*>(listener));
  auto client = std::make_shared<Client>();
  client->host = host;
  client->self = client;
  uv_tcp_init(&host->loop_, &client->socket);
  client->socket.data = client.get();
  if (uv_accept(listener, reinterpret_cast<uv_stream_t*>(&client->socket)) != 0) return CloseClient(client.get());
  uv_tcp_nodelay(&client->socket, 1);
  uv_read_start(reinterpret_cast<uv_stream_t*>(&client->socket), Allocate, Read);
}

void Host::CloseClient(Client* client) {
  if (std::exchange(client->closed, true)) return;
  uv_close(reinterpret_cast<uv_handle_t*>(&client->socket),
           [](uv_handle_t* handle) { static_cast<Client*>(handle->data)->self.reset(); });
}

// One buffer for all: libuv reads into it and calls Read before it allocates again.
void Host::Allocate(uv_handle_t* handle, size_t, uv_buf_t* buffer) {
  std::string& shared = static_cast<Client*>(handle->data)->host->read_buffer_;
  *buffer = uv_buf_init(shared.data(), static_cast<unsigned>(shared.size()));
}

void Host::Read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) {
  const ClientPtr client = static_cast<Client*>(stream->data)->self;
  if (count < 0) return CloseClient(client.get());
  client->in.append(buffer->base, static_cast<size_t>(count));
  size_t taken = 0;
  while (true) {
    std::optional<absl::string_view> body;
    size_t consumed = 0;
    if (!host::TakeFrame(absl::string_view(client->in).substr(taken), host::kRequestBytesMax, &body, &consumed)) {
      return CloseClient(client.get());
    }
    if (!body.has_value()) break;
    taken += consumed;
    client->host->Handle(client, host::ParseRequest(*body));
  }
  client->in.erase(0, taken);
}

void Host::Handle(const ClientPtr& client, const host::Request& request) {
  const std::optional<host::Command> command = host::ParseCommand(request.command);
  if (!command.has_value()) return CloseClient(client.get());
  raft_id to = 0;
  switch (command->operation) {
    case host::Operation::kWrite:
      return Write(client, request);
    case host::Operation::kStatus:
      return Answer(client, request.id, host::EncodeOutcome(host::Result::kOk, Status()));
    case host::Operation::kTransfer:
      if (absl::SimpleAtoi(command->argument, &to)) return Transfer(client, request.id, to);
      break;
    default:
      break;
  }
  Refuse(client, request.id, host::Result::kNotApplied, "this host writes, tells its status and hands over");
}

void Host::Write(const ClientPtr& client, const host::Request& request) {
  raft_buffer buffer;
  buffer.len = EntryBytes(request.command.size());
  buffer.base = raft_malloc(buffer.len);
  FillEntry(request.command, buffer);
  auto* pending = new PendingApply{{}, client, request.id};
  pending->request.data = pending;
  const int code = raft_apply(&raft_, &pending->request, &buffer, 1, [](struct raft_apply* done, int status, void*) {
    const std::unique_ptr<PendingApply> ended(static_cast<PendingApply*>(done->data));
    Host* host = ended->client->host;
    if (status == 0) return host->Answer(ended->client, ended->id, host::EncodeOutcome(host::Result::kOk, ""));
    host->Refuse(ended->client, ended->id, host::Result::kUnknown, raft_strerror(status));
  });
  if (code == 0) return;
  raft_free(buffer.base);
  delete pending;
  Refuse(client, request.id, host::Result::kNotApplied, raft_strerror(code));
}

void Host::Transfer(const ClientPtr& client, uint64_t id, raft_id to) {
  auto* pending = new PendingTransfer{{}, client, id, to};
  pending->request.data = pending;
  const int code = raft_transfer(&raft_, &pending->request, to, [](struct raft_transfer* done) {
    const std::unique_ptr<PendingTransfer> ended(static_cast<PendingTransfer*>(done->data));
    Host* host = ended->client->host;
    if (host->Leader() == ended->to) {
      return host->Answer(ended->client, ended->id, host::EncodeOutcome(host::Result::kOk, ""));
    }
    host->Refuse(ended->client, ended->id, host::Result::kNotApplied, "the other one didn't become leader");
  });
  if (code == 0) return;
  delete pending;
  Refuse(client, id, host::Result::kNotApplied, raft_strerror(code));
}

void Host::Refuse(const ClientPtr& client, uint64_t id, host::Result result, const char* message) {
  host::Refusal refusal;
  const raft_id leader = Leader();
  if (leader != 0) refusal.leader = NodeId(static_cast<int32_t>(leader));
  refusal.message = message;
  Answer(client, id, host::EncodeRefusal(result, refusal));
}

void Host::Answer(const ClientPtr& client, uint64_t id, const std::string& outcome) {
  if (client->closed) return;
  host::AppendResponse(id, outcome, &client->out);
  unsent_.insert(client);
}

void Host::Flush() {
  for (const ClientPtr& client : std::exchange(unsent_, {})) {
    if (client->closed) continue;
    auto* stream = reinterpret_cast<uv_stream_t*>(&client->socket);
    uv_buf_t buffer = uv_buf_init(client->out.data(), static_cast<unsigned>(client->out.size()));
    const int sent = uv_try_write(stream, &buffer, 1);
    if (sent > 0) client->out.erase(0, static_cast<size_t>(sent));
    if (client->out.empty()) continue;
    auto* rest = new PendingWrite{{}, std::exchange(client->out, {})};
    rest->request.data = rest;
    buffer = uv_buf_init(rest->bytes.data(), static_cast<unsigned>(rest->bytes.size()));
    const int code = uv_write(&rest->request, stream, &buffer, 1,
                              [](uv_write_t* done, int) { delete static_cast<PendingWrite*>(done->data); });
    if (code != 0) {
      delete rest;
      CloseClient(client.get());
    }
  }
}

raft_id Host::Leader() {
  raft_id id = 0;
  const char* address = nullptr;
  raft_leader(&raft_, &id, &address);
  return id;
}

std::string Host::Status() {
  return absl::StrCat("leader=", Leader(), "\nlog_end=", raft_last_index(&raft_),
                      "\napplied_end=", raft_last_applied(&raft_), "\n");
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("A member of a Canonical raft cluster whose state is a set of named registers.");
  app.add_option("--id", flags.id, "this member, from 1 on")->required()->check(CLI::PositiveNumber);
  app.add_option("--directory", flags.directory, "an existing folder for log and snapshots")->required();
  app.add_option("--client-port", flags.client_port, "on 127.0.0.1")->required();
  app.add_option("--peer", flags.peers, "127.0.0.1:PORT of each member, in the order of the ids")->required();
  app.add_option("--election-timeout-ms", flags.election_timeout_ms, "raft_set_election_timeout");
  app.add_option("--heartbeat-ms", flags.heartbeat_ms, "raft_set_heartbeat_timeout");
  CLI11_PARSE(app, argc, argv);
  if (flags.id > flags.peers.size()) {
    absl::FPrintF(stderr, "error: --id %d, but there are only %d --peer\n", flags.id, flags.peers.size());
    return 1;
  }
  ::signal(SIGPIPE, SIG_IGN);  // libuv writes to sockets of peers that died
  // Never destroyed: libuv and raft hold pointers into it until the process ends.
  auto* host = new Host(std::move(flags));
  const std::string error = host->Run();
  if (error.empty()) return 0;
  absl::FPrintF(stderr, "error: %s\n", error);
  return 1;
}

}  // namespace
}  // namespace quorate::compare

int main(int argc, char** argv) { return quorate::compare::Main(argc, argv); }
