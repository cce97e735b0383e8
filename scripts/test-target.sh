#!/usr/bin/env bash
# test-target.sh TARGET [TEST]: builds everything, and runs one test target with all that it prints.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
source scripts/lib.sh

target=$1
shift
build_workspace --bins --tests
# Everything is built: cargo only finds the test.
cargo test --quiet --workspace --test "$target" --locked -- --nocapture "$@"
