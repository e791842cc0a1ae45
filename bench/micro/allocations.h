// How often this program allocated: operator new, counted.
//
// Only what C++ code allocates is seen; what C libraries take from malloc isn't. That is what is wanted: the
// allocations are those of quorate, Abseil, protobuf and the standard library. Linking allocations.cc replaces the
// operators of the whole program.
//
// Thread-safe.
#ifndef QUORATE_BENCH_MICRO_ALLOCATIONS_H_
#define QUORATE_BENCH_MICRO_ALLOCATIONS_H_

#include <cstdint>

namespace quorate::bench {

struct Allocations {
  int64_t count = 0;
  int64_t bytes = 0;
};

// Since the program began.
Allocations AllocationsSoFar();

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_MICRO_ALLOCATIONS_H_
