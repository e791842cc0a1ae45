#!/usr/bin/env bash
# quorate beside etcd, ZooKeeper and Canonical's raft: the same failovers, transfers, commits and starts on each, in
# turn, on this machine. Three nodes of each, on loopback, with fsync on.
#
#   bench/compare/run.sh --install            installs the peers from Debian first; then the full run (an hour)
#   bench/compare/run.sh --quick              the same table from fewer trials, in under ten minutes
#   bench/compare/run.sh --only quorate,etcd  only these: quorate, etcd, zookeeper, craft
#   bench/compare/run.sh --out results        writes index.html, compare.md, compare.json, SVGs there (default: build/compare)
#
# Further flags go to the program (compare --help). A peer that isn't installed is named, and its column stays empty.
# The peers' own services are not started, neither now (policy-rc.d) nor at the next boot, unless they were installed
# before. Every process that is started is stopped again, whatever happens. QUORATE_BENCH_FOLDER says where the data
# goes (default: the temporary folder); it must be on a disk, or the fsyncs cost nothing.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../cmake/setup.sh"

# What each peer needs: to run, and to be driven.
COMPARE_PACKAGES=(etcd-server zookeeper libraft-dev libuv1-dev)

install=no
only=''
cell=5 # seconds
out=$SETUP_ROOT/build/compare
arguments=()
while (($# > 0)); do
  case $1 in
    -h | --help)
      sed -n '2,15s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    --install) install=yes ;;
    --out)
      out=$(realpath -m "${2:?--out needs a folder}")
      shift
      ;;
    --out=*) out=$(realpath -m "${1#--out=}") ;;
    --quick)
      cell=1
      arguments+=("$1")
      ;;
    --only)
      only=${2:?--only needs names}
      arguments+=("$1" "$2")
      shift
      ;;
    --only=*)
      only=${1#--only=}
      arguments+=("$1")
      ;;
    *) arguments+=("$1") ;;
  esac
  shift
done

# While this file exists and says 101, invoke-rc.d starts nothing that is being installed.
policy=/usr/sbin/policy-rc.d
as_root=()

allow_services() {
  if [[ -e $policy.before-quorate ]]; then
    "${as_root[@]}" mv -f "$policy.before-quorate" "$policy"
  elif [[ -e $policy ]] && grep -q 'bench/compare/run.sh' "$policy"; then
    "${as_root[@]}" rm -f "$policy"
  fi
}

forbid_services() {
  allow_services # what an earlier run left that was killed with SIGKILL
  trap allow_services EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  if [[ -e $policy ]]; then "${as_root[@]}" mv "$policy" "$policy.before-quorate"; fi
  printf '#!/bin/sh\n# Written by bench/compare/run.sh while it installs; removed afterwards.\nexit 101\n' |
    "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
}

install_peers() {
  local missing=()
  mapfile -t missing < <(setup_missing_packages "${COMPARE_PACKAGES[@]}")
  ((${#missing[@]} > 0)) || return 0
  setup_is_debian_12 || setup_fail "--install knows Debian 12 (bookworm), and this is $(setup_os_name)." \
    "Install etcd 3.4, ZooKeeper 3.8 and Canonical's raft 0.15 yourself, and leave --install out."
  if ((EUID != 0)); then
    command -v sudo >/dev/null || setup_fail "--install needs root, and there is no sudo." \
      "As root: apt-get install ${missing[*]}"
    sudo -v || setup_fail "sudo refused, so these packages can't be installed:" "${missing[*]}"
    as_root=(sudo)
  fi
  setup_say "Installing the peers with apt, without starting their services: ${missing[*]}"
  setup_run "apt-get update" apt-update \
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 update -q
  forbid_services
  setup_run "apt-get install" apt-install-peers "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install -y -q --no-install-recommends "${missing[@]}"
  setup_note "Installed in $REPLY."
  # Not at the next boot either. Only etcd-server brings a service; one that was there before stays as it was.
  if [[ " ${missing[*]} " == *" etcd-server "* ]]; then
    if [[ -d /run/systemd/system ]]; then "${as_root[@]}" systemctl --quiet disable etcd.service || true; fi
    "${as_root[@]}" update-rc.d etcd disable >/dev/null 2>&1 || true
  fi
  allow_services
  trap - EXIT INT TERM HUP
}

if [[ $install == yes ]]; then install_peers; fi
mapfile -t missing < <(setup_missing_packages "${COMPARE_PACKAGES[@]}" 2>/dev/null || true)
if ((${#missing[@]} > 0)) && [[ -z ${QUORATE_SKIP_SETUP:-} ]]; then
  setup_note "Not installed: ${missing[*]}. What they are needed for is left out; --install installs them."
fi

setup_packages build
# A library that came since the last configuration is only found by another one.
if [[ -e $SETUP_BUILD/build.ninja ]]; then setup_run "cmake" configure cmake --preset "$SETUP_PRESET"; fi
setup_build compare_all

# What no socket of a peer compares with, quorate's callers in the leader's process, comes from bench/commit.
figures=()
if [[ ${only:-quorate} == *quorate* ]]; then
  setup_say "Measuring commits by callers in the process"
  "$SETUP_BUILD/bench/commit/commit" --path in_process --callers 1,256,1000 --bytes 100,1024 --seconds "$cell" \
    --out "$out" >"$SETUP_LOGS/compare-commit.log"
  figures=(--figures "$out/commit.json")
fi
setup_say "Comparing; what is measured is told as it goes"
status=0
"$SETUP_BUILD/bench/compare/compare" --out "$out" "${figures[@]}" "${arguments[@]}" || status=$?
"$SETUP_BUILD/bench/report/report" "$out" >/dev/null
setup_say "The table is in $out/compare.md, a page with all pictures in $out/index.html"
exit $status
