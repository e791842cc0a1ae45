#include "testing/simulator/hooks.h"

#include <utility>

#include "base/simulation.h"
#include "base/xoshiro.h"
#include "testing/simulator/message_digest.h"

namespace quorate::testing::simulator {

#ifdef QUORATE_SIMULATION

class RunHooks::Impl final : public simulation::Hooks {
 public:
  Impl(RunHooks* owner, uint64_t seed, bool buggify, std::string mutant)
      : owner_(owner), seed_(seed), random_(seed * 31 + 7), buggify_(buggify), mutant_(std::move(mutant)) {
    before_ = std::exchange(simulation::hooks, this);
  }
  ~Impl() override { simulation::hooks = before_; }

  void Mark(absl::string_view name) override { ++owner_->marks_[std::string(name)]; }
  // A quarter of the sites take part in a run, each at a rate of its own.
  bool Buggify(absl::string_view site) override {
    if (!buggify_) return false;
    const uint64_t lot = BytesDigest(site, seed_);
    if (lot % 4 != 0) return false;
    return random_.Below(100) < 1 + (lot >> 8) % 50;
  }
  [[nodiscard]] bool IsMutant(absl::string_view id) const override {
    if (mutant_.empty() || id != mutant_) return false;
    owner_->mutant_was_reached_ = true;
    return true;
  }
  void StopBuggify() { buggify_ = false; }

 private:
  RunHooks* const owner_;
  const uint64_t seed_;
  Xoshiro random_;
  bool buggify_;
  const std::string mutant_;
  simulation::Hooks* before_ = nullptr;
};

RunHooks::RunHooks(uint64_t seed, bool buggify, std::string mutant)
    : impl_(std::make_unique<Impl>(this, seed, buggify, std::move(mutant))) {}
void RunHooks::StopBuggify() { impl_->StopBuggify(); }

HooksPause::HooksPause() : paused_(std::exchange(simulation::hooks, nullptr)) {}
HooksPause::~HooksPause() { simulation::hooks = static_cast<simulation::Hooks*>(paused_); }

#else

HooksPause::HooksPause() { (void)paused_; }
HooksPause::~HooksPause() = default;

class RunHooks::Impl {};

RunHooks::RunHooks(uint64_t, bool, std::string) {}
void RunHooks::StopBuggify() {}

#endif

RunHooks::~RunHooks() = default;

}  // namespace quorate::testing::simulator
