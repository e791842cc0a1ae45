// File: metadata/shared_string.h
//
// An immutable string behind one pointer. A topic's name is kept by the topic and as the key of the
// name index; sharing the characters keeps that at 8 bytes each instead of a std::string's 32.
// Thread-safe to copy and to read.
#ifndef QUORATE_METADATA_SHARED_STRING_H_
#define QUORATE_METADATA_SHARED_STRING_H_

#include <atomic>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

#include "absl/strings/string_view.h"

namespace quorate::metadata {

class SharedString {
 public:
  SharedString() = default;
  explicit SharedString(absl::string_view text) {
    if (text.empty()) return;
    void* memory = ::operator new(sizeof(Block) + text.size());
    block_ = new (memory) Block{{1}, static_cast<uint32_t>(text.size())};
    std::memcpy(static_cast<char*>(memory) + sizeof(Block), text.data(), text.size());
  }
  SharedString(const SharedString& other) : block_(other.block_) {
    if (block_ != nullptr) block_->references.fetch_add(1, std::memory_order_relaxed);
  }
  SharedString(SharedString&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  SharedString& operator=(SharedString other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~SharedString() {
    if (block_ != nullptr && block_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      block_->~Block();
      ::operator delete(block_);
    }
  }

  [[nodiscard]] absl::string_view view() const {
    if (block_ == nullptr) return {};
    return {reinterpret_cast<const char*>(block_ + 1), block_->length};
  }

 private:
  struct Block {  // the characters follow
    std::atomic<uint32_t> references;
    uint32_t length;
  };
  Block* block_ = nullptr;
};

}  // namespace quorate::metadata

#endif  // QUORATE_METADATA_SHARED_STRING_H_
