#include "cli/storage_info.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/storage_format.h"
#include "quorate/storage_adapters.h"

namespace quorate::cli {

namespace {

using Json = nlohmann::ordered_json;

struct Findings {
  std::vector<std::string> directories;  // those that exist
  std::optional<DirectoryIdentity> identity;
  std::vector<std::string> problems;
};

// Is the way in which the metadata directory was formatted the one that the configuration expects?
void CheckQuorumKind(const NodeOptions& options, const DirectoryIdentity& identity, Findings* findings) {
  if (identity.initial_voters && !options.static_voters.empty()) {
    findings->problems.push_back(
        "The directory was formatted for a dynamic quorum, and the configuration has controller.quorum.voters, which "
        "is ignored then; use controller.quorum.bootstrap.servers.");
  }
}

void Look(const Context& context, const NodeOptions& options, const std::string& path, Findings* findings) {
  const auto problem = [&](const std::string& text) { findings->problems.push_back(text); };
  absl::StatusOr<bool> exists = context.files->Exists(path);
  if (!exists.ok()) return problem(std::string(exists.status().message()));
  if (!*exists) return problem(absl::StrCat(path, " does not exist"));
  absl::StatusOr<bool> directory = context.files->IsDirectory(path);
  if (!directory.ok()) return problem(std::string(directory.status().message()));
  if (!*directory) return problem(absl::StrCat(path, " is not a directory"));
  findings->directories.push_back(path);
  auto identity = ReadDirectoryIdentity(context.files, path);
  if (!identity.ok()) {
    return problem(absl::StrCat("Error loading ", path, "/meta.properties: ", identity.status().message()));
  }
  if (!identity->has_value()) return problem(absl::StrCat(path, " is not formatted."));
  const DirectoryIdentity& found = **identity;
  if (found.node_id != options.id) {
    problem(
        absl::StrCat(path, " belongs to node ", found.node_id.value(), ", and node.id is ", options.id.value(), "."));
  }
  if (findings->identity && findings->identity->cluster_id != found.cluster_id) {
    problem(absl::StrCat(path, " belongs to cluster ", found.cluster_id.ToString(),
                         ", and another directory to cluster ", findings->identity->cluster_id.ToString(), "."));
  }
  if (path == options.metadata_dir()) CheckQuorumKind(options, found, findings);
  if (!findings->identity) findings->identity = found;
}

void PrintHuman(std::ostream& out, const Findings& findings) {
  if (!findings.directories.empty()) {
    out << (findings.directories.size() == 1 ? "Found log directory:\n" : "Found log directories:\n");
    for (const std::string& path : findings.directories) out << "  " << path << '\n';
    out << '\n';
  }
  if (findings.identity) {
    out << "Found metadata: {cluster.id=" << findings.identity->cluster_id.ToString()
        << ", directory.id=" << findings.identity->directory_id.ToString()
        << ", node.id=" << findings.identity->node_id.value() << ", version=1}\n\n";
  }
  if (!findings.problems.empty()) {
    out << (findings.problems.size() == 1 ? "Found problem:\n" : "Found problems:\n");
    for (const std::string& problem : findings.problems) out << "  " << problem << '\n';
    out << '\n';
  }
}

void PrintJson(std::ostream& out, const Findings& findings) {
  Json metadata = nullptr;
  if (findings.identity) {
    metadata = Json{{"clusterId", findings.identity->cluster_id.ToString()},
                    {"directoryId", findings.identity->directory_id.ToString()},
                    {"nodeId", findings.identity->node_id.value()},
                    {"version", 1}};
    Json voters = nullptr;
    if (findings.identity->initial_voters) {
      voters = Json::array();
      for (const Voter& voter : *findings.identity->initial_voters) {
        Json endpoints = Json::array();
        for (const Endpoint& endpoint : voter.endpoints) endpoints.push_back(endpoint.ToString());
        voters.push_back(Json{{"id", voter.key.id.value()},
                              {"directoryId", voter.key.directory.ToString()},
                              {"endpoints", std::move(endpoints)}});
      }
    }
    metadata["initialVoters"] = std::move(voters);
  }
  out << Json{{"directories", findings.directories}, {"metadata", std::move(metadata)}, {"problems", findings.problems}}
             .dump(2)
      << '\n';
}

}  // namespace

int RunStorageInfo(const InfoArgs& args, const Context& context) {
  absl::StatusOr<NodeOptions> options = ReadNodeOptions(context, args.config, {});
  if (!options.ok()) return Fail(context, options.status());
  Findings findings;
  for (const std::string& path : DirectoriesOf(*options)) Look(context, *options, path, &findings);
  if (args.format == OutputFormat::kJson) {
    PrintJson(*context.out, findings);
  } else {
    PrintHuman(*context.out, findings);
  }
  return findings.problems.empty() ? kExitOk : kExitFailure;
}

}  // namespace quorate::cli
