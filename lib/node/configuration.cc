// ParseServerProperties: from Kafka's keys to NodeOptions. Format, rules and remarks are elsewhere (properties.h,
// options_check.h, kafka_keys.h); here each key is read once.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "node/endpoint_text.h"
#include "node/kafka_keys.h"
#include "node/listener_security.h"
#include "node/options_check.h"
#include "node/properties.h"
#include "quorate/limits.h"
#include "quorate/node_options.h"
#include "quorate/status.h"

namespace quorate {
namespace {

using node::Property;

constexpr size_t kShownValueBytesMax = 200;

// Values are shown in messages and logs; they must not be able to forge lines there (fault F-X08).
std::string Shown(absl::string_view value) {
  std::string out;
  for (const char c : value.substr(0, kShownValueBytesMax)) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      absl::StrAppend(&out, "\\x", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
    } else {
      out.push_back(c);
    }
  }
  if (value.size() > kShownValueBytesMax) absl::StrAppend(&out, "…");
  return out;
}

class PropertiesReader {
 public:
  PropertiesReader(std::string file_name, std::vector<std::string>* warnings)
      : file_name_(std::move(file_name)), warnings_(warnings) {}

  void Load(absl::string_view text, const std::vector<std::pair<std::string, std::string>>& overrides) {
    node::ParsedProperties parsed = node::ParseProperties(text);
    for (const node::PropertyProblem& problem : parsed.problems) AddProblem(problem.line, problem.message);
    for (Property& property : parsed.properties) {
      auto [it, is_new] = properties_.emplace(property.key, property);
      if (is_new) continue;
      Warn(property.line, absl::StrCat(Shown(property.key), " is set a second time (first in line ", it->second.line,
                                       "): the later value counts"));
      it->second = std::move(property);
    }
    for (const auto& [key, value] : overrides) properties_[key] = Property{key, value, 0};
  }

  [[nodiscard]] bool Has(const std::string& key) const { return properties_.count(key) > 0; }

  const Property* Find(const std::string& key) {
    read_.insert(key);
    const auto it = properties_.find(key);
    return it == properties_.end() ? nullptr : &it->second;
  }

