#!/bin/sh
# One seed, one history, whichever compiler built it: builds quorate-sim with gcc (preset release) and with clang (preset
# clang), runs the same seeds with both and compares the hashes of everything that happened.
#
#   tests/simulator/two_compilers.sh [FIRST..LAST]        default 1..60
#
# Not in ctest, as it builds the library twice. Exit code 77 when there is no clang (a skip, as automake has it).
set -eu
cd "$(dirname "$0")/../.."
seeds=${1:-1..60}
command -v clang++ > /dev/null || { echo "skipped: there is no clang++"; exit 77; }
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for preset in release clang; do
  cmake --preset $preset > "$out/log" 2>&1 || { cat "$out/log"; exit 1; }
  cmake --build build/$preset --target quorate-sim > "$out/log" 2>&1 || { cat "$out/log"; exit 1; }
  build/$preset/tests/simulator/quorate-sim --seeds "$seeds" --hashes 2> /dev/null | grep '^seed' > "$out/$preset"
done
if ! diff "$out/release" "$out/clang"; then
  echo "gcc (<) and clang (>) make two histories of a seed. To see where: both with --seeds N --trace, and cmp" >&2
  echo "the outputs. The usual reason is two draws in one expression: the order of a call's arguments is open." >&2
  exit 1
fi
echo "$(wc -l < "$out/clang") seeds, the same hashes with gcc and clang"
