# What the `run` scripts of the examples share: they source it after `name=...`, at the root of the
# repository. It needs a built build/release (./dev build).

readonly bin=build/release
readonly deadline_s=20 # for anything that must happen soon
node=''
work=''

die() {
  printf 'examples/%s/run: %s\n' "$name" "$*" >&2
  if [ -n "$work" ] && [ -s "$work/node.log" ]; then
    printf 'the last lines of the node:\n' >&2
    tail -n 20 "$work/node.log" >&2
  fi
  exit 1
}

is_running() {
  kill -0 "$node" 2>/dev/null
}

on_exit() {
  if [ -n "$node" ] && is_running; then kill -KILL "$node"; fi
  if [ -n "$work" ]; then rm -rf "$work"; fi
}
trap on_exit EXIT

# start CONFIG: in a process group of its own, so that Ctrl-C reaches the node once, through us.
start() {
  set -m
  "$bin/skyloom" "$1" </dev/null &
  node=$!
  set +m
}

# wait_for_port PORT: until a client can connect.
wait_for_port() {
  local give_up=$((SECONDS + deadline_s))
  until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do
    is_running || die "the node ended before it listened on port $1"
    [ "$SECONDS" -lt "$give_up" ] || die "nobody listens on port $1 after $deadline_s s"
    sleep 0.05
  done
}

# The node's exit status. A signal to this script interrupts `wait`, too, hence the second one.
await_node() {
  local status=0
  while is_running; do wait "$node" || true; done
  wait "$node" || status=$?
  node=''
  return "$status"
}

# say LINE...
say() {
  printf '%s\n' "$@"
}

# start_interactive PORT: the node with the example's own config, until a signal ends both.
start_interactive() {
  if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then die "port $1 is in use"; fi
  trap 'kill -TERM "$node" 2>/dev/null || true' INT TERM
  start "examples/$name/config"
}

# await_interactive: to be called last.
await_interactive() {
  local status=0
  await_node || status=$?
  [ "$status" -eq 0 ] || die "the node ended with status $status"
  say 'stopped'
}

# free_port: prints one.
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# await_line EXPRESSION: prints what the group of the expression matches in the node's log, once there is such a line.
await_line() {
  local found give_up=$((SECONDS + deadline_s))
  until found=$(sed -n "s/.*$1\$/\\1/p" "$work/node.log" 2>/dev/null) && [ -n "$found" ]; do
    is_running || die "the node ended before it logged '$1'"
    [ "$SECONDS" -lt "$give_up" ] || die "the node has not logged '$1' after $deadline_s s"
    sleep 0.05
  done
  printf '%s\n' "$found"
}

# start_demo KEY [LINE...]: the node on a free port, which the config calls KEY, with more lines of configuration;
# sets `port`.
start_demo() {
  work=$(mktemp -d)
  port=$(free_port)
  cat >"$work/config" <<END
include "$PWD/examples/$name/config"
$1 = $port
logger = "$work/node.log"
END
  shift
  printf '%s\n' "$@" >>"$work/config"
  trap 'exit 130' INT TERM
  start "$work/config"
}

# end_demo: the node must stop in order.
end_demo() {
  kill -TERM "$node"
  local status=0 give_up=$((SECONDS + deadline_s))
  while is_running; do
    [ "$SECONDS" -lt "$give_up" ] || die "the node is still there $deadline_s s after SIGTERM"
    sleep 0.05
  done
  await_node || status=$?
  [ "$status" -eq 0 ] || die "the node ended with status $status after SIGTERM"
  printf '\nthe node stopped with status 0: all is well\n'
}

# run_example [--demo]: what needs no more than interactive() and demo() of the script.
run_example() {
  [ -x "$bin/skyloom" ] || die "$bin/skyloom is missing: ./dev build"
  case ${1-} in
    '') interactive ;;
    --demo) demo ;;
    *) die "usage: examples/$name/run [--demo]" ;;
  esac
}
