// Lets the thread sanitizer see how gRPC counts what refers to a call that is served: beside tsan_grpc.cc, but compiled
// with the sanitizer.
//
// A served call ends (OnDone) when the last of several counted references is gone, and whoever drops it knows all that
// the others did. The counting is in a template of gRPC's headers, which libgrpc++ has a copy of: instantiated here, it
// is ours that programs and the library use, and its atomics are instrumented. Where the library drops a reference
// itself, the door that it goes through then looks at the counter once more.
#include <dlfcn.h>
#include <grpcpp/server.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <cstdlib>

#include "grpcpp/impl/codegen/server_callback_handlers.h"

extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);

template class grpc::internal::CallbackBidiHandler<grpc::ByteBuffer, grpc::ByteBuffer>;

namespace {

// The address under which ends of calls are published, for those who wait for a server's last.
char ended_calls;

template <typename Function>
Function Behind(const char* name) {
  void* theirs = dlsym(RTLD_NEXT, name);
  if (theirs == nullptr) std::abort();
  return reinterpret_cast<Function>(theirs);
}

}  // namespace

namespace grpc {

namespace internal {

void ServerCallbackCall::ScheduleOnDone(bool inline_ondone) {
  static const auto theirs =
      Behind<void (*)(ServerCallbackCall*, bool)>("_ZN4grpc8internal18ServerCallbackCall14ScheduleOnDoneEb");
  (void)callbacks_outstanding_.load(std::memory_order_acquire);
  __tsan_release(&ended_calls);
  theirs(this, inline_ondone);
}

void ServerCallbackCall::CallOnCancel(ServerReactor* reactor) {
  static const auto theirs = Behind<void (*)(ServerCallbackCall*, ServerReactor*)>(
      "_ZN4grpc8internal18ServerCallbackCall12CallOnCancelEPNS0_13ServerReactorE");
  (void)on_cancel_conditions_remaining_.load(std::memory_order_acquire);
  theirs(this, reactor);
}

}  // namespace internal

void Server::Wait() {
  static const auto theirs = Behind<void (*)(Server*)>("_ZN4grpc6Server4WaitEv");
  theirs(this);
  __tsan_acquire(&ended_calls);
}

}  // namespace grpc
