#include "storage/identity_files.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/crc32c.h"
#include "base/little_endian.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "storage/layout.h"

namespace quorate::storage {
namespace {

constexpr absl::string_view kCrcKey = "#crc=";

// bootstrap.checkpoint: u32 magic "QRV1", u32 version, u64 u64 directory id, u8 has voters, u8 count,
// voters, u32 CRC-32C of everything before. A voter: i32 id, u64 u64 directory id, i16 i16 kraft.version range,
// u8 count of endpoints; an endpoint: listener and host as u8 length and bytes, u16 port.
constexpr uint32_t kBootstrapMagic = 0x31565251;
constexpr uint32_t kBootstrapVersion = 1;

absl::Status Invalid(absl::string_view what) { return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, what); }

void AppendUuid(const Uuid& id, std::string* out) {
  AppendLittleEndian(id.high(), out);
  AppendLittleEndian(id.low(), out);
}

Uuid TakeUuid(ByteReader* reader) {
  const auto high = reader->Take<uint64_t>();
  return Uuid(high, reader->Take<uint64_t>());
}

// Splits off the "#crc=" line, if there is one, and checks it.
absl::StatusOr<absl::string_view> CheckCrcLine(absl::string_view text, absl::string_view path) {
  const size_t at = text.rfind(kCrcKey);
  if (at == absl::string_view::npos || (at > 0 && text[at - 1] != '\n')) return text;
  const absl::string_view hex = absl::StripAsciiWhitespace(text.substr(at + kCrcKey.size()));
  uint32_t crc = 0;
  if (!absl::SimpleHexAtoi(hex, &crc)) {
    return CorruptionError(path, absl::StrCat("the #crc line holds \"", hex, "\", which is no hexadecimal number"));
  }
  const absl::string_view covered = text.substr(0, at);
  const uint32_t actual = Crc32c(covered);
  if (crc != actual) {
    return CorruptionError(path, absl::StrFormat("its CRC-32C is %08x, the #crc line says %08x (after a change by "
                                                 "hand, remove that line)",
                                                 actual, crc));
  }
  return covered;
}

template <typename Id>
absl::Status ParseId(absl::string_view path, absl::string_view key, absl::string_view value, Id* out) {
  absl::StatusOr<Id> id = Id::Parse(value);
  if (!id.ok()) return CorruptionError(path, absl::StrCat(key, ": ", id.status().message()));
  *out = *id;
  return absl::OkStatus();
}

absl::Status CheckVoter(const Voter& voter) {
  if (voter.key.id.value() < 0) return Invalid(absl::StrCat("voter id ", voter.key.id.value(), " is negative"));
  if (voter.endpoints.empty() || voter.endpoints.size() > limits::kEndpointsMax) {
    return Invalid(absl::StrCat("voter ", voter.key.id.value(), " has ", voter.endpoints.size(), " endpoints; 1 to ",
                                limits::kEndpointsMax, " are allowed"));
  }
  for (const Endpoint& endpoint : voter.endpoints) {
    if (endpoint.host.empty() || endpoint.host.size() > limits::kHostNameBytesMax ||
        endpoint.listener.size() > limits::kListenerNameBytesMax) {
      return Invalid(absl::StrCat("voter ", voter.key.id.value(), " has a listener name over ",
                                  limits::kListenerNameBytesMax, " bytes or a host name that isn't 1 to ",
                                  limits::kHostNameBytesMax, " bytes long"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string EncodeMetaProperties(const DirectoryIdentity& identity) {
  std::string text = absl::StrCat(
      "# Written by quorate storage format; read at every start.\n", "cluster.id=", identity.cluster_id.ToString(),
      "\ndirectory.id=", identity.directory_id.ToString(), "\nnode.id=", identity.node_id.value(), "\nversion=1\n");
  absl::StrAppendFormat(&text, "%s%08x\n", kCrcKey, Crc32c(text));
  return text;
}

absl::StatusOr<DirectoryIdentity> ParseMetaProperties(absl::string_view text, absl::string_view path) {
  absl::StatusOr<absl::string_view> checked = CheckCrcLine(text, path);
  if (!checked.ok()) return checked.status();
  DirectoryIdentity identity;
  std::set<std::string> seen;
  for (absl::string_view line : absl::StrSplit(*checked, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#' || line[0] == '!') continue;
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits('=', 1));
    const absl::string_view key = absl::StripAsciiWhitespace(parts.first);
    // Java's property writer puts a backslash before some characters of a value.
    const std::string value = absl::StrReplaceAll(absl::StripAsciiWhitespace(parts.second), {{"\\", ""}});
    if (!seen.insert(std::string(key)).second) return CorruptionError(path, absl::StrCat(key, " is there twice"));
    absl::Status status;
    int32_t number = 0;
    if (key == "cluster.id") {
      status = ParseId(path, key, value, &identity.cluster_id);
    } else if (key == "directory.id") {
      status = ParseId(path, key, value, &identity.directory_id);
    } else if (key == "node.id") {
      if (!absl::SimpleAtoi(value, &number) || number < 0) {
        status = CorruptionError(path, absl::StrCat("node.id is \"", value, "\", it must be a number from 0 on"));
      }
      identity.node_id = NodeId(number);
    } else if (key == "version" && value != "1") {
      status = CorruptionError(path, absl::StrCat("version is \"", value, "\", this build reads version 1"));
    }
    if (!status.ok()) return status;
  }
  for (const char* key : {"cluster.id", "directory.id", "node.id", "version"}) {
    if (seen.count(key) == 0) return CorruptionError(path, absl::StrCat("the key ", key, " is missing"));
  }
  if (absl::Status status = CheckIdentity(identity); !status.ok()) return CorruptionError(path, status.message());
  return identity;
}

std::string EncodeBootstrap(const DirectoryIdentity& identity) {
  std::string out;
  AppendLittleEndian(kBootstrapMagic, &out);
  AppendLittleEndian(kBootstrapVersion, &out);
  AppendUuid(identity.directory_id.value(), &out);
  AppendLittleEndian(static_cast<uint8_t>(identity.initial_voters.has_value()), &out);
  const std::vector<Voter> voters = identity.initial_voters.value_or(std::vector<Voter>());
  AppendLittleEndian(static_cast<uint8_t>(voters.size()), &out);
  for (const Voter& voter : voters) {
    AppendLittleEndian(voter.key.id.value(), &out);
    AppendUuid(voter.key.directory.value(), &out);
    AppendLittleEndian(voter.kraft_version_min, &out);
    AppendLittleEndian(voter.kraft_version_max, &out);
    AppendLittleEndian(static_cast<uint8_t>(voter.endpoints.size()), &out);
    for (const Endpoint& endpoint : voter.endpoints) {
      for (const std::string* text : {&endpoint.listener, &endpoint.host}) {
        AppendLittleEndian(static_cast<uint8_t>(text->size()), &out);
        out += *text;
      }
      AppendLittleEndian(endpoint.port, &out);
    }
  }
  AppendLittleEndian(Crc32c(out), &out);
  return out;
}

absl::StatusOr<std::optional<std::vector<Voter>>> ParseBootstrap(absl::string_view bytes, DirectoryId directory,
                                                                 absl::string_view path) {
  if (bytes.size() < sizeof(uint32_t)) return CorruptionError(path, "the file is too short");
  const absl::string_view covered = bytes.substr(0, bytes.size() - sizeof(uint32_t));
  const auto crc = ReadLittleEndian<uint32_t>(covered.data() + covered.size());
  ByteReader reader(covered);
  if (reader.Take<uint32_t>() != kBootstrapMagic)
    return CorruptionError(path, "it doesn't start with the magic number");
  if (Crc32c(covered) != crc) {
    return CorruptionError(path, absl::StrCat("its CRC-32C is ", Crc32c(covered), ", it says ", crc));
  }
  if (const auto version = reader.Take<uint32_t>(); version != kBootstrapVersion) {
    return CorruptionError(path, absl::StrCat("format version ", version, ", this build reads version 1"));
  }
  if (const DirectoryId owner(TakeUuid(&reader)); owner != directory) {
    return CorruptionError(
        path, absl::StrCat("it belongs to directory ", owner.ToString(), ", this is ", directory.ToString()));
  }
  const auto has_voters = reader.Take<uint8_t>();
  const auto count = reader.Take<uint8_t>();
  if (has_voters > 1 || count > limits::kVotersMax) {
    return CorruptionError(path, absl::StrCat(count, " voters; at most ", limits::kVotersMax, " are possible"));
  }
  std::vector<Voter> voters(count);
  for (Voter& voter : voters) {
    voter.key.id = NodeId(reader.Take<int32_t>());
    voter.key.directory = DirectoryId(TakeUuid(&reader));
    voter.kraft_version_min = reader.Take<int16_t>();
    voter.kraft_version_max = reader.Take<int16_t>();
    voter.endpoints.resize(std::min<size_t>(reader.Take<uint8_t>(), limits::kEndpointsMax));
    for (Endpoint& endpoint : voter.endpoints) {
      endpoint.listener = std::string(reader.TakeString<uint8_t>(limits::kListenerNameBytesMax));
      endpoint.host = std::string(reader.TakeString<uint8_t>(limits::kHostNameBytesMax));
      endpoint.port = reader.Take<uint16_t>();
    }
  }
  if (!reader.AtEnd()) return CorruptionError(path, "its voter records don't fill the file");
  if (has_voters == 0) return std::optional<std::vector<Voter>>();
  return std::optional<std::vector<Voter>>(std::move(voters));
}

absl::Status CheckIdentity(const DirectoryIdentity& identity) {
  if (identity.cluster_id.is_zero()) return Invalid("the cluster id must not be zero");
  if (identity.directory_id.value().is_reserved()) {
    return Invalid(absl::StrCat("directory id ", identity.directory_id.ToString(),
                                " is reserved; take a random one (`quorate storage random-uuid`)"));
  }
  if (identity.node_id.value() < 0) {
    return Invalid(absl::StrCat("node id ", identity.node_id.value(), " is negative; ids count from 0"));
  }
  if (!identity.initial_voters.has_value()) return absl::OkStatus();
  const std::vector<Voter>& voters = *identity.initial_voters;
  if (voters.empty() || voters.size() > limits::kVotersMax) {
    return Invalid(absl::StrCat("a voter set has 1 to ", limits::kVotersMax, " members, not ", voters.size()));
  }
  std::set<NodeId> ids;
  for (const Voter& voter : voters) {
    if (absl::Status status = CheckVoter(voter); !status.ok()) return status;
    if (!ids.insert(voter.key.id).second) {
      return Invalid(absl::StrCat("voter ", voter.key.id.value(), " is listed twice"));
    }
  }
  return absl::OkStatus();
}

}  // namespace quorate::storage
