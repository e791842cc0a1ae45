#!/usr/bin/env bash
# A three-node cluster on this machine, from nothing: builds quorate, formats three data directories, starts three
# processes (each controller and broker), creates topics, kills the active controller with SIGKILL, measures how long the
# others need to acknowledge the next write, brings the node back, and checks that nothing was lost.
#
#   examples/three_node_cluster/run.sh [--keep] [--ports A,B,C] [--dir DIRECTORY]
#   examples/three_node_cluster/run.sh --stop [--dir DIRECTORY]
#
#   --keep            leave the cluster up at the end, and say how to play with it
#   --stop            stop a cluster that --keep left
#   --ports A,B,C     the brokers' ports; each controller has the next one [9092,19092,29092]
#   --dir DIRECTORY   configuration, data and logs; emptied first [build/three_node_cluster]
#   --help            this text
#
# On a fresh Debian 12 the first run installs what is needed through apt (as root or with sudo) and takes some
# minutes; later runs start in seconds. Whatever happens, it stops the processes that it started.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../cmake/setup.sh"

keep=0 stop_only=0
dir=$SETUP_ROOT/build/three_node_cluster
broker_ports=(9092 19092 29092)
declare -A pids=()   # node id -> process; only those that we started and that aren't known to have ended
stage='starting up'
nodes_started=0

usage() { sed -n '2,/^set -euo/{/^set -euo/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

while (($# > 0)); do
  case $1 in
    --keep) keep=1 ;;
    --stop) stop_only=1 ;;
    --ports)
      [[ ${2:-} =~ ^[0-9]{1,5},[0-9]{1,5},[0-9]{1,5}$ ]] ||
        setup_fail "--ports wants three numbers, such as --ports 9092,19092,29092; it got '${2:-}'."
      IFS=, read -r -a broker_ports <<<"$2"
      shift
      ;;
    --dir)
      [[ -n ${2:-} ]] || setup_fail "--dir wants a directory."
      mkdir -p "$2" || setup_fail "The directory $2 can't be made."
      dir=$(cd "$2" && pwd)
      shift
      ;;
    -h | --help) usage; exit 0 ;;
    *) setup_fail "'$1' isn't an option of this script." "See $0 --help" ;;
  esac
  shift
done

