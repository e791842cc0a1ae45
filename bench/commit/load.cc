#include "load.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace quorate::bench {
namespace {

constexpr absl::string_view kKeyPrefix = "key";

// The fields' names are the program's own on both sides; what is malformed is told, never guessed.
template <typename Value>
absl::StatusOr<Value> Parse(absl::string_view json, void (*read)(const nlohmann::json&, Value*)) {
  const nlohmann::json parsed = nlohmann::json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  Value value;
  try {
    read(parsed, &value);
  } catch (const nlohmann::json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("not what a load says: ", error.what()));
  }
  return value;
}

void ReadSpec(const nlohmann::json& json, LoadSpec* spec) {
  json.at("callers").get_to(spec->callers);
  json.at("rate").get_to(spec->rate);
  json.at("read").get_to(spec->read);
  json.at("threads").get_to(spec->threads);
  json.at("value_bytes").get_to(spec->value_bytes);
  json.at("keys").get_to(spec->keys);
  json.at("seconds").get_to(spec->seconds);
  json.at("warm_up").get_to(spec->warm_up);
  json.at("seed").get_to(spec->seed);
}

void ReadResult(const nlohmann::json& json, LoadResult* result) {
  json.at("measured").get_to(result->measured);
  json.at("succeeded").get_to(result->succeeded);
  json.at("failed").get_to(result->failed);
  json.at("failure").get_to(result->failure);
  json.at("seconds").get_to(result->seconds);
  json.at("p50_us").get_to(result->p50_us);
  json.at("p90_us").get_to(result->p90_us);
  json.at("p99_us").get_to(result->p99_us);
  json.at("p999_us").get_to(result->p999_us);
  json.at("max_us").get_to(result->max_us);
  json.at("cdf").get_to(result->cdf);
}

}  // namespace

std::string LoadSpec::ToJson() const {
  return nlohmann::json{{"callers", callers},
                        {"rate", rate},
                        {"read", read},
                        {"threads", threads},
                        {"value_bytes", value_bytes},
                        {"keys", keys},
                        {"seconds", seconds},
                        {"warm_up", warm_up},
                        {"seed", seed}}
      .dump();
}

absl::StatusOr<LoadSpec> LoadSpec::FromJson(absl::string_view json) { return Parse(json, ReadSpec); }

std::string LoadResult::ToJson() const {
  return nlohmann::json{{"measured", measured}, {"succeeded", succeeded}, {"failed", failed}, {"failure", failure},
                        {"seconds", seconds},   {"p50_us", p50_us},       {"p90_us", p90_us}, {"p99_us", p99_us},
                        {"p999_us", p999_us},   {"max_us", max_us},       {"cdf", cdf}}
      .dump();
}

absl::StatusOr<LoadResult> LoadResult::FromJson(absl::string_view json) { return Parse(json, ReadResult); }

LoadMeter::LoadMeter(const LoadSpec& spec, Instant start)
    : begin_(start + absl::Seconds(spec.warm_up)), end_(begin_ + absl::Seconds(spec.seconds)) {}

void LoadMeter::Succeeded(Instant called, Instant returned) {
  ++succeeded_;
  // What began within the time: in a steady state as many as ended within it.
  if (called >= begin_ && called < end_) latencies_.Record(returned.nanos() - called.nanos());
}

void LoadMeter::Failed(absl::string_view why) {
  if (failed_++ == 0) failure_ = std::string(why);
}

void LoadMeter::Merge(const LoadMeter& other) {
  latencies_.Merge(other.latencies_);
  succeeded_ += other.succeeded_;
  if (failed_ == 0) failure_ = other.failure_;
  failed_ += other.failed_;
}

LoadResult LoadMeter::Result() const {
  const auto microseconds = [this](double p) { return static_cast<double>(latencies_.Percentile(p)) / 1e3; };
  LoadResult result;
  result.measured = latencies_.count();
  result.succeeded = succeeded_;
  result.failed = failed_;
  result.failure = failure_;
  result.seconds = absl::ToDoubleSeconds(end_ - begin_);
  result.p50_us = microseconds(50);
  result.p90_us = microseconds(90);
  result.p99_us = microseconds(99);
  result.p999_us = microseconds(99.9);
  result.max_us = microseconds(100);
  result.cdf = latencies_.Cdf();
  return result;
}

CommandSource::CommandSource(const LoadSpec& spec, uint64_t stream)
    : spec_(spec),
      stream_(stream),
      random_(static_cast<std::minstd_rand::result_type>(spec.seed * 7919 + stream + 1)),
      key_(absl::StrCat(kKeyPrefix, "0000000")),
      value_(static_cast<size_t>(spec.read ? 0 : spec.value_bytes), 'v') {
  command_.operation = spec.read ? host::Operation::kRead : host::Operation::kWrite;
}

const host::Command& CommandSource::Next() {
  uint64_t number = random_() % static_cast<uint64_t>(spec_.keys);
  for (size_t digit = key_.size(); digit-- > kKeyPrefix.size(); number /= 10) {
    key_[digit] = static_cast<char>('0' + number % 10);
  }
  ++drawn_;
  if (!spec_.read) {
    const std::string unique = absl::StrCat(spec_.seed, "-", stream_, "-", drawn_, "-");
    const size_t length = std::min(unique.size(), value_.size());
    value_.replace(0, length, unique, 0, length);
  }
  command_.key = key_;
  command_.argument = value_;
  return command_;
}

}  // namespace quorate::bench
