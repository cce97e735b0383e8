#!/usr/bin/env bash
# mosquitto.sh start [ACCOUNT...]: makes a mosquitto of our own in a temporary folder, on a free port of 127.0.0.1 and with the
#   settings of deploy/mosquitto, and prints its folder. In it lie `port`, `pid`, `log`, and a file ACCOUNT.password for each
#   account, made for whoever calls: hub, n11, n21 and what is named.
# mosquitto.sh again FOLDER: starts one that was killed, on its port. It knows nothing of the time before.
# mosquitto.sh stop FOLDER: ends it and removes its folder.
# mosquitto.sh hold [ACCOUNT...]: as start, and as stop once the standard input ends, however its writer does.
# As root it runs as the user `mosquitto`, whom Debian's package makes.
set -euo pipefail
deploy=$(cd "$(dirname "$0")/.." && pwd)/deploy/mosquitto

# Mosquitto cannot take a free port by itself: so many are tried, below those that connections get.
tries_max=50

program() {
  PATH=$PATH:/usr/sbin:/usr/local/sbin
  if ! command -v mosquitto || ! command -v mosquitto_passwd >/dev/null; then
    echo "mosquitto.sh: no mosquitto is installed; as root: apt-get install mosquitto" >&2
    exit 2
  fi
}

# Says to the broker where its files are.
settings() {
  sed -e "s|^listener .*|listener $1 127.0.0.1|" -e "s|/etc/mosquitto/|$folder/|" "$deploy/percolate.conf"
  if [ "$(id -u)" = 0 ]; then echo "user mosquitto"; fi
}

accounts() {
  local name password
  for name in "$@"; do
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    (umask 077 && echo "$password" >"$folder/$name.password")
    echo "$name:$password"
  done >"$folder/percolate.passwords"
  mosquitto_passwd -U "$folder/percolate.passwords"
}

# run PORT: succeeds once it takes connections there.
run() {
  local pid
  settings "$1" >"$folder/percolate.conf"
  : >"$folder/log"
  setsid "$mosquitto" -c "$folder/percolate.conf" </dev/null >"$folder/log" 2>&1 &
  pid=$!
  # That it was killed is not for this shell to report.
  disown "$pid"
  until grep -q ' running$' "$folder/log"; do
    kill -0 "$pid" 2>/dev/null || return 1
    sleep 0.02
  done
  echo "$1" >"$folder/port"
  echo "$pid" >"$folder/pid"
}

start() {
  local try
  folder=/tmp/percolate-mqtt.$$.$RANDOM
  mkdir -m 700 "$folder"
  cp "$deploy/percolate.acl" "$folder/"
  accounts hub n11 n21 "$@"
  if [ "$(id -u)" = 0 ]; then
    chgrp -R mosquitto "$folder"
    chmod 710 "$folder"
    chmod 640 "$folder"/percolate.*
  fi
  for ((try = 1; try <= tries_max; try++)); do
    if run $((16384 + RANDOM % 16384)); then
      return
    fi
    if ! grep -q 'Address already in use' "$folder/log"; then break; fi
  done
  cat "$folder/log" >&2
  rm -rf "$folder"
  exit 1
}

stop() {
  local pid
  pid=$(cat "$1/pid")
  # One that was killed is gone, and its number may be somebody else's.
  if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = mosquitto ]; then
    kill "$pid" 2>/dev/null || true
  fi
  rm -rf "$1"
}

usage() {
  echo "usage: mosquitto.sh start [ACCOUNT...] | again FOLDER | stop FOLDER | hold [ACCOUNT...]" >&2
  exit 2
}

is_ours() {
  [[ ${1:-} == /tmp/percolate-mqtt.* && -f $1/pid ]]
}

command=${1:-}
shift || true
mosquitto=$(program)
case "$command" in
  start)
    start "$@"
    echo "$folder"
    ;;
  hold)
    start "$@"
    trap 'stop "$folder"' EXIT
    echo "$folder"
    cat >/dev/null
    ;;
  again)
    folder=${1:-}
    is_ours "$folder" || usage
    run "$(cat "$folder/port")" || { cat "$folder/log" >&2; exit 1; }
    ;;
  stop)
    is_ours "${1:-}" || usage
    stop "$1"
    ;;
  *) usage ;;
esac
