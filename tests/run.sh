#!/usr/bin/env bash
# Builds quorate and runs every test. On a fresh Debian 12 it installs what is needed first (as root or through
# sudo). May be run again at any time: only what changed is built.
#
#   tests/run.sh                  everything
#   tests/run.sh -R raft          arguments go to ctest: only tests whose name matches
#   tests/run.sh -L cluster -V    those that start processes, with their output
#   QUORATE_PRESET=asan tests/run.sh     another build (CMakePresets.json): dev, asan, tsan, clang
#
# Exits with 0 when every test passed. Logs of the set-up are in build/logs/.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../cmake/setup.sh"

case ${1:-} in
  -h | --help)
    sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 0
    ;;
esac

setup_now_ms
started=$REPLY
setup_packages build checks
setup_build

setup_seconds_since "$started"
setup_say "Testing (set-up and build took $REPLY)"
exec ctest --test-dir "$SETUP_BUILD" --output-on-failure --no-tests=error -j "${QUORATE_JOBS:-$(nproc)}" "$@" </dev/null
