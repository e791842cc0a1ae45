// File: quorate/testing/transport_conformance.h
//
// What every Transport must do, as checks that run on any adapter: quorate's own run them, and a host that brings a
// transport should. The adapter's test supplies a harness; each check makes the hosts that it needs, and returns OK
// or a sentence that says what went wrong:
//
//   for (const TransportCheck& check : TransportConformanceChecks()) {
//     MyHarness harness;
//     absl::Status status = check.run(&harness);   // report check.name and status
//   }
//
// The checks wait for conditions, never for time to pass, so the harness decides what waiting means: a real
// adapter polls with a deadline, a simulated one runs its executor. They know no test framework.
//
// Not covered, because it can't be provoked through the interface: bounded queues towards a peer that doesn't read
// (limits::kPeerSendQueueBytesMax), hostile bytes. An adapter with a wire of its own tests those itself.
#ifndef QUORATE_TESTING_TRANSPORT_CONFORMANCE_H_
#define QUORATE_TESTING_TRANSPORT_CONFORMANCE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "quorate/transport.h"

namespace quorate::testing {

// One address with a transport behind it.
class TransportHost {
 public:
  virtual ~TransportHost() = default;
  [[nodiscard]] virtual Endpoint endpoint() const = 0;
  // Reachable under endpoint() once it is started. Null while down.
  virtual Transport* transport() = 0;
  // Goes away as a crashed process does: connections break, nothing is said. Stops the transport.
  virtual void TakeDown() = 0;
  // Comes back at the same address with a new transport, not yet started.
  virtual void BringUp() = 0;
};

class TransportHarness {
 public:
  virtual ~TransportHarness() = default;
  // A host at an address of its own, up, its transport not yet started.
  virtual std::unique_ptr<TransportHost> MakeHost() = 0;
  // Lets things happen until `condition` holds; false when it didn't within a generous while.
  virtual bool WaitFor(absl::FunctionRef<bool()> condition) = 0;
};

struct TransportCheck {
  std::string name;
  std::function<absl::Status(TransportHarness*)> run;
};

std::vector<TransportCheck> TransportConformanceChecks();

// One message of each type with no field at its default, to `to`, as `from` would send it. Useful for adapters' own
// tests, too.
std::vector<Message> SampleMessages(const TransportIdentity& from, const TransportIdentity& to);
// Whether both say the same; batches are compared by their bytes.
bool SameMessage(const Message& a, const Message& b);

}  // namespace quorate::testing

#endif  // QUORATE_TESTING_TRANSPORT_CONFORMANCE_H_
