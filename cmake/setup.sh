# Sourced by the scripts that people run (examples/three_node_cluster/run.sh, tests/run.sh): makes a fresh
# Debian 12 able to build quorate, then configures and builds it, and says what it does. Everything here is
# idempotent; on a machine that has it all, it takes a moment and prints a line.
#
#   source cmake/setup.sh
#   setup_packages build          # or: setup_packages build checks
#   setup_build quorate …         # targets; none: everything
#
# QUORATE_SKIP_SETUP=1 skips the packages (another distribution, no root), QUORATE_PRESET picks another
# CMake preset than release, QUORATE_JOBS the number of compilers at a time.
#
# Bash only, and only programs that a minimal Debian has: nothing else can be counted on before apt ran.

SETUP_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SETUP_PRESET=${QUORATE_PRESET:-release}
SETUP_BUILD=$SETUP_ROOT/build/$SETUP_PRESET
SETUP_LOGS=$SETUP_ROOT/build/logs
SETUP_INSTALLED='' # not empty: setup_packages installed something

# docs/dependencies.md says what each is for.
SETUP_PACKAGES_build=(build-essential cmake ninja-build ccache pkg-config libabsl-dev libgrpc++-dev libprotobuf-dev
  protobuf-compiler protobuf-compiler-grpc libisal-dev libcli11-dev libspdlog-dev nlohmann-json3-dev catch2 libbenchmark-dev)
SETUP_PACKAGES_checks=(clang-format clang-tidy strace valgrind)

if [[ -t 1 && ${TERM:-dumb} != dumb && -z ${NO_COLOR:-} ]]; then
  SETUP_BOLD=$'\e[1m' SETUP_DIM=$'\e[2m' SETUP_RED=$'\e[31m' SETUP_GREEN=$'\e[32m' SETUP_OFF=$'\e[0m'
else
  SETUP_BOLD='' SETUP_DIM='' SETUP_RED='' SETUP_GREEN='' SETUP_OFF=''
fi

