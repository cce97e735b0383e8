#!/usr/bin/env bash
# mosquitto.sh start PAPERS: makes a mosquitto of our own in a temporary folder, on a free port of 127.0.0.1 and with the settings
#   of deploy/mosquitto, and prints its folder. In it lie `port`, `pid` and `log`. PAPERS is a folder with root.pem,
#   certificate.pem and key.pem, as `provision chain broker-identity` makes it, and with chain.crl, if somebody is shut out.
# mosquitto.sh stop FOLDER: ends it and removes its folder.
# mosquitto.sh hold PAPERS: as start, and as stop once the standard input ends, however its writer does.
# To hurt it: freeze FOLDER (it does nothing more), kill FOLDER, again FOLDER (starts one that was killed, on its port; it
#   knows nothing of the time before), shut-out FOLDER CRL (gives it another list of who is shut out; it must have had one).
# As root it runs as the user `mosquitto`, whom Debian's package makes.
set -euo pipefail
deploy=$(cd "$(dirname "$0")/.." && pwd)/deploy/mosquitto

kind=mosquitto
# shellcheck source=scripts/own-server.sh
source "$(dirname "$0")/own-server.sh"

program() {
  PATH=$PATH:/usr/sbin:/usr/local/sbin
  if ! command -v mosquitto; then
    echo "mosquitto.sh: no mosquitto is installed; as root: apt-get install mosquitto" >&2
    exit 2
  fi
}

# Says to the broker where its files are.
settings() {
  sed -e "s|^listener .*|listener $1 127.0.0.1|" -e "s|/etc/mosquitto/|$folder/|" "$deploy/percolate.conf" |
    if [ -e "$folder/percolate/chain.crl" ]; then sed 's|^# crlfile|crlfile|'; else cat; fi
  if [ "$(id -u)" = 0 ]; then echo "user mosquitto"; fi
}

# give FILE...: puts them where the broker can read them, and others cannot.
give() {
  local file
  for file in "$@"; do
    install -m 640 "$file" "$folder/percolate/"
    if [ "$(id -u)" = 0 ]; then chgrp mosquitto "$folder/percolate/${file##*/}"; fi
  done
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
  echo "$pid" >"$folder/pid"
  until grep -qs ' running$' "$folder/log"; do
    # Somebody has stopped it before it ran.
    [ -d "$folder" ] || { kill "$pid"; return 1; }
    kill -0 "$pid" 2>/dev/null || return 1
    sleep 0.02
  done
  echo "$1" >"$folder/port"
}

run_somewhere() {
  run $((16384 + RANDOM % 16384))
}

start() {
  folder=/tmp/percolate-mqtt.$$.$RANDOM
  mkdir -m 700 "$folder"
  mkdir -m 750 "$folder/percolate"
  cp "$deploy/percolate.acl" "$folder/"
  if [ "$(id -u)" = 0 ]; then
    chgrp -R mosquitto "$folder"
    chmod 710 "$folder"
    chmod 640 "$folder/percolate.acl"
  fi
  give "$1"/{root,certificate,key}.pem
  if [ -e "$1/chain.crl" ]; then give "$1/chain.crl"; fi
  begin run_somewhere
}

signal() {
  local pid
  pid=$(running) || { echo "mosquitto.sh: the one in $folder does not run" >&2; exit 1; }
  kill "$1" "$pid"
}

usage() {
  echo "usage: mosquitto.sh start PAPERS | hold PAPERS | stop|freeze|kill|again FOLDER | shut-out FOLDER CRL" >&2
  exit 2
}

command=${1:-}
shift || usage
mosquitto=$(program)
case "$command" in
  start | hold)
    [ -f "${1:-}/certificate.pem" ] || usage
    start "$1"
    ;;
  stop | freeze | kill | again | shut-out)
    folder=${1:-}
    [[ $folder == /tmp/percolate-mqtt.* && -f $folder/pid ]] || usage
    ;;
  *) usage ;;
esac
case "$command" in
  start) echo "$folder" ;;
  hold) hold ;;
  stop) stop ;;
  freeze) signal -STOP ;;
  kill)
    signal -KILL
    while running >/dev/null; do sleep 0.02; done
    ;;
  again)
    if running >/dev/null; then echo "mosquitto.sh: the one in $folder runs" >&2; exit 1; fi
    run "$(cat "$folder/port")" || { cat "$folder/log" >&2; exit 1; }
    ;;
  shut-out)
    [ -f "${2:-}" ] || usage
    give "$2"
    signal -HUP
    ;;
esac
