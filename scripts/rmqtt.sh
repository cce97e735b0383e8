#!/usr/bin/env bash
# Builds the member of a broker cluster (tests/rmqtt, a workspace of its own), and runs what is tested at such a cluster, against
# a PostgreSQL server of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
source scripts/lib.sh

mkdir -p "$target_dir"
member_dir=$(cd "$target_dir" && pwd)/rmqtt
member=(--manifest-path tests/rmqtt/Cargo.toml --target-dir "$member_dir")

cargo_quietly "broker member" cargo build "${member[@]}"
cargo test --quiet "${member[@]}"
build_workspace --bins --tests

postgres_folder=$(scripts/postgres.sh start)
trap 'scripts/postgres.sh stop "$postgres_folder"' EXIT
export PERCOLATE_TEST_POSTGRES="host=$postgres_folder user=percolate dbname=postgres"
export PERCOLATE_TEST_RMQTT=$member_dir/debug/rmqtt-node

# run TARGET TEST: everything is built, and cargo only finds the test; of one that is not there it would say nothing.
run() {
  local log=$logs_dir/rmqtt-$1.log
  cargo test --quiet --workspace --test "$1" --locked -- --nocapture --exact "$2" 2>&1 | tee "$log"
  grep -q '^test result: ok. 1 passed' "$log"
}

run it access::a_cluster_of_rmqtt_brokers_keeps_the_list_of_who_may_do_what
run e2e rmqtt::members_of_a_broker_cluster_are_killed_in_turn_and_nothing_is_lost_or_doubled
