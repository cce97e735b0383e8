#!/usr/bin/env bash
# Builds all programs, those that ship and those that test them, with one line of progress.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
source scripts/lib.sh

build_workspace --bins
