#include "controller/registration_check.h"

#include <algorithm>
#include <string>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/strings/str_cat.h"
#include "controller/errors.h"
#include "quorate/limits.h"
#include "quorate/status.h"

namespace quorate::controller {
namespace {

absl::Status Invalid(const BrokerRegistrationRequest& request, absl::string_view what) {
  return MakeKafkaError(kInvalidRegistration,
                        absl::StrCat("The registration of broker ", request.broker.value(), " ", what, "."));
}

absl::Status CheckDirectories(const BrokerRegistrationRequest& request, const MetadataImage& image) {
  if (request.log_dirs.size() > limits::kLogDirsMax) {
    return Invalid(
        request, absl::StrCat("has ", request.log_dirs.size(), " directories; ", limits::kLogDirsMax, " is the limit"));
  }
  absl::btree_set<DirectoryId> own;
  for (const DirectoryId& directory : request.log_dirs) {
    if (directory.value().is_reserved()) {
      return Invalid(request, absl::StrCat("has the reserved directory id ", directory.ToString()));
    }
    if (!own.insert(directory).second) {
      return Invalid(request, absl::StrCat("has the directory id ", directory.ToString(), " twice"));
    }
  }
  absl::Status status;
  image.ForEachBroker([&](const BrokerInfo& other) {
    if (other.id == request.broker) return true;
    for (const DirectoryId& directory : other.log_dirs) {
      if (!own.contains(directory)) continue;
      status = Invalid(request, absl::StrCat("has the directory ", directory.ToString(), ", which is broker ",
                                             other.id.value(), "'s"));
    }
    return status.ok();
  });
  return status;
}

absl::Status CheckFeatures(const BrokerRegistrationRequest& request, const MetadataImage& image) {
  if (request.features.size() > limits::kFeaturesMax) {
    return Invalid(request,
                   absl::StrCat("has ", request.features.size(), " features; ", limits::kFeaturesMax, " is the limit"));
  }
  absl::btree_map<std::string, FeatureRange> ranges;
  for (const FeatureRange& range : request.features) {
    if (range.name.empty() || range.name.size() > limits::kTopicNameBytesMax || range.min < 0 ||
        range.max < range.min) {
      return Invalid(request,
                     absl::StrCat("has a feature without a proper name or range (", range.min, " to ", range.max, ")"));
    }
    if (!ranges.emplace(range.name, range).second) {
      return Invalid(request, absl::StrCat("has the feature ", range.name, " twice"));
    }
  }
  if (!ranges.contains(std::string(kMetadataVersionFeature))) {
    return Invalid(request, absl::StrCat("doesn't say which levels of ", kMetadataVersionFeature, " it supports"));
  }
  absl::Status status;
  image.ForEachFeature([&](absl::string_view name, int16_t level) {
    auto range = ranges.find(std::string(name));
    const int16_t min = range == ranges.end() ? int16_t{0} : range->second.min;
    const int16_t max = range == ranges.end() ? int16_t{0} : range->second.max;
    if (level < min || level > max) {
      status = MakeKafkaError(kUnsupportedVersion,
                              absl::StrCat("Broker ", request.broker.value(), " supports levels ", min, " to ", max,
                                           " of ", name, ", and this cluster is at level ", level, "."));
    }
    return status.ok();
  });
  return status;
}

absl::Status CheckEndpoints(const BrokerRegistrationRequest& request) {
  if (request.endpoints.empty()) return Invalid(request, "has no listener");
  if (request.endpoints.size() > limits::kEndpointsMax) {
    return Invalid(request, absl::StrCat("has ", request.endpoints.size(), " listeners; ", limits::kEndpointsMax,
                                         " is the limit"));
  }
  absl::btree_set<std::string> names;
  for (const BrokerEndpoint& endpoint : request.endpoints) {
    const Endpoint& address = endpoint.address;
    if (address.listener.empty() || address.listener.size() > limits::kListenerNameBytesMax) {
      return Invalid(request, absl::StrCat("has a listener name of ", address.listener.size(), " bytes; 1 to ",
                                           limits::kListenerNameBytesMax, " are allowed"));
    }
    if (!names.insert(address.listener).second) {
      return Invalid(request, absl::StrCat("has the listener ", address.listener, " twice"));
    }
    if (address.host.empty() || address.host.size() > limits::kHostNameBytesMax || address.port == 0) {
      return Invalid(request, absl::StrCat("has the listener ", address.listener, " without a proper host or port"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckRegistration(const BrokerRegistrationRequest& request, const MetadataImage& image) {
  if (request.broker < NodeId(0)) return Invalid(request, "has a negative broker id");
  if (request.incarnation.is_zero()) return Invalid(request, "has no incarnation id");
  if (request.rack && request.rack->size() > limits::kRackNameBytesMax) {
    return Invalid(request, absl::StrCat("has a rack name of ", request.rack->size(), " bytes; ",
                                         limits::kRackNameBytesMax, " is the limit"));
  }
  if (absl::Status status = CheckDirectories(request, image); !status.ok()) return status;
  if (absl::Status status = CheckFeatures(request, image); !status.ok()) return status;
  return CheckEndpoints(request);
}

}  // namespace quorate::controller
