// Tells the thread sanitizer what gRPC orders. Only in builds with -fsanitize=thread, where every program that links
// quorate::grpc gets it; this file itself is compiled without the sanitizer.
//
// Debian's gRPC isn't built for the sanitizer. So it doesn't see that what was done before an operation was started
// happens before that operation's completion, and reports each object that a call carries from thread to thread. To
// suppress what it says of stacks with gRPC in them would be easy, and would blind it to all that we do in a reaction,
// which is half of a node. Instead the two doors, through which gRPC sends work to other threads, are watched. Our
// definitions stand before those of the shared libraries, and call them:
//
//   grpc_call_start_batch       operations of a call; completed by the functor that is their tag
//   grpc_core::Executor::Run    closures (OnDone and OnCancel come by these); run with their argument
//
// At the door all that was done is published under the address of the functor or argument, and a function of ours takes
// the place of the one to be called: it takes over what was published there, and calls the original. There are few
// different functions, so that which one was replaced is known by the place in a table; no lock is needed, which would
// itself order things that nothing orders in the product.
//
// Only the callback API may be used in programs that have this: with other completion queues a tag is no functor.
#include <dlfcn.h>
#include <grpc/grpc.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <utility>

#include "absl/status/status.h"

extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);

// The beginning of gRPC's type of that name (src/core/lib/iomgr/closure.h), the same in all its versions of years.
struct grpc_closure {
  void* next;
  void (*run)(void* argument, absl::Status* error);  // gRPC passes the status by value, which is by its address
  void* argument;
};

namespace grpc_core {

enum class ExecutorType;
enum class ExecutorJobType;

class Executor {
 public:
  static void Run(grpc_closure* closure, absl::Status error, ExecutorType type, ExecutorJobType length);
};

}  // namespace grpc_core

namespace {

constexpr size_t kFunctionsMax = 64;

// Replaces functions of one type by ones that acquire their first argument, and then call the original.
template <typename First, typename Second>
class Door {
 public:
  using Function = void (*)(First*, Second);

  static void Watch(Function* function) {
    static constexpr std::array<Function, kFunctionsMax> kWatched =
        AllWatched(std::make_index_sequence<kFunctionsMax>());
    for (const Function watched : kWatched) {
      if (*function == watched) return;
    }
    for (size_t i = 0; i < kFunctionsMax; ++i) {
      Function known = nullptr;
      if (__atomic_compare_exchange_n(&originals_[i], &known, *function, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
          known == *function) {
        *function = kWatched[i];
        return;
      }
    }
    std::abort();  // more kinds of functions than gRPC has
  }

 private:
  template <size_t i>
  static void RunWatched(First* first, Second second) {
    __tsan_acquire(first);
    __atomic_load_n(&originals_[i], __ATOMIC_ACQUIRE)(first, second);
  }
  template <size_t... i>
  static constexpr std::array<Function, kFunctionsMax> AllWatched(std::index_sequence<i...>) {
    return {RunWatched<i>...};
  }

  static inline Function originals_[kFunctionsMax] = {};
};

// What stands behind our definition of a function: the shared library's.
template <typename Function>
Function Behind(Function ours) {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(ours), &info) == 0 || info.dli_sname == nullptr) std::abort();
  void* theirs = dlsym(RTLD_NEXT, info.dli_sname);
  if (theirs == nullptr) std::abort();
  return reinterpret_cast<Function>(theirs);
}

}  // namespace

extern "C" grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* operations, size_t count, void* tag,
                                                 void* reserved) {
  static const auto theirs = Behind(&grpc_call_start_batch);
  if (tag != nullptr) {
    Door<grpc_completion_queue_functor, int>::Watch(&static_cast<grpc_completion_queue_functor*>(tag)->functor_run);
    __tsan_release(tag);
  }
  return theirs(call, operations, count, tag, reserved);
}

void grpc_core::Executor::Run(grpc_closure* closure, absl::Status error, ExecutorType type, ExecutorJobType length) {
  static const auto theirs = Behind(&grpc_core::Executor::Run);
  Door<void, absl::Status*>::Watch(&closure->run);
  __tsan_release(closure->argument);
  theirs(closure, std::move(error), type, length);
}