  void Integer(const std::string& key, int64_t min, int64_t max, absl::FunctionRef<void(int64_t)> set) {
    const Property* property = Find(key);
    if (property == nullptr) return;
    int64_t value = 0;
    if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(property->value), &value) || value < min || value > max) {
      Refuse(*property, absl::StrCat("must be a whole number from ", min, " to ", max));
      return;
    }
    set(value);
  }

  void Milliseconds(const std::string& key, int64_t min, absl::Duration* out) {
    Integer(key, min, INT32_MAX, [&](int64_t value) { *out = absl::Milliseconds(value); });
  }

  void Boolean(const std::string& key, bool* out) {
    const Property* property = Find(key);
    if (property == nullptr) return;
    const std::string text = absl::AsciiStrToLower(absl::StripAsciiWhitespace(property->value));
    if (text == "true" || text == "false") {
      *out = text == "true";
    } else {
      Refuse(*property, "must be true or false");
    }
  }

  void Text(const std::string& key, std::string* out) {
    if (const Property* property = Find(key)) *out = std::string(absl::StripAsciiWhitespace(property->value));
  }

  // The pieces between commas, without blanks around them. An empty value is an empty list.
  void List(const std::string& key, absl::FunctionRef<void(const Property&, absl::string_view)> each) {
    const Property* property = Find(key);
    if (property == nullptr || absl::StripAsciiWhitespace(property->value).empty()) return;
    for (absl::string_view piece : absl::StrSplit(property->value, ',')) {
      piece = absl::StripAsciiWhitespace(piece);
      if (piece.empty()) {
        Refuse(*property, "has an empty piece between its commas");
      } else {
        each(*property, piece);
      }
    }
  }

  void Refuse(const Property& property, absl::string_view what) {
    bad_keys_.insert(property.key);
    AddProblem(property.line, absl::StrCat(Shown(property.key), "=", Shown(property.value), ": ", what));
  }

  // A broken rule between keys; left out when one of them is wrong already.
  void Refuse(const node::OptionProblem& problem) {
    if (bad_keys_.count(problem.key) > 0) return;
    for (const std::string& key : problem.also_about) {
      if (bad_keys_.count(key) > 0) return;
    }
    if (const Property* property = Find(problem.key)) {
      AddProblem(property->line, absl::StrCat(problem.key, "=", Shown(property->value), ": ", problem.message));
    } else {
      AddProblem(0, absl::StrCat(problem.key, " (not set): ", problem.message));
    }
  }

  void Warn(const node::OptionProblem& problem) {
    const Property* property = Find(problem.key);
    Warn(property == nullptr ? 0 : property->line, absl::StrCat(problem.key, " ", problem.message));
  }

  void JudgeUnread() {
    std::vector<const Property*> unread;
    for (const auto& [key, property] : properties_) {
      if (read_.count(key) == 0) unread.push_back(&property);
    }
    std::stable_sort(unread.begin(), unread.end(), [](auto* a, auto* b) { return a->line < b->line; });
    for (const Property* property : unread) {
      const node::UnreadKey verdict = node::JudgeUnreadKey(property->key);
      const std::string text = absl::StrCat("the key '", Shown(property->key), "' ", verdict.remark);
      if (verdict.tolerated) {
        Warn(property->line, text);
      } else {
        AddProblem(property->line, text);
      }
    }
  }

  absl::Status Verdict() {
    if (problems_.empty()) return absl::OkStatus();
    std::stable_sort(problems_.begin(), problems_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::string message =
        absl::StrCat(file_name_, " has ", problems_.size(), problems_.size() == 1 ? " problem:" : " problems:");
    for (const auto& [line, text] : problems_) absl::StrAppend(&message, "\n  ", Place(line), text);
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, message);
  }

 private:
  std::string Place(int line) const {
    return line > 0 ? absl::StrCat(file_name_, ":", line, ": ") : absl::StrCat(file_name_, ": ");
  }
  void AddProblem(int line, std::string text) { problems_.emplace_back(line, std::move(text)); }
  void Warn(int line, absl::string_view text) {
    if (warnings_ != nullptr) warnings_->push_back(absl::StrCat(Place(line), text));
  }

  const std::string file_name_;
  std::vector<std::string>* const warnings_;
  std::map<std::string, Property> properties_;
  std::set<std::string> read_;
  std::set<std::string> bad_keys_;
  std::vector<std::pair<int, std::string>> problems_;
};

void ReadIdentity(PropertiesReader& reader, NodeOptions& options) {
  reader.List("process.roles", [&](const Property& property, absl::string_view role) {
    bool* flag = role == "broker" ? &options.is_broker : role == "controller" ? &options.is_controller : nullptr;
    if (flag == nullptr) {
      reader.Refuse(property, absl::StrCat("has '", Shown(role), "': allowed are broker and controller"));
    } else if (*flag) {
      reader.Refuse(property, absl::StrCat("has ", role, " twice"));
    } else {
      *flag = true;
    }
  });
  const auto set_id = [&](int64_t id) { options.id = NodeId(static_cast<int32_t>(id)); };
  const bool has_both = reader.Has("node.id") && reader.Has("broker.id");
  reader.Integer("broker.id", 0, INT32_MAX, set_id);
  const NodeId broker_id = options.id;
  reader.Integer("node.id", 0, INT32_MAX, set_id);
  if (has_both && broker_id.value() >= 0 && broker_id != options.id) {
    reader.Refuse(*reader.Find("broker.id"), "must be the same as node.id; better leave broker.id out");
  }
  reader.Text("broker.rack", &options.rack);
}

