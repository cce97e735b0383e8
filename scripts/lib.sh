# Shared by the scripts in this folder: where logs go, and how a long command is run quietly.
# shellcheck shell=bash

# A rustup installation that the shell does not know yet.
if ! command -v cargo >/dev/null && [ -x "${HOME:-}/.cargo/bin/cargo" ]; then
  PATH="$HOME/.cargo/bin:$PATH"
fi

target_dir=${CARGO_TARGET_DIR:-target}
logs_dir=$target_dir/logs

# Seconds between two lines of progress when nobody sits at a terminal.
progress_period_s=20

export CARGO_TERM_COLOR=never

is_terminal() {
  [ -t 1 ] && [ "${TERM:-dumb}" != dumb ] && [ -z "${CI:-}" ]
}

minutes() {
  printf '%d:%02d' $(($1 / 60)) $(($1 % 60))
}

# What the log of a running command says about how far it is; nothing when it does not say.
progress_of() {
  tail -c 8000 "$1" 2>/dev/null | tr '\r' '\n' | awk '
    /Building \[/        { if (match($0, /[0-9]+\/[0-9]+/)) { split(substr($0, RSTART, RLENGTH), n, "/")
                           said = n[1] " of " n[2] " crates" } }
    /Downloaded /        { said = "fetching crates" }
    /Blocking waiting/   { said = "waiting for another build" }
    END { print said }'
  return 0
}

# How many tests have ended, by the log of nextest or of cargo test.
tests_of() {
  local ended total
  ended=$(grep -cE '^ *(PASS|FAIL|TIMEOUT|SIG[A-Z]+|ABORT) +\[|^test .* \.\.\. ' "$1" || true)
  total=$(sed -nE 's/^ *Starting ([0-9]+) tests?.*/\1/p; s/^running ([0-9]+) tests?$/\1/p' "$1" | awk '{ n += $1 } END { print n + 0 }')
  if [ "$total" -gt 0 ]; then
    echo "$ended of $total tests"
  fi
}

report_progress() {
  local label=$1 log=$2 from=$SECONDS said at=0
  # Ends with the script, however that ends.
  while sleep 1 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
    said=$(tests_of "$log")
    [ -n "$said" ] || said=$(progress_of "$log")
    if is_terminal; then
      printf '\r\033[K%s: %s %s' "$label" "$(minutes $((SECONDS - from)))" "$said"
    elif ((SECONDS - from - at >= progress_period_s)); then
      at=$((SECONDS - from))
      printf '%s: %s %s\n' "$label" "$(minutes "$at")" "$said"
    fi
  done
}

# run_quietly LABEL LOG COMMAND...: runs COMMAND with its output in LOG, and shows how far it is.
run_quietly() {
  local label=$1 kept=$2 log=$2.$$ status=0 reporter
  shift 2
  mkdir -p "$(dirname "$log")"
  # A log of its own until the end: two builds at once would write over each other's words.
  : >"$log"
  report_progress "$label" "$log" 2>/dev/null &
  reporter=$!
  "$@" >"$log" 2>&1 </dev/null || status=$?
  kill "$reporter" 2>/dev/null || true
  wait "$reporter" 2>/dev/null || true
  mv -f "$log" "$kept"
  if is_terminal; then printf '\r\033[K'; fi
  return "$status"
}

# What a log says apart from progress: errors, warnings, and the output of tests that failed.
show_log() {
  tr '\r' '\n' <"$1" | grep -vE \
    '^ *(Compiling|Checking|Documenting|Downloaded|Downloading|Updating|Locking|Adding|Blocking|Finished|Fresh|PASS) |Building \[|^ *$' ||
    true
}

# cargo_quietly LABEL COMMAND...: as run_quietly, with cargo's own count as progress; warnings and errors are shown in full.
cargo_quietly() {
  local label=$1 log status=0 from=$SECONDS
  shift
  log=$logs_dir/${label// /-}.log
  CARGO_TERM_PROGRESS_WHEN=always CARGO_TERM_PROGRESS_WIDTH=80 run_quietly "$label" "$log" "$@" || status=$?
  show_log "$log"
  if ((status == 0)); then
    echo "$label: done in $(minutes $((SECONDS - from)))"
  else
    echo "$label: FAILED after $(minutes $((SECONDS - from))); the whole log is $log"
  fi
  return "$status"
}

# build_workspace TARGETS...: builds these targets (--lib, --bins, --tests) of all packages. Every script builds through here:
# of another selection of packages cargo would compile their dependencies once more, with other features.
build_workspace() {
  cargo_quietly build cargo build --workspace "$@" --locked
}