controller_ports=()
for port in "${broker_ports[@]}"; do
  ((10#$port >= 1 && 10#$port <= 65534)) || setup_fail "--ports: $port isn't a port from 1 to 65534."
  controller_ports+=($((10#$port + 1)))
done
[[ $(printf '%s\n' "${broker_ports[@]}" "${controller_ports[@]}" | sort -u | wc -l) == 6 ]] ||
  setup_fail "--ports: the three ports and their successors must all differ."

# ---- Processes ---------------------------------------------------------------------------------------

is_running() { kill -0 "$1" 2>/dev/null; }

# The process that runs node $1 of this directory, however it was started; empty when there is none.
running_node() {
  local file
  REPLY=''
  for file in /proc/[0-9]*/cmdline; do
    if [[ $(tr '\0' '\n' 2>/dev/null <"$file") == *$'\nserver\n'"$dir/node-$1.properties"* ]]; then
      REPLY=${file#/proc/}
      REPLY=${REPLY%/cmdline}
      return 0
    fi
  done
}

# Waits for a process that needn't be our child; false when it is still there after $2 seconds.
wait_gone() {
  local deadline=$((SECONDS + $2))
  while is_running "$1"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.05
  done
}

# Stops processes in order, by their ids: asks all first, then kills what doesn't go.
stop_processes() {
  local pid
  for pid in "$@"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "$@"; do
    if ! wait_gone "$pid" 20; then
      setup_note "Process $pid didn't stop within 20 s; killing it."
      kill -KILL "$pid" 2>/dev/null || true
      wait_gone "$pid" 5 || true
    fi
  done
}

# Says who listens on a port, from /proc alone: a minimal system has no ss.
port_holder() {
  local hex inode link pid
  printf -v hex '%04X' "$1"
  REPLY=''
  inode=$(awk -v suffix=":$hex" 'FNR > 1 && $4 == "0A" && substr($2, length($2) - 4) == suffix { print $10; exit }' \
    /proc/net/tcp /proc/net/tcp6 2>/dev/null || true)
  [[ -n $inode ]] || return 1
  REPLY='a process that this user may not see'
  for link in /proc/[0-9]*/fd/*; do
    if [[ $(readlink "$link" 2>/dev/null) == "socket:[$inode]" ]]; then
      pid=${link#/proc/}
      pid=${pid%%/*}
      REPLY="process $pid ($(tr '\0\n' '  ' 2>/dev/null <"/proc/$pid/cmdline" | cut -c 1-80))"
      return 0
    fi
  done
}

on_exit() {
  local status=$? pid
  trap '' INT TERM HUP
  if ((${#pids[@]} > 0)); then
    stop_processes "${pids[@]}"
    pids=()
    ((status == 0)) || printf 'The nodes that were started are stopped.\n' >&2
  fi
  if ((status != 0 && nodes_started)); then
    printf '%sIt went wrong while %s.%s Logs: %s\n' "$SETUP_RED" "$stage" "$SETUP_OFF" "$dir/logs" >&2
  fi
  exit "$status"
}
trap on_exit EXIT
trap 'printf "\nInterrupted.\n" >&2; exit 130' INT
trap 'exit 143' TERM HUP

if ((stop_only)); then
  stage='stopping the cluster'
  found=()
  for id in 1 2 3; do
    running_node "$id"
    [[ -z $REPLY ]] || found+=("$REPLY")
  done
  ((${#found[@]} > 0)) || setup_fail "No cluster of $dir is running."
  stop_processes "${found[@]}"
  setup_say "Stopped ${#found[@]} nodes. Data and logs are still in $dir."
  exit 0
fi

# ---- Nodes -------------------------------------------------------------------------------------------

# Shows a command as one would type it, and runs it.
show() {
  printf '\n%s$ %s%s\n' "$SETUP_BOLD" "quorate ${*@Q}" "$SETUP_OFF" | sed "s/'\([A-Za-z0-9_.:,=\/@-]*\)'/\1/g"
  "$quorate" "$@"
}

fail_with_log() {
  local id=$1
  shift
  printf '\nThe end of %s:\n' "$dir/logs/node-$id.log" >&2
  tail -n 12 "$dir/logs/node-$id.log" >&2 || true
  setup_fail "$@"
}

start_node() {
  local id=$1
  # A session of its own: Ctrl-C is for this script, which then stops the nodes in order.
  setsid "$quorate" server "$dir/node-$id.properties" >>"$dir/logs/node-$id.log" 2>&1 </dev/null &
  pids[$id]=$!
  nodes_started=1
}

# Waits until node $1 said for the $2nd time that it is ready.
wait_ready() {
  local id=$1 deadline=$((SECONDS + 60)) log=$dir/logs/node-$1.log
  until (($(grep -c '\[server\] ready after' "$log" || true) >= $2)); do
    is_running "${pids[$id]}" || fail_with_log "$id" "Node $id ended instead of getting ready."
    ((SECONDS < deadline)) || fail_with_log "$id" "Node $id isn't ready after 60 s."
    sleep 0.05
  done
}

# wait_for WHAT COMMAND…: repeats the command until it succeeds, at most 60 seconds.
wait_for() {
  local what=$1 deadline=$((SECONDS + 60))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || setup_fail "After 60 s still waiting until $what."
    sleep 0.1
  done
}

# "topic id partitions" of every topic, to compare before and after.
inventory() {
  "$quorate" topics --bootstrap-server "$1" --describe | awk -F '\t' '/^Topic: / { print $1, $2, $3 }'
}

leaders_moved() {
  local text
  text=$("$quorate" topics --bootstrap-server "$survivors" --describe) || return 1
  # Neither leader nor in sync anywhere; replicas stay assigned.
  ! grep -Eq "Leader: $1"$'\t'"|Isr: ([0-9,]*,)?$1(,|"$'\t'")" <<<"$text"
}

caught_up() {
  "$quorate" metadata-quorum --bootstrap-server "$all" describe --replication |
    awk -v id="$1" '$1 == id && ($NF == "Follower" || $NF == "Leader") && $4 == 0 { found = 1 } END { exit !found }'
}

in_sync_again() {
  [[ -z $("$quorate" topics --bootstrap-server "$all" --describe --under-replicated-partitions || echo failed) ]]
}

write_properties() {
  local id=$1
  cat >"$dir/node-$id.properties" <<END
# Node $id of the example cluster: a KRaft server.properties.
process.roles=broker,controller
node.id=$id
controller.quorum.bootstrap.servers=$bootstrap
listeners=PLAINTEXT://localhost:${broker_ports[id - 1]},CONTROLLER://localhost:${controller_ports[id - 1]}
advertised.listeners=PLAINTEXT://localhost:${broker_ports[id - 1]},CONTROLLER://localhost:${controller_ports[id - 1]}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$dir/data-$id

# A dead broker is fenced after this long. The default is 9 s; the demonstration needn't take that long.
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
END
}

# ---- The story ---------------------------------------------------------------------------------------

setup_now_ms
began=$REPLY
stage='setting up'
setup_packages build
stage='building'
setup_build quorate failover_probe
quorate=$SETUP_BUILD/bin/quorate

stage='looking whether the cluster can be started here'
for id in 1 2 3; do
  running_node "$id"
  [[ -z $REPLY ]] || setup_fail "A cluster that was kept still runs in $dir (process $REPLY)." \
    "Stop it with: $0 --stop$([[ $dir == "$SETUP_ROOT/build/three_node_cluster" ]] || printf ' --dir %q' "$dir")"
done
for port in "${broker_ports[@]}" "${controller_ports[@]}"; do
  if port_holder "$port"; then
    setup_fail "Port $port is in use by $REPLY." "Stop that, or choose other ports: $0 --ports 9192,19192,29192"
  fi
done
# Only what a run of this script made is deleted: never a directory that somebody else filled.
if [[ -n $(ls -A "$dir" 2>/dev/null) && ! -e $dir/.three_node_cluster ]]; then
  setup_fail "$dir isn't empty, and wasn't made by this script." "Give another one with --dir"
fi
mkdir -p "$dir/logs"
touch "$dir/.three_node_cluster"
rm -rf "$dir"/data-[123] "$dir"/node-[123].properties "$dir"/logs/node-[123].log

stage='formatting the data directories'
setup_say "Formatting three data directories in $dir"
cluster_id=$("$quorate" storage random-uuid)
bootstrap=$(printf ',localhost:%s' "${controller_ports[@]}")
bootstrap=${bootstrap:1}
controllers=''
for id in 1 2 3; do
  controllers+=",$id@localhost:${controller_ports[id - 1]}:$("$quorate" storage random-uuid)"
done
controllers=${controllers:1}
for id in 1 2 3; do
  write_properties "$id"
  show storage format -c "$dir/node-$id.properties" -t "$cluster_id" --initial-controllers "$controllers"
done

stage='starting the nodes'
printf '\n'
setup_say "Starting nodes 1, 2 and 3: brokers on ${broker_ports[*]}, controllers on ${controller_ports[*]}"
setup_now_ms
t=$REPLY
for id in 1 2 3; do start_node "$id"; done
for id in 1 2 3; do wait_ready "$id" 1; done
setup_seconds_since "$t"
setup_note "Usable after $REPLY: a leader is elected, three brokers are in service. Logs: $dir/logs"
all=$(printf ',localhost:%s' "${broker_ports[@]}")
all=${all:1}

stage='creating topics'
show topics --bootstrap-server "localhost:${broker_ports[0]}" --create --topic email.send --partitions 1 --replication-factor 3
show topics --bootstrap-server "localhost:${broker_ports[1]}" --create --topic email.archive --partitions 12 --replication-factor 3
show topics --bootstrap-server "localhost:${broker_ports[2]}" --describe
show metadata-quorum --bootstrap-server "$all" describe --status
before=$(inventory "$all")

stage='killing the active controller'
leader=$("$quorate" metadata-quorum --bootstrap-server "$all" describe --status | awk '$1 == "LeaderId:" { print $2 }')
[[ -n ${pids[$leader]:-} ]] || setup_fail "The quorum names '$leader' as its leader, which isn't one of the nodes 1 to 3."
survivor_list=()
for id in 1 2 3; do
  ((id == leader)) || survivor_list+=("localhost:${broker_ports[id - 1]}")
done
survivors=${survivor_list[0]},${survivor_list[1]}
printf '\n'
setup_say "Killing node $leader, the active controller, with SIGKILL"
# In braces with their own stderr, because bash announces there that a process of ours was killed.
result=''
{
  result=$("$SETUP_BUILD/bin/failover_probe" "${pids[$leader]}" failover.probe "${survivor_list[@]}" \
    2>"$dir/logs/failover_probe.log") && wait "${pids[$leader]}" || true
} 2>/dev/null
if [[ -z $result ]]; then
  cat "$dir/logs/failover_probe.log" >&2
  setup_fail "The cluster didn't survive the loss of node $leader."
fi
unset "pids[$leader]"
read -r millis new_leader epoch <<<"$result"
setup_note "${SETUP_GREEN}${SETUP_BOLD}$millis ms${SETUP_OFF} from the kill to the first write that a new controller acknowledged:" \
  "node $new_leader, epoch $epoch."

stage='waiting until the partitions of the dead broker have new leaders'
setup_now_ms
t=$REPLY
wait_for "the partitions that node $leader led have other leaders" leaders_moved "$leader"
setup_seconds_since "$t"
setup_note "Node $leader was fenced after another $REPLY (broker.session.timeout.ms): its leaderships moved, the ISRs shrank."
show topics --bootstrap-server "$survivors" --describe

stage="bringing node $leader back"
printf '\n'
setup_say "Starting node $leader again"
setup_now_ms
t=$REPLY
start_node "$leader"
wait_ready "$leader" 2
wait_for "node $leader has caught up" caught_up "$leader"
setup_seconds_since "$t"
setup_note "Registered again, unfenced and caught up after $REPLY."
stage='waiting until all replicas are in sync again'
wait_for 'all replicas are in sync' in_sync_again
show topics --bootstrap-server "localhost:${broker_ports[leader - 1]}" --describe
show metadata-quorum --bootstrap-server "$all" describe --replication

stage='checking that nothing was lost'
after=$(inventory "$all")
printf '\n'
while read -r line; do
  grep -qxF "$line" <<<"$after" || setup_fail "This topic was acknowledged before the kill and isn't there: $line"
done <<<"$before"
grep -q '^Topic: failover.probe ' <<<"$after" || setup_fail "The topic that was created during the failover isn't there."
setup_say "${SETUP_GREEN}Nothing was lost${SETUP_OFF}: every topic that was acknowledged is there, with its id and partitions."

if ((keep)); then
  kill_line="$0 --stop"
  [[ $dir == "$SETUP_ROOT/build/three_node_cluster" ]] || kill_line+=" --dir ${dir@Q}"
  cat <<END

The cluster stays up: processes ${pids[1]}, ${pids[2]} and ${pids[3]}. To play with it:

    export PATH=$SETUP_BUILD/bin:\$PATH
    quorate topics --bootstrap-server localhost:${broker_ports[0]} --create --topic hello.world --partitions 3 --replication-factor 3
    quorate topics --bootstrap-server localhost:${broker_ports[0]} --describe
    quorate topics --bootstrap-server localhost:${broker_ports[0]} --delete --topic hello.world
    quorate metadata-quorum --bootstrap-server localhost:${broker_ports[0]} describe --status
    quorate metadata-quorum --bootstrap-server localhost:${broker_ports[0]} describe --replication --human-readable
    kill -9 ${pids[1]}                                           # a node dies…
    quorate server $dir/node-1.properties   # …and comes back, in the foreground
    tail -f $dir/logs/node-2.log
    $kill_line       # stops all of it
END
  pids=()   # not ours to stop any more
  exit 0
fi

stage='stopping the nodes'
setup_now_ms
t=$REPLY
for id in 1 2 3; do kill -TERM "${pids[$id]}"; done
for id in 1 2 3; do
  pid=${pids[$id]} status=0
  wait_gone "$pid" 40 || fail_with_log "$id" "Node $id doesn't stop."
  wait "$pid" || status=$?
  ((status == 0)) || fail_with_log "$id" "Node $id stopped with exit code $status instead of 0."
  unset "pids[$id]"
done
setup_seconds_since "$t"
setup_say "All nodes stopped in order in $REPLY. Data and logs are in $dir."
setup_seconds_since "$began"
setup_note "The whole run took $REPLY."
