#!/usr/bin/env bash
# All tests, in stages. Ends with a table of the stages, the tests that were skipped and why, and a line
# `N passed, N failed, N skipped` whose figures are the sums of what the test runners said. Exit code 0 only if every stage is ok.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
source scripts/lib.sh

passed=0 failed=0 skipped=0
skips=$logs_dir/skipped.txt
table=()
all_ok=yes
go_on=yes

# stage NAME FUNCTION: runs FUNCTION, which sets `outcome`, unless an earlier stage makes it pointless.
stage() {
  local from=$SECONDS before=$((passed + failed + skipped)) tests=
  outcome=ok
  if [ "$go_on" = yes ]; then
    "$2" || outcome=FAILED
  else
    outcome="not run"
  fi
  [ "$outcome" = ok ] || [ "$outcome" = skipped ] || all_ok=no
  ((passed + failed + skipped == before)) || tests="$((passed + failed + skipped - before)) tests"
  table+=("$(printf '%-26s %-8s %6s   %s' "$1" "$outcome" "$(minutes $((SECONDS - from)))" "$tests")")
}

set_up() {
  scripts/setup.sh --servers || { go_on=no; return 1; }
  # A server of our own for the tests that run on both engines; without one they say that they are skipped. A test that needs
  # a mosquitto makes one for itself, with scripts/mosquitto.sh.
  if postgres_folder=$(scripts/postgres.sh start 2>"$logs_dir/postgres.log"); then
    export PERCOLATE_TEST_POSTGRES="host=$postgres_folder user=percolate dbname=postgres"
    trap 'scripts/postgres.sh stop "$postgres_folder"' EXIT
  else
    tail -n 1 "$logs_dir/postgres.log"
  fi
}

