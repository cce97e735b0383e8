#!/usr/bin/env bash
# postgres.sh start: makes a PostgreSQL server of our own in a temporary folder, reachable by a unix socket only, and
#   prints its folder. Connect with `host=FOLDER user=percolate dbname=postgres`.
# postgres.sh stop FOLDER: ends that server and removes its folder.
# The server flushes as it would in earnest. As root it runs as the user `postgres`, whom Debian's package makes.
set -euo pipefail

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
  local bin folder settings
  bin=$(binaries)
  # A socket's path has at most 107 bytes.
  folder=/tmp/percolate-pg.$$.$RANDOM
  mkdir -m 700 "$folder"
  if [ "$(id -u)" = 0 ]; then chown postgres:postgres "$folder"; fi
  trap 'cat "$folder/log" >&2 2>/dev/null; stop "$folder"' ERR
  cd "$folder"
  as_owner "$bin/initdb" --pgdata="$folder/data" --username=percolate --auth=trust --encoding=UTF8 --locale=C.UTF-8 \
    --no-instructions >"$folder/initdb.log" 2>&1 || { cat "$folder/initdb.log" >&2; false; }
  settings="-c listen_addresses='' -c unix_socket_directories='$folder' -c max_connections=200 -c shared_buffers=128MB"
  as_owner "$bin/pg_ctl" start --pgdata="$folder/data" --log="$folder/log" --wait --silent --options="$settings" >/dev/null
  echo "$folder"
}

stop() {
  local folder=$1
  if [ -f "$folder/data/postmaster.pid" ]; then
    cd "$folder"
    as_owner "$(binaries)/pg_ctl" stop --pgdata="$folder/data" --mode=immediate --wait --silent >/dev/null || true
  fi
  cd /
  rm -rf "$folder"
}

case "${1:-} ${2:-}" in
  "start ") start ;;
  "stop /tmp/percolate-pg."*) stop "$2" ;;
  *)
    echo "usage: postgres.sh start | stop FOLDER" >&2
    exit 2
    ;;
esac
