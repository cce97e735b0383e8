#!/usr/bin/env bash
# cluster.sh: a large hub on this machine: a chain of its own, PostgreSQL, mosquitto, and HAProxy in front of three processes for
#   ingest, two for the catalog and two for the reports, and one that enrols boxes beside them, all on free ports of 127.0.0.1.
#   Says where to look, and tells when a process ends. Ctrl-C or SIGTERM stops everything, and nothing is left then.
# cluster.sh hold: the same for a program: prints its folder, and stops once the standard input ends, too.
# cluster.sh again FOLDER NAME: starts a process again that was killed, as in `kill -9 $(cat FOLDER/ingest-2/pid)`; or one of the
#   servers postgres, mosquitto and haproxy on what it has kept, and waits until the processes do their work again.
# Exit code 2: a server is not installed.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
source scripts/lib.sh

servers=(postgres mosquitto haproxy)
processes=(ingest-1 ingest-2 ingest-3 catalog-1 catalog-2 reporting-1 reporting-2 identity-1)
menu=provisioning/demo/menu.json
hub=$target_dir/debug/cloud-hub
provision=$target_dir/debug/provision

# A process is ready within this, or it does not come up.
ready_s_max=30
# Longer than a hub takes to stop; then it is killed, and that is said.
stop_s_max=25

# hub NAME PORT HTTPS_PORT: starts a process, as `ingest-1` does ingest. Port 0 takes a free one; HTTPS has the one for identity.
hub() {
  local name=$1 words=()
  case "${name%-*}" in
    catalog) words=(--menu "$menu") ;;
    identity) words=(--ca "$folder/chain/ca" --https "127.0.0.1:$3") ;;
  esac
  mkdir -p "$folder/$name"
  rm -f "$folder/$name/endpoints.json"
  # Of a session of its own: Ctrl-C is for this script, which stops all in order.
  setsid "$hub" serve --profile large --only "${name%-*}" --data "$folder/$name" --http "127.0.0.1:$2" \
    --postgres "host=$(readlink "$folder/postgres") dbname=postgres" --secrets "$folder/secrets" \
    --broker "127.0.0.1:$(cat "$folder/mosquitto/port")" --hub-identity "$folder/hub-identity" \
    --token "$folder/token" "${words[@]}" </dev/null >>"$folder/$name/log" 2>&1 &
  # That it was killed is not for this shell to report.
  disown "$!"
  echo "$!" >"$folder/$name/pid"
  until running "$name" >/dev/null || ! kill -0 "$!" 2>/dev/null; do sleep 0.01 || true; done
}

# The number of a hub's process or a server's, if it runs. Another process may have the number of one that is gone.
running() {
  local pid state program=cloud-hub
  if is_server "$1"; then program=$1; fi
  read -r pid <"$folder/$1/pid" && read -r state <"/proc/$pid/stat" && [[ $state == *"($program) "[!ZX]* ]] && echo "$pid"
} 2>/dev/null

is_server() {
  [[ " ${servers[*]} " == *" $1 "* ]]
}

# address NAME [https]: where it listens, once it does.
address() {
  sed -nE 's/.*"'"${2:-http}"'":"([^"]+)".*/\1/p' "$folder/$1/endpoints.json" 2>/dev/null
}

is_ready() {
  local at status
  at=$(address "$1")
  [ -n "$at" ] || return
  exec 3<>"/dev/tcp/${at%:*}/${at#*:}" || return
  printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3
  read -r -t 5 status <&3 || status=
  exec 3>&-
  [[ $status == *" 200 "* ]]
} 2>/dev/null

# await NAME...: until they are all ready.
await() {
  local name until=$((SECONDS + ready_s_max))
  for name in "$@"; do
    until is_ready "$name"; do
      if ! running "$name" >/dev/null || ((SECONDS > until)); then
        echo "cluster.sh: $name does not come up; the end of its log:" >&2
        tail -n 20 "$folder/$name/log" >&2
        return 1
      fi
      [ -z "${told:-}" ] || exit 0
      sleep 0.05
    done
  done
}

# chain WORD...: what head office does before there is a hub. Only what goes wrong is shown.
chain() {
  local said
  said=$(setsid --wait "$provision" chain "$@" 2>&1) || { echo "$said" >&2; return 1; }
}

# server NAME WORD...: starts one by its script, which hears nothing of Ctrl-C: half started it would leave something behind.
server() {
  local at
  at=$(setsid --wait "scripts/$1.sh" start "${@:2}")
  ln -s "$at" "$folder/$1"
  [ -z "$told" ] || exit 0
}

# What is there is stopped, however this ends.
start() {
  local name addresses=()
  folder=/tmp/percolate-cluster.$$.$RANDOM
  mkdir -m 700 "$folder"
  told=
  trap stop EXIT
  trap 'told=yes' INT TERM
  chain init --name "Bytes & Brews" --data "$folder/chain" --out "$folder/safe"
  chain broker-identity --ca "$folder/chain/ca" --out "$folder/broker-identity"
  chain hub-identity --ca "$folder/chain/ca" --out "$folder/hub-identity"
  server postgres
  server mosquitto "$folder/broker-identity"
  setsid --wait "$hub" --log warn prepare-postgres --secrets "$folder/secrets" \
    --admin "host=$(readlink "$folder/postgres") user=percolate dbname=postgres"
  (umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$folder/token")
  for name in "${processes[@]}"; do hub "$name" 0 0; done
  await "${processes[@]}"
  for name in "${processes[@]}"; do addresses+=("$name=$(address "$name")"); done
  server haproxy "${addresses[@]}"
}

# stop_server NAME: by its script, if it was started.
stop_server() {
  local at
  if at=$(readlink "$folder/$1"); then setsid --wait "scripts/$1.sh" stop "$at" || status=1; fi
}

stop() {
  local status=$? name pid until=$((SECONDS + stop_s_max))
  trap '' INT TERM
  # What Ctrl-C has broken off is no failure.
  if [ -n "$told" ]; then status=0; fi
  # Neither may be there.
  kill ${input_end:-} ${pause:-} 2>/dev/null || true
  stop_server haproxy
  for name in "${processes[@]}"; do
    if pid=$(running "$name"); then kill -TERM "$pid"; fi
  done
  for name in "${processes[@]}"; do
    while pid=$(running "$name"); do
      if ((SECONDS > until)); then
        echo "cluster.sh: $name did not stop and was killed" >&2
        kill -KILL "$pid"
        status=1
      fi
      sleep 0.02
    done
  done
  stop_server mosquitto
  stop_server postgres
  rm -rf "$folder"
  exit "$status"
}

show() {
  local at broker name
  at=127.0.0.1:$(cat "$folder/haproxy/port")
  broker=127.0.0.1:$(cat "$folder/mosquitto/port")
  cat <<END
A large hub runs on this machine, in $folder:

  office      http://$at/   with the token in $folder/token
  who is up   http://127.0.0.1:$(cat "$folder/haproxy/stats-port")/
  database    host=$(readlink "$folder/postgres") user=percolate dbname=postgres
  broker      $broker, for those who have certificates of the chain
  enrolment   https://$(address identity-1 https)/

END
  for name in "${processes[@]}"; do
    printf '  %-11s http://%s/readyz   log and pid in %s\n' "$name" "$(address "$name")" "$folder/$name"
  done
  cat <<END

A shop:       echo '{"store": 1, "node": 11, "name": "Virginia-Highland", "zone": "America/New_York", "currency": "USD",
                "cutover_hour": 4}' >shop-1.json
              $provision store create shop-1.json --yes --hub http://$at,$folder/token
              $provision store bundle --store 1 --out shop-1.percolate --hub http://$at,$folder/token
              $provision up shop-1.percolate --rehearsal --service process --config shop-1/etc --data shop-1/data \
                --http 127.0.0.1:0
A trouble:    kill -9 \$(cat $folder/ingest-2/pid)
Its end:      scripts/cluster.sh again $folder ingest-2
              and so with postgres, mosquitto and haproxy

Ctrl-C stops everything.
END
}

# Tells who has ended and who runs again, until it is time to stop.
watch() {
  local name now
  local -A was=()
  for name in "${processes[@]}" "${servers[@]}"; do was[$name]=runs; done
  while [ -z "$told" ] && { [ -z "${input_end:-}" ] || kill -0 "$input_end" 2>/dev/null; }; do
    for name in "${processes[@]}" "${servers[@]}"; do
      now=ended
      if running "$name" >/dev/null; then now=runs; fi
      case "${was[$name]} $now" in
        "runs ended") echo "$name has ended" >&2 ;;
        "ended runs") echo "$name runs again" >&2 ;;
      esac
      was[$name]=$now
    done
    # A signal ends the wait at once.
    sleep 1 &
    pause=$!
    wait "$pause" || true
  done
}

case "${1:-} $#" in
  " 0")
    start
    show
    watch
    ;;
  "hold 1")
    cat <&0 >/dev/null &
    input_end=$!
    start
    echo "$folder"
    watch
    ;;
  "again 3")
    folder=$2
    if [[ $folder != /tmp/percolate-cluster.* || ! -f $folder/$3/pid ]]; then
      echo "cluster.sh: there is no $3 in $folder" >&2
      exit 2
    fi
    if running "$3" >/dev/null; then
      echo "cluster.sh: $3 runs" >&2
      exit 1
    fi
    if is_server "$3"; then
      setsid --wait "scripts/$3.sh" again "$(readlink "$folder/$3")"
      for name in "${processes[@]}"; do
        if running "$name" >/dev/null; then await "$name"; fi
      done
      exit
    fi
    at=$(address "$3")
    https=$(address "$3" https)
    hub "$3" "${at#*:}" "${https#*:}"
    await "$3"
    ;;
  *)
    echo "usage: cluster.sh | cluster.sh hold | cluster.sh again FOLDER NAME" >&2
    exit 2
    ;;
esac
