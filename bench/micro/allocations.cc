#include "allocations.h"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace quorate::bench {
namespace {

// Constant-initialised: operator new is called before any constructor of this program.
std::atomic<int64_t> count{0};
std::atomic<int64_t> bytes{0};

void* Allocate(size_t size, size_t alignment) {
  count.fetch_add(1, std::memory_order_relaxed);
  bytes.fetch_add(static_cast<int64_t>(size), std::memory_order_relaxed);
  void* memory = nullptr;
  if (alignment <= alignof(std::max_align_t)) {
    memory = std::malloc(size == 0 ? 1 : size);
  } else if (posix_memalign(&memory, alignment, size) != 0) {
    memory = nullptr;
  }
  if (memory == nullptr) std::abort();
  return memory;
}

}  // namespace

Allocations AllocationsSoFar() {
  return {count.load(std::memory_order_relaxed), bytes.load(std::memory_order_relaxed)};
}

}  // namespace quorate::bench

// All forms that don't call another one of these, so that nothing is counted twice or not at all.
void* operator new(size_t size) { return quorate::bench::Allocate(size, 0); }
void* operator new[](size_t size) { return quorate::bench::Allocate(size, 0); }
void* operator new(size_t size, const std::nothrow_t&) noexcept { return quorate::bench::Allocate(size, 0); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return quorate::bench::Allocate(size, 0); }
void* operator new(size_t size, std::align_val_t alignment) {
  return quorate::bench::Allocate(size, static_cast<size_t>(alignment));
}
void* operator new[](size_t size, std::align_val_t alignment) {
  return quorate::bench::Allocate(size, static_cast<size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }
