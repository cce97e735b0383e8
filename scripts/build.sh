#!/usr/bin/env bash
# Builds the programs (store-node, cloud-hub, provision) with one line of progress.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
source scripts/lib.sh

cargo_quietly build cargo build --workspace --exclude bench --exclude slow-line --bins --locked
