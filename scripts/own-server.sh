# shellcheck shell=bash
# For scripts that make a server of our own in a temporary folder: they set `kind`, the name of its program, and `folder`, and
# source this. In the folder are `pid` and `log`.

# These servers cannot take a free port by themselves: so many are tried, below those that connections get.
tries_max=50

# begin COMMAND...: has a command start the server, on another port each time, until one is free. If it does not start, its log
# is shown, and the folder removed.
begin() {
  local try
  for ((try = 1; try <= tries_max; try++)); do
    if "$@"; then return; fi
    if ! grep -q 'Address already in use' "$folder/log"; then break; fi
  done
  cat "$folder/log" >&2
  rm -rf "$folder"
  exit 1
}

# The number of its process, if it runs. Another process may have the number of one that is gone. It is looked at once: it may be
# going this moment.
running() {
  local pid state
  read -r pid <"$folder/pid" && read -r state <"/proc/$pid/stat" && [[ $state == *"($kind) "[!ZX]* ]] && echo "$pid"
} 2>/dev/null

stop() {
  local pid
  if pid=$(running); then
    kill -TERM "$pid"
    # One that is frozen hears nothing else.
    kill -CONT "$pid" 2>/dev/null || true
    while running >/dev/null; do sleep 0.02; done
  fi
  rm -rf "$folder"
}

# Says where it is, and stops it once the standard input ends, however its writer does.
hold() {
  trap stop EXIT
  echo "$folder"
  cat >/dev/null
}
