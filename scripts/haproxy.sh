#!/usr/bin/env bash
# haproxy.sh start NAME=HOST:PORT...: makes a HAProxy of our own in a temporary folder, with the settings of deploy/haproxy, on
#   free ports of 127.0.0.1 and in front of these processes, as in `ingest-1=127.0.0.1:4001`; prints its folder. In it lie
#   `port`, `stats-port`, `pid` and `log`.
# haproxy.sh stop FOLDER: ends it and removes its folder.
# haproxy.sh hold NAME=HOST:PORT...: as start, and as stop once the standard input ends, however its writer does.
# To hurt it: kill FOLDER, again FOLDER (starts one that was killed, with the same settings).
# haproxy.sh check: has HAProxy look over the settings of deploy/haproxy as they are.
# As root it runs as the user `haproxy`, whom Debian's package makes.
set -euo pipefail
deploy=$(cd "$(dirname "$0")/.." && pwd)/deploy/haproxy

kind=haproxy
# shellcheck source=scripts/own-server.sh
source "$(dirname "$0")/own-server.sh"

program() {
  PATH=$PATH:/usr/sbin:/usr/local/sbin
  if ! command -v haproxy; then
    echo "haproxy.sh: no HAProxy is installed; as root: apt-get install haproxy" >&2
    exit 2
  fi
}

# settings PORT STATS_PORT NAME=HOST:PORT...: the file of deploy/haproxy with our ports, and our processes for those in it.
settings() {
  local ports="$1 $2"
  shift 2
  awk -v ports="$ports" -v servers="$*" -v folder="$folder" -v is_root="$([ "$(id -u)" = 0 ] && echo yes)" '
    BEGIN { split(ports, port, " "); count = split(servers, server, " ") }
    /^(frontend|backend) / {
      print
      for (i = 1; $1 == "backend" && i <= count; i++) {
        split(server[i], part, "=")
        if (part[1] ~ "^" $2 "-[0-9]+$") print "    server", part[1], part[2]
      }
      next
    }
    $1 == "server" || $1 == "chroot" { next }
    ($1 == "user" || $1 == "group") && !is_root { next }
    $1 == "bind" { print "    bind 127.0.0.1:" port[++binds]; next }
    $1 == "stats" && $2 == "socket" { print "    stats socket " folder "/admin.sock mode 600 level operator"; next }
    { print }' "$deploy/percolate.cfg"
}

# serves PORT PID: whether the page of figures there is that of our process. It is only once all ports are taken.
serves() {
  local page
  exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
  printf 'GET / HTTP/1.0\r\n\r\n' >&3
  page=$(timeout 2 cat <&3)
  exec 3>&-
  [[ $page == *"pid = </b> $2 "* ]]
} 2>/dev/null

# run NAME=HOST:PORT...: succeeds once it takes connections.
run() {
  local port=$((16384 + RANDOM % 8192)) stats_port=$((24576 + RANDOM % 8192))
  settings "$port" "$stats_port" "$@" >"$folder/haproxy.cfg"
  launch "$stats_port" || return 1
  echo "$stats_port" >"$folder/stats-port"
  echo "$port" >"$folder/port"
}

# launch STATS_PORT: as run, with the settings that are there.
launch() {
  local pid
  setsid "$haproxy" -db -f "$folder/haproxy.cfg" </dev/null >"$folder/log" 2>&1 &
  pid=$!
  # That it was killed is not for this shell to report.
  disown "$pid"
  echo "$pid" >"$folder/pid"
  until serves "$1" "$pid"; do
    [ -d "$folder" ] || { kill "$pid"; return 1; }
    kill -0 "$pid" 2>/dev/null || return 1
    sleep 0.02
  done
}

start() {
  folder=/tmp/percolate-http.$$.$RANDOM
  mkdir -m 700 "$folder"
  begin run "$@"
}

usage() {
  echo "usage: haproxy.sh start NAME=HOST:PORT... | hold NAME=HOST:PORT... | stop|kill|again FOLDER | check" >&2
  exit 2
}

command=${1:-}
shift || usage
haproxy=$(program)
case "$command" in
  start | hold)
    start "$@"
    ;;
  stop | kill | again)
    folder=${1:-}
    [[ $folder == /tmp/percolate-http.* && -f $folder/pid ]] || usage
    ;;
  check) exec "$haproxy" -c -f "$deploy/percolate.cfg" ;;
  *) usage ;;
esac
case "$command" in
  start) echo "$folder" ;;
  hold) hold ;;
  stop) stop ;;
  kill)
    pid=$(running) || { echo "haproxy.sh: the one in $folder does not run" >&2; exit 1; }
    kill -KILL "$pid"
    while running >/dev/null; do sleep 0.02; done
    ;;
  again)
    if running >/dev/null; then echo "haproxy.sh: the one in $folder runs" >&2; exit 1; fi
    launch "$(cat "$folder/stats-port")" || { cat "$folder/log" >&2; exit 1; }
    ;;
esac
