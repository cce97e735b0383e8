#!/usr/bin/env bash
# Builds the programs that ship with the release profile and measures them; arguments are cases, and --quick.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
source scripts/lib.sh

cargo_quietly "release build" cargo build --release --package store-node --package cloud-hub --package provisioning --package bench --bins \
  --locked

# For the large profile; without PostgreSQL that case says that it is skipped.
if postgres_folder=$(scripts/postgres.sh start 2>/dev/null); then
  export PERCOLATE_TEST_POSTGRES="host=$postgres_folder user=percolate dbname=postgres"
  trap 'scripts/postgres.sh stop "$postgres_folder"' EXIT
fi
"$target_dir/release/bench" "$@"
