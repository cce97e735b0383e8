#!/usr/bin/env bash
# postgres.sh start: makes a PostgreSQL server of our own in a temporary folder, reachable by a unix socket only, and
#   prints its folder. Connect with `host=FOLDER user=percolate dbname=postgres`.
# postgres.sh start DATA: the same with its files in DATA, an empty folder on a disk of its own, which is left there at the end.
# postgres.sh hold [DATA]: as start, and as stop once the standard input ends, however its writer does.
# postgres.sh stop FOLDER: ends that server and removes its folder.
# To hurt it: kill FOLDER (its first process; the others end with that), again FOLDER (starts one that ended on what it has
#   kept, at the same place). Its number is in `pid`.
# The server flushes as it would in earnest. As root it runs as the user `postgres`, whom Debian's package makes.
set -euo pipefail

# It is tried so long to start one again.
again_s_max=60

# The newest server that Debian has installed.
binaries() {
  local folder
  folder=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
  if [ -z "$folder" ] || [ ! -x "$folder/initdb" ]; then
    echo "postgres.sh: no PostgreSQL server is installed; as root: apt-get install postgresql-15" >&2
    exit 2
  fi
  echo "$folder"
}

# The server refuses to run as root.
as_owner() {
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"
  else
    "$@"
  fi
}

start() {
  local bin
  bin=$(binaries)
  # A socket's path has at most 107 bytes.
  folder=/tmp/percolate-pg.$$.$RANDOM
  mkdir -m 700 "$folder"
  if [ "$(id -u)" = 0 ]; then chown postgres:postgres "$folder"; fi
  if [ -n "$1" ]; then
    if [ "$(id -u)" = 0 ]; then chown postgres:postgres "$1"; fi
    chmod 700 "$1"
    ln -s "$1" "$folder/data"
  fi
  trap 'cat "$folder/log" >&2 2>/dev/null; stop' ERR
  cd "$folder"
  as_owner "$bin/initdb" --pgdata="$folder/data" --username=percolate --auth=trust --encoding=UTF8 --locale=C.UTF-8 \
    --no-instructions >"$folder/initdb.log" 2>&1 || { cat "$folder/initdb.log" >&2; false; }
  run
}

# Succeeds once it takes connections.
run() {
  local settings
  settings="-c listen_addresses='' -c unix_socket_directories='$folder' -c max_connections=200 -c shared_buffers=128MB"
  as_owner "$(binaries)/pg_ctl" start --pgdata="$folder/data" --log="$folder/log" --wait --silent --options="$settings" >/dev/null ||
    return 1
  head -n 1 "$folder/data/postmaster.pid" >"$folder/pid"
}

# The number of its first process, if it runs. Another process may have the number of one that is gone.
running() {
  local pid state
  read -r pid <"$folder/pid" && read -r state <"/proc/$pid/stat" && [[ $state == *"(postgres) "[!ZX]* ]] && echo "$pid"
} 2>/dev/null

# Its other processes end soon after the first one was killed; until then a new one refuses to start.
again() {
  local until=$((SECONDS + again_s_max))
  if running >/dev/null; then echo "postgres.sh: the one in $folder runs" >&2; exit 1; fi
  cd "$folder"
  until run 2>"$folder/again.log"; do
    if ((SECONDS > until)); then cat "$folder/again.log" >&2; tail -n 20 "$folder/log" >&2; exit 1; fi
    sleep 0.1
  done
}

stop() {
  if [ -f "$folder/data/postmaster.pid" ]; then
    cd "$folder"
    as_owner "$(binaries)/pg_ctl" stop --pgdata="$folder/data" --mode=immediate --wait --silent >/dev/null || true
  fi
  cd /
  rm -rf "$folder"
}

folder=${2:-}
case "${1:-} $folder" in
  "start "*)
    start "$folder"
    echo "$folder"
    ;;
  "hold "*)
    start "$folder"
    trap stop EXIT
    trap 'exit 1' INT TERM
    echo "$folder"
    cat >/dev/null
    ;;
  "stop /tmp/percolate-pg."*) stop ;;
  "again /tmp/percolate-pg."*) again ;;
  "kill /tmp/percolate-pg."*)
    pid=$(running) || { echo "postgres.sh: the one in $folder does not run" >&2; exit 1; }
    kill -KILL "$pid"
    while running >/dev/null; do sleep 0.02; done
    ;;
  *)
    echo "usage: postgres.sh start [DATA] | hold [DATA] | stop|kill|again FOLDER" >&2
    exit 2
    ;;
esac
