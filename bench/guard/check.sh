#!/usr/bin/env bash
# The guard: fails when a piece of the commit path takes over a tenth more instructions or allocations than
# bench/guard/expected.txt says. A machine that is busy, slow or hot counts the same, so this can stand in CI, where a
# time can't.
#
#   bench/guard/check.sh [--write] MICRO [BUILD]
#
#   MICRO    the program bench/micro/micro
#   BUILD    what it was built as, "Release GNU x86_64": the figures of expected.txt are of that build, and of no other
#   --write  puts what was counted into expected.txt: after a change that is worth what it costs, or saves something
#            that shall stay saved. Commit the file with the change.
#
# Allocations are counted by the program itself (operator new), instructions by callgrind inside the works only, without
# their preparation. Exits with 0 when all is within bounds, 1 when something grew, 77 when it can't be compared here.
set -euo pipefail
export LC_ALL=C

expected=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/expected.txt
tolerance=10 # per cent
skipped=77   # ctest's SKIP_RETURN_CODE

write=no
if [[ ${1:-} == --write ]]; then
  write=yes
  shift
fi
micro=${1:?the path of the program micro is missing}
build=${2:-Release GNU x86_64}

if [[ $build != "Release GNU x86_64" ]]; then
  echo "skipped: this is a build \"$build\"; the figures of expected.txt are those of \"Release GNU x86_64\""
  exit $skipped
fi

folder=$(mktemp -d "${TMPDIR:-/tmp}/quorate-guard-XXXXXX")
trap 'rm -rf "$folder"' EXIT

# "name operations allocations bytes", a line for each work.
"$micro" --fixed all --directory "$folder" >"$folder/works"

instructions=no
if command -v valgrind >/dev/null; then
  valgrind --quiet --tool=callgrind --toggle-collect=QuorateFixedWork --dump-after=QuorateFixedWork \
    --callgrind-out-file="$folder/calls" "$micro" --fixed all --directory "$folder" >"$folder/works.valgrind" \
    2>"$folder/valgrind.log" || {
    cat "$folder/valgrind.log" >&2
    echo "error: valgrind couldn't run $micro" >&2
    exit 1
  }
  instructions=yes
elif [[ $write == yes ]]; then
  echo "error: valgrind is needed to count instructions: apt-get install valgrind" >&2
  exit 1
fi

# "name instructions allocations", each for one operation.
line=0
while read -r name operations allocations _; do
  line=$((line + 1))
  total=-
  if [[ $instructions == yes ]]; then
    # One dump for each time that the function returned, in the order of the works.
    total=$(awk '$1 == "totals:" { print $2 }' "$folder/calls.$line")
    [[ -n $total ]] || { echo "error: callgrind wrote no total for $name" >&2 && exit 1; }
  fi
  awk -v name="$name" -v n="$operations" -v total="$total" -v allocations="$allocations" 'BEGIN {
    printf "%s %s %.3f\n", name, total == "-" ? "-" : sprintf("%.0f", total / n), allocations / n }'
done <"$folder/works" >"$folder/counted"

if [[ $write == yes ]]; then
  {
    echo "# What one operation of each of bench/micro's works takes: instructions (callgrind) and allocations (operator new)."
    echo "# bench/guard/check.sh fails on a growth of more than $tolerance %. To rewrite this file after a change that is"
    echo "# worth it:  bench/guard/check.sh --write build/release/bench/micro/micro"
    awk '{ printf "%-16s %10s %10s\n", $1, $2, $3 }' "$folder/counted"
  } >"$expected"
  echo "wrote $expected"
  exit 0
fi

awk -v tolerance="$tolerance" -v name_of_file="bench/guard/expected.txt" '
  function judge(what, old, new) {
    if (new == "-") return sprintf("%22s", "not counted")
    change = old > 0 ? (new - old) * 100 / old : (new > 0 ? 100 : 0)
    if (change > tolerance) {
      grown[++grown_count] = sprintf("%s: %s %s for each operation, %s expected: %+.0f %%", $1, new, what, old, change)
    } else if (change < -tolerance) {
      shrunk = 1
    }
    return sprintf("%12s %+8.1f%%", new, change)
  }
  FNR == NR { if ($1 !~ /^#/ && NF == 3) { instructions[$1] = $2; allocations[$1] = $3 } next }
  FNR == 1 { printf "%-16s %22s %22s\n", "work", "instructions", "allocations" }
  {
    seen[$1] = 1
    if (!($1 in instructions)) { grown[++grown_count] = $1 ": isn\x27t in " name_of_file; next }
    printf "%-16s %22s %22s\n", $1, judge("instructions", instructions[$1], $2), judge("allocations", allocations[$1], $3)
  }
  END {
    for (name in instructions) if (!(name in seen)) grown[++grown_count] = name ": is in " name_of_file ", but no work of micro"
    if (grown_count > 0) {
      print ""
      for (i = 1; i <= grown_count; ++i) print "error: " grown[i]
      print "If the change is worth it: bench/guard/check.sh --write build/release/bench/micro/micro, and commit the file."
      exit 1
    }
    if (shrunk) print "\nSomething is over " tolerance " % cheaper than expected.txt says. Write it down, so that it stays so:\n" \
                      "bench/guard/check.sh --write build/release/bench/micro/micro"
  }' "$expected" "$folder/counted"

if [[ $instructions == no ]]; then
  echo "skipped: valgrind isn't installed, so instructions weren't counted; allocations are within bounds"
  exit $skipped
fi