# A toolchain without rustfmt or clippy can still run the tests.
has_lints() {
  { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1 && return
  command -v rustup >/dev/null && rustup component add rustfmt clippy >/dev/null 2>&1
}

format_and_lints() {
  if ! has_lints; then
    echo "format and lints: SKIPPED, this toolchain has no rustfmt and clippy (rustup component add rustfmt clippy)"
    outcome=skipped
    return 0
  fi
  local unformatted
  unformatted=$(cargo fmt --all -- --check -l 2>&1 &&
    cargo fmt --all --manifest-path tests/rmqtt/Cargo.toml -- --check -l 2>&1) || {
    printf 'format: FAILED; run `make fmt` for these files\n%s\n' "$unformatted"
    outcome=FAILED
  }
  cargo_quietly lints cargo clippy --workspace --all-targets --locked -- -D warnings
}

build() {
  build_workspace --lib --bins --tests || { go_on=no; return 1; }
}

has_nextest() {
  cargo nextest --version >/dev/null 2>&1
}

# count PASSED FAILED SKIPPED STATUS: adds what a runner said; a runner that died without naming a failure is one.
count() {
  local failures=$2
  if (($4 != 0 && failures == 0)); then failures=1; fi
  passed=$((passed + $1 - $3))
  failed=$((failed + failures))
  skipped=$((skipped + $3))
}

# A test that skips itself passes for its runner, and prints a line that starts with `SKIPPED: `; the first one counts.
skips_of_report() {
  awk '
    function attribute(key) {
      return match($0, " " key "=\"[^\"]*\"") ? substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 4) : ""
    }
    /<testcase / { name = attribute("classname") " " attribute("name"); told = 0 }
    !told && /(^|>|\.\.\. )SKIPPED: / {
      sub(/.*SKIPPED: /, ""); sub(/<\/system-(out|err)>.*/, "")
      gsub(/&lt;/, "<"); gsub(/&gt;/, ">"); gsub(/&quot;/, "\""); gsub(/&#?apos;|&#39;/, "\047"); gsub(/&amp;/, "\\&")
      print name ": " $0; told = 1
    }' "$1"
}

skips_of_log() {
  awk '
    /^---- .* stdout ----$/ { name = $2; told = 0 }
    !told && /(^|\.\.\. )SKIPPED: / { sub(/.*SKIPPED: /, ""); print name ": " $0; told = 1 }' "$1"
}

# nextest LABEL FILTER
nextest() {
  local label=$1 status=0 log report ran bad skipped_here
  log=$logs_dir/${label// /-}.log
  # The runner keeps its reports in the workspace, wherever the build folder is.
  report=target/nextest/gate/junit.xml
  rm -f "$report"
  run_quietly "$label" "$log" cargo nextest run --workspace --lib --bins --tests --locked --profile gate -E "$2" \
    --no-tests=fail --status-level pass --final-status-level none --failure-output immediate || status=$?
  ((status == 0)) || show_log "$log"
  : >"$log.skipped"
  if [ -f "$report" ]; then
    skips_of_report "$report" >"$log.skipped"
    ran=$(sed -nE '0,/<testsuites/s/.*<testsuites[^>]* tests="([0-9]+)".*/\1/p' "$report")
    bad=$(sed -nE '0,/<testsuites/s/.*<testsuites[^>]* failures="([0-9]+)" errors="([0-9]+)".*/\1 \2/p' "$report" |
      awk '{ print $1 + $2 }')
  fi
  skipped_here=$(wc -l <"$log.skipped")
  count $((${ran:-0} - ${bad:-0})) "${bad:-0}" "$skipped_here" "$status"
  cat "$log.skipped" >>"$skips"
  rm -f "$log.skipped"
  return "$status"
}

# cargo_test LABEL ARGUMENTS... [-- FILTERS...]: the same with the runner that comes with Rust.
cargo_test() {
  local label=$1 status=0 log skipped_here arguments=()
  shift
  while (($# > 0)) && [ "$1" != -- ]; do arguments+=("$1"); shift; done
  (($# == 0)) || shift
  log=$logs_dir/${label// /-}.log
  run_quietly "$label" "$log" cargo test --locked --no-fail-fast "${arguments[@]}" -- --show-output "$@" || status=$?
  ((status == 0)) || show_log "$log"
  skipped_here=$(skips_of_log "$log" | tee -a "$skips" | wc -l)
  # shellcheck disable=SC2046 # two numbers are two arguments
  count $(awk '/^test result: / { p += $4; f += $6 } END { print p + 0, f + 0 }' "$log") "$skipped_here" "$status"
  return "$status"
}

# The test targets of the other packages: a folder with a main.rs, or a file.
targets_beside() {
  local path
  for path in */tests/*/main.rs */*/tests/*/main.rs */tests/*.rs */*/tests/*.rs; do
    [ -f "$path" ] || continue
    path=${path%/main.rs}
    basename "$path" .rs
  done | sort -u | sed 's/^/--test\n/'
}

# The test targets of tests/Cargo.toml that need the whole chain: all but tidy.
end_to_end_targets() {
  awk -F'"' '/^\[\[/ { inside = ($0 == "[[test]]") } inside && /^name = / && $2 != "tidy" { print "--test"; print $2 }' tests/Cargo.toml
}

unit_tests() {
  local status=0
  if has_nextest; then
    nextest "unit tests" 'not package(system-tests) or binary(tidy) or (package(system-tests) and kind(lib))' || status=1
    cargo_test "doc tests" --workspace --doc || status=1
  else
    local targets
    mapfile -t targets < <(targets_beside)
    cargo_test "unit tests" --workspace --lib --bins "${targets[@]}" || status=1
    cargo_test "house rules" --workspace --test tidy || status=1
    cargo_test "doc tests" --workspace --doc || status=1
  fi
  return "$status"
}

# The hub's own tests once more, with its databases on the server. What is about files only is in modules of that name.
on_postgres() {
  if [ -z "${PERCOLATE_TEST_POSTGRES:-}" ]; then
    echo "hub on PostgreSQL: SKIPPED, no PostgreSQL server is installed (apt-get install postgresql-15)"
    outcome=skipped
    return 0
  fi
  PERCOLATE_TEST_ENGINE=postgres cargo_test "hub on PostgreSQL" --workspace --test it -- alias:: audit:: catalog:: \
    durability:: giveback:: hubrestore:: ingest:: isolation:: journal:: lives:: locks:: marks:: mosquitto:: openapi:: parked:: \
    projection:: relay:: reporting:: roles:: --skip of_files
}

end_to_end_tests() {
  if has_nextest; then
    nextest "end-to-end tests" 'package(system-tests) and not binary(tidy) and not kind(lib)'
  else
    local targets
    mapfile -t targets < <(end_to_end_targets)
    cargo_test "end-to-end tests" --workspace "${targets[@]}"
  fi
}

mkdir -p "$logs_dir"
: >"$skips"
# Ctrl-C ends the stage that runs (its programs get the signal too); the rest is not begun.
trap 'go_on=no' INT

stage "set-up" set_up
stage "format and lints" format_and_lints
stage "build" build
stage "unit and property tests" unit_tests
stage "hub on PostgreSQL" on_postgres
stage "end-to-end tests" end_to_end_tests

printf '\n%-26s %-8s %6s\n' stage result time
printf '%s\n' "${table[@]}" | sed 's/ *$//'
if ((skipped > 0)); then
  printf '\nSKIPPED: %d tests did not run on this machine:\n' "$skipped"
  sed 's/^/  /' "$skips"
fi
printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$all_ok" = yes ]