void ReadListeners(PropertiesReader& reader, NodeOptions& options) {
  const auto listeners_into = [&](std::vector<Endpoint>* out, bool may_be_any) {
    return [&reader, out, may_be_any](const Property& property, absl::string_view piece) {
      absl::StatusOr<Endpoint> endpoint = node::ParseListener(piece, may_be_any);
      if (endpoint.ok()) {
        out->push_back(*std::move(endpoint));
      } else {
        reader.Refuse(property, Shown(absl::string_view(endpoint.status().message())));
      }
    };
  };
  reader.List("listeners", listeners_into(&options.listeners, true));
  // Kafka's default.
  if (!reader.Has("listeners")) options.listeners.push_back(Endpoint{"PLAINTEXT", "", 9092});
  reader.List("advertised.listeners", listeners_into(&options.advertised_listeners, false));
  reader.List("controller.listener.names", [&](const Property&, absl::string_view name) {
    options.controller_listener_names.push_back(absl::AsciiStrToUpper(name));
  });
  reader.List("listener.security.protocol.map", [&](const Property& property, absl::string_view piece) {
    const std::pair<absl::string_view, absl::string_view> halves = absl::StrSplit(piece, absl::MaxSplits(':', 1));
    SecurityProtocol protocol;
    if (halves.first.empty() || !node::ParseProtocol(absl::AsciiStrToUpper(halves.second), &protocol)) {
      reader.Refuse(property, absl::StrCat("has '", Shown(piece),
                                           "': each piece is LISTENER:PROTOCOL with the protocol PLAINTEXT, SSL, "
                                           "SASL_PLAINTEXT or SASL_SSL"));
      return;
    }
    options.security_protocols.emplace_back(absl::AsciiStrToUpper(halves.first), protocol);
  });
  std::string name;
  reader.Text("inter.broker.listener.name", &name);
  options.inter_broker_listener = absl::AsciiStrToUpper(name);
  if (const Property* property = reader.Find("security.inter.broker.protocol")) {
    SecurityProtocol protocol;
    if (!options.inter_broker_listener.empty()) {
      reader.Refuse(*property, "must not be set together with inter.broker.listener.name; keep that one");
    } else if (!node::ParseProtocol(absl::AsciiStrToUpper(absl::StripAsciiWhitespace(property->value)), &protocol) ||
               protocol != SecurityProtocol::kPlaintext) {
      reader.Refuse(*property, "must be PLAINTEXT: this version of quorate speaks nothing else");
    }
  }
  if (const Property* property = reader.Find("control.plane.listener.name")) {
    reader.Refuse(*property,
                  "is not allowed in KRaft: controllers have listeners of their own (controller.listener.names)");
  }
}

void ReadQuorum(PropertiesReader& reader, NodeOptions& options) {
  const std::string listener =
      options.controller_listener_names.empty() ? std::string("CONTROLLER") : options.controller_listener_names[0];
  reader.List("controller.quorum.voters", [&](const Property& property, absl::string_view piece) {
    absl::StatusOr<Voter> voter = node::ParseVoter(piece, listener);
    if (voter.ok()) {
      options.static_voters.push_back(*std::move(voter));
    } else {
      reader.Refuse(property, Shown(absl::string_view(voter.status().message())));
    }
  });
  reader.List("controller.quorum.bootstrap.servers", [&](const Property& property, absl::string_view piece) {
    absl::StatusOr<Endpoint> server = node::ParseAddress(piece, false);
    if (!server.ok()) {
      reader.Refuse(property, Shown(absl::string_view(server.status().message())));
    } else if (node::IsAnyAddress(server->host)) {
      reader.Refuse(property, absl::StrCat("has '", piece, "': nobody can connect to that address"));
    } else {
      server->listener = listener;
      options.bootstrap_servers.push_back(*std::move(server));
    }
  });
  reader.Milliseconds("controller.quorum.election.timeout.ms", 1, &options.timeouts.election);
  reader.Milliseconds("controller.quorum.fetch.timeout.ms", 1, &options.timeouts.fetch);
  reader.Milliseconds("controller.quorum.election.backoff.max.ms", 1, &options.timeouts.election_backoff_max);
  reader.Milliseconds("controller.quorum.request.timeout.ms", 1, &options.timeouts.request);
  reader.Milliseconds("controller.quorum.retry.backoff.ms", 1, &options.timeouts.retry_backoff);
  // Who makes the fetch timeout short means that the leader shall be given up sooner still.
  options.timeouts.silence_min = std::min(options.timeouts.silence_min, options.timeouts.fetch);
  reader.Milliseconds("quorate.quorum.silence.min.ms", 1, &options.timeouts.silence_min);
  reader.Milliseconds("quorate.quorum.disk.stall.ms", 1, &options.timeouts.disk_stall);
  reader.Milliseconds("quorate.quorum.apply.stall.ms", 0, &options.timeouts.apply_stall);
  reader.Boolean("controller.quorum.auto.join.enable", &options.auto_join);
  reader.Integer("quorate.leader.priority", kPriorityNever, kPriorityMax,
                 [&](int64_t value) { options.leader_priority = static_cast<uint8_t>(value); });
}

