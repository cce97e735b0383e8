#!/usr/bin/env bash
# Plants known bugs into a copy of the code, and shows that the simulator catches each.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
source scripts/lib.sh

build_workspace --bins
"$target_dir/debug/planted"