setup_say() { printf '%s==>%s %s\n' "$SETUP_BOLD" "$SETUP_OFF" "$*"; }
setup_note() { printf '    %s\n' "$*"; }
setup_fail() {
  printf '%serror:%s %s\n' "$SETUP_RED" "$SETUP_OFF" "$1" >&2
  shift
  (($# == 0)) || printf '       %s\n' "$@" >&2
  exit 1
}

# Seconds since the epoch with milliseconds, without a subprocess.
setup_now_ms() { local t=${EPOCHREALTIME/[.,]/}; REPLY=$((t / 1000)); }

setup_seconds_since() {
  setup_now_ms
  local ms=$((REPLY - $1))
  printf -v REPLY '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100))
}

# Shows the last line of a growing log, until the command that writes it is over. On a terminal it rewrites one
# line; elsewhere it says something every 15 seconds, so that a log of CI shows life without drowning.
setup_watch() {
  local log=$1 started=$2 owner=$$ last='' ticks=0 width
  while kill -0 "$owner" 2>/dev/null; do
    sleep 0.5
    ((++ticks))
    last=$(tail -c 400 "$log" 2>/dev/null | tr '\r' '\n' | tail -n 1)
    setup_seconds_since "$started"
    if [[ -t 1 ]]; then
      width=$(($(tput cols 2>/dev/null || echo 100) - 16))
      ((width < 20)) && width=20
      printf '\r\e[K    %s%s  %s%s' "$SETUP_DIM" "$REPLY" "${last:0:width}" "$SETUP_OFF"
    elif ((ticks % 30 == 0)); then
      printf '    %s  %s\n' "$REPLY" "${last:0:110}"
    fi
  done
}

# setup_run WHAT LOGNAME COMMAND…: runs it with its output in a log, shows progress, and on failure the log's end.
setup_run() {
  local what=$1 log=$SETUP_LOGS/$2.log started watcher status=0
  shift 2
  mkdir -p "$SETUP_LOGS"
  setup_now_ms
  started=$REPLY
  : >"$log"
  setup_watch "$log" "$started" &
  watcher=$!
  "$@" >"$log" 2>&1 </dev/null || status=$?
  kill "$watcher" 2>/dev/null || true
  wait "$watcher" 2>/dev/null || true
  [[ -t 1 ]] && printf '\r\e[K'
  setup_seconds_since "$started"
  if ((status != 0)); then
    printf '%serror:%s %s failed after %s. The end of %s:\n\n' "$SETUP_RED" "$SETUP_OFF" "$what" "$REPLY" "$log" >&2
    tail -n 40 "$log" >&2
    exit 1
  fi
}

setup_is_debian_12() {
  [[ -r /etc/os-release ]] || return 1
  local ID='' VERSION_ID=''
  # shellcheck disable=SC1091
  source /etc/os-release
  [[ $ID == debian && $VERSION_ID == 12 ]]
}

setup_os_name() {
  local PRETTY_NAME='an unknown system'
  # shellcheck disable=SC1091
  [[ -r /etc/os-release ]] && source /etc/os-release
  printf '%s' "$PRETTY_NAME"
}

# Prints those of the given packages that aren't installed.
setup_missing_packages() {
  local installed package
  # The output of dpkg-query for several packages lacks those it never heard of, and its status says so: expected.
  installed=" $(dpkg-query -W -f '${db:Status-Abbrev}${Package} ' "$@" 2>/dev/null || true)"
  for package in "$@"; do
    [[ $installed == *" ii $package "* || $installed == *"ii  $package "* ]] || printf '%s\n' "$package"
  done
}

# setup_packages SET…: installs what is missing of the package sets (build, checks).
setup_packages() {
  [[ -z ${QUORATE_SKIP_SETUP:-} ]] || return 0
  local set wanted=() missing=() as_root=()
  for set in "$@"; do
    local -n packages=SETUP_PACKAGES_$set
    wanted+=("${packages[@]}")
  done
  if ! setup_is_debian_12; then
    setup_fail "this script sets up Debian 12 (bookworm), and this is $(setup_os_name)." \
      "With the counterparts of these packages installed, set QUORATE_SKIP_SETUP=1 to go on without them being checked:" \
      "${wanted[*]}"
  fi
  mapfile -t missing < <(setup_missing_packages "${wanted[@]}")
  ((${#missing[@]} > 0)) || return 0

  if ((EUID != 0)); then
    command -v sudo >/dev/null || setup_fail "these packages are missing, and there is neither root nor sudo to install them:" \
      "${missing[*]}" "As root: apt-get install ${missing[*]}"
    setup_note "Root is needed to install packages; sudo may ask for your password."
    sudo -v || setup_fail "sudo refused, so these packages can't be installed:" "${missing[*]}"
    as_root=(sudo)
  fi
  setup_say "Installing ${#missing[@]} packages with apt: ${missing[*]}"
  setup_run "apt-get update" apt-update \
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 update -q
  setup_run "apt-get install" apt-install "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install -y -q --no-install-recommends "${missing[@]}"
  setup_note "Installed in $REPLY."
  SETUP_INSTALLED=yes
}

# setup_build [TARGET…]: configures when needed and builds; quick and quiet when all is up to date.
setup_build() {
  local jobs=${QUORATE_JOBS:-$(nproc 2>/dev/null || echo 2)} targets=() tool
  for tool in cmake ninja c++; do
    command -v "$tool" >/dev/null || setup_fail "'$tool' is needed to build, and isn't in the PATH."
  done
  (($# == 0)) || targets=(--target "$@")
  mkdir -p "$SETUP_LOGS"
  cd "$SETUP_ROOT" || exit 1
  # One build at a time in this tree: two ninjas in one directory spoil each other's work.
  exec 9>"$SETUP_ROOT/build/.lock"
  if ! flock -n 9; then
    setup_note "Another build runs in $SETUP_BUILD; waiting for it."
    flock 9
  fi
  # What came since the last configuration, such as clang-format for a test of its own, is only found by another one.
  if [[ ! -e $SETUP_BUILD/build.ninja || -n $SETUP_INSTALLED ]]; then
    setup_say "Configuring ($SETUP_PRESET)"
    setup_run "cmake" configure cmake --preset "$SETUP_PRESET"
  fi
  local pending
  # A build that has to run cmake again says so in its plan, and so counts as pending.
  pending=$(ninja -C "$SETUP_BUILD" -n "${@:-all}" 2>/dev/null | grep -c '^\[' || true)
  if ((pending > 0)) || ! ninja -C "$SETUP_BUILD" -n "${@:-all}" >/dev/null 2>&1; then
    setup_say "Building ($SETUP_PRESET, $jobs at a time, up to $pending steps) in $SETUP_BUILD"
    setup_run "the build" build cmake --build "$SETUP_BUILD" --parallel "$jobs" "${targets[@]}"
    setup_note "Built in $REPLY."
  else
    setup_say "Up to date: nothing to build."
  fi
  exec 9>&-
}
