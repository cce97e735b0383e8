#!/usr/bin/env bash
# Builds the programs that ship with the release profile and measures them; arguments are cases, and --quick.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
source scripts/lib.sh

cargo_quietly "release build" cargo build --release --package store-node --package cloud-hub --package bench --bins --locked
"$target_dir/release/bench" "$@"
