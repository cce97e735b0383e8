#!/usr/bin/env bash
# Sees to it that this machine can build and test Percolate: the toolchain is new enough, and Debian packages that are missing
# are installed when that is allowed (root, or sudo without a password), else named in one line. Exit code 2: something is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
source scripts/lib.sh

# Debian packages, each with a command that succeeds when it is there. Add a line when a build or a test needs one more.
needs=(
  "make|command -v make"
  "gcc libc6-dev|compiles_c"
  "python3|python3 --version"
)

compiles_c() {
  echo '#include <stdio.h>
int main(void) { return 0; }' | cc -x c - -o /dev/null
}

check_rust() {
  local wanted found
  wanted=$(sed -nE 's/^rust-version = "([0-9.]+)"/\1/p' Cargo.toml)
  if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
    echo "set-up: Percolate needs Rust $wanted or newer; none was found (https://rustup.rs)" >&2
    exit 2
  fi
  found=$(rustc --version | cut -d' ' -f2)
  if [ "$(printf '%s\n%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1)" != "$wanted" ]; then
    echo "set-up: Percolate needs Rust $wanted or newer; this is $found (rustup update stable)" >&2
    exit 2
  fi
  echo "Rust $found"
}

# Prints the packages whose check fails.
missing_packages() {
  local need
  for need in "${needs[@]}"; do
    if ! ${need#*|} >/dev/null 2>&1; then
      echo "${need%%|*}"
    fi
  done
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  else
    sudo -n "$@"
  fi
}

may_install() {
  command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}

apt_install() {
  as_root apt-get update -qq &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

install_packages() {
  local log=$logs_dir/set-up.log packages
  packages=$(missing_packages | tr '\n' ' ')
  [ -n "$packages" ] || return 0
  if may_install; then
    # The words of $packages are package names.
    # shellcheck disable=SC2086
    run_quietly "set-up: installing $packages" "$log" apt_install $packages || tail -n 3 "$log" >&2
    packages=$(missing_packages | tr '\n' ' ')
  fi
  if [ -n "$packages" ]; then
    echo "set-up: these Debian packages are missing; as root: apt-get install ${packages% }" >&2
    exit 2
  fi
}

node_version() {
  if command -v node >/dev/null; then
    echo "Node $(node --version) (nothing needs it yet)"
  else
    echo "no Node (nothing needs it yet)"
  fi
}

rust=$(check_rust)
install_packages
echo "set-up: $rust, a C compiler, $(python3 --version), $(node_version)"
