// Which machine, how busy: a figure without it says nothing.
#ifndef QUORATE_BENCH_SUPPORT_MACHINE_H_
#define QUORATE_BENCH_SUPPORT_MACHINE_H_

#include <nlohmann/json.hpp>
#include <string>

namespace quorate::bench {

// cpu, cores, memory_mib, kernel, load (the last minute's), and fdatasync_us: the median of 64 fdatasyncs of 4 KiB
// into blocks that were written before, in the temporary folder (QUORATE_BENCH_FOLDER, TMPDIR, /tmp; 0 when that
// can't be written).
nlohmann::json DescribeMachine();

// Where benchmarks put their data: QUORATE_BENCH_FOLDER, else the temporary folder. On a disk, not on tmpfs, or the
// fsyncs cost nothing.
std::string BenchFolder();

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_SUPPORT_MACHINE_H_