void ReadData(PropertiesReader& reader, NodeOptions& options) {
  const auto add = [&](const Property&, absl::string_view directory) { options.log_dirs.emplace_back(directory); };
  // log.dir is only looked at when log.dirs isn't there.
  if (reader.Has("log.dirs")) {
    reader.List("log.dirs", add);
    reader.Find("log.dir");
  } else {
    reader.List("log.dir", add);
  }
  reader.Text("metadata.log.dir", &options.metadata_log_dir);
  reader.Integer("metadata.log.segment.bytes", 8 << 20, 1 << 30,
                 [&](int64_t value) { options.metadata_segment_bytes = static_cast<uint64_t>(value); });
  reader.Integer("metadata.log.max.record.bytes.between.snapshots", 1, INT64_MAX,
                 [&](int64_t value) { options.snapshots.log_bytes = static_cast<uint64_t>(value); });
  reader.Milliseconds("metadata.log.max.snapshot.interval.ms", 0, &options.snapshots.interval);
  reader.Integer("quorate.snapshot.send.bytes.per.second", 0, INT64_MAX,
                 [&](int64_t value) { options.snapshots.send_bytes_per_second = static_cast<uint64_t>(value); });
  reader.Milliseconds("quorate.start.backoff.max.ms", 0, &options.start_backoff_max);
}

void ReadBrokersAndTopics(PropertiesReader& reader, NodeOptions& options) {
  reader.Milliseconds("broker.heartbeat.interval.ms", 1, &options.broker_heartbeat_interval);
  reader.Milliseconds("broker.session.timeout.ms", 1, &options.broker_session_timeout);
  reader.Milliseconds("initial.broker.registration.timeout.ms", 1, &options.initial_registration_timeout);
  reader.Boolean("controlled.shutdown.enable", &options.controlled_shutdown);
  reader.Integer("num.partitions", 1, limits::kPartitionsPerTopicMax,
                 [&](int64_t value) { options.num_partitions = static_cast<int32_t>(value); });
  reader.Integer("default.replication.factor", 1, INT16_MAX,
                 [&](int64_t value) { options.default_replication_factor = static_cast<int16_t>(value); });
  reader.Boolean("delete.topic.enable", &options.delete_topics);
  reader.Boolean("unclean.leader.election.enable", &options.unclean_leader_election);
  reader.Milliseconds("metadata.max.idle.interval.ms", 0, &options.metadata_idle_interval);
  reader.Integer("max.connections", 0, INT32_MAX,
                 [&](int64_t value) { options.connections_max = static_cast<int>(value); });
  reader.Integer("max.connections.per.ip", 0, INT32_MAX,
                 [&](int64_t value) { options.connections_per_address_max = static_cast<int>(value); });
}

}  // namespace

absl::StatusOr<NodeOptions> ParseServerProperties(absl::string_view text, const std::string& file_name,
                                                  const std::vector<std::pair<std::string, std::string>>& overrides,
                                                  std::vector<std::string>* warnings) {
  PropertiesReader reader(file_name, warnings);
  reader.Load(text, overrides);
  NodeOptions options;
  ReadIdentity(reader, options);
  ReadListeners(reader, options);
  ReadQuorum(reader, options);
  ReadData(reader, options);
  ReadBrokersAndTopics(reader, options);
  for (const node::OptionProblem& problem : node::CheckOptions(options)) reader.Refuse(problem);
  for (const node::OptionProblem& remark : node::QuestionableOptions(options)) reader.Warn(remark);
  reader.JudgeUnread();
  if (absl::Status verdict = reader.Verdict(); !verdict.ok()) return verdict;
  return options;
}

}  // namespace quorate
