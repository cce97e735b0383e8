#!/usr/bin/env bash
# Sees to it that this machine can build and test Percolate: the toolchain is new enough, and Debian packages that are missing
# are installed when that is allowed (root, or sudo without a password), else named in one line. Exit code 2: something is missing.
# setup.sh --servers: also the servers that some tests run against, what looks at networks for them, and a browser with the
# package that drives it. Nothing of theirs is started, now or when the machine starts, and no settings are left changed.
# Without them those tests say that they are skipped.
# setup.sh --rmqtt: the same, and what the member of a broker cluster is built with; without that, exit code 2.
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

# The same for the member of a broker cluster, whose wire formats are generated.
for_rmqtt=(
  "g++|command -v g++"
  "protobuf-compiler|command -v protoc"
)

# The same for the servers. What is installed already is left as it is.
servers=(
  "postgresql-15|has_postgres"
  "mosquitto|has_mosquitto"
  "mosquitto-clients|has_program mosquitto_pub"
  "haproxy|has_haproxy"
  "nftables|has_program nft"
  "nmap|has_program nmap"
  "iputils-arping|has_program arping"
  "chromium|has_program chromium"
)

compiles_c() {
  echo '#include <stdio.h>
int main(void) { return 0; }' | cc -x c - -o /dev/null
}

has_postgres() {
  ls /usr/lib/postgresql/*/bin/initdb
}

has_mosquitto() {
  command -v mosquitto || [ -x /usr/sbin/mosquitto ]
}

has_haproxy() {
  command -v haproxy || [ -x /usr/sbin/haproxy ]
}

has_program() {
  command -v "$1" || [ -x "/usr/sbin/$1" ]
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

# missing_packages NEED...: prints the packages whose check fails.
missing_packages() {
  local need
  for need in "$@"; do
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
  packages=$(missing_packages "${needs[@]}" | tr '\n' ' ')
  [ -n "$packages" ] || return 0
  if may_install; then
    # The words of $packages are package names.
    # shellcheck disable=SC2086
    run_quietly "set-up: installing $packages" "$log" apt_install $packages || tail -n 3 "$log" >&2
    packages=$(missing_packages "${needs[@]}" | tr '\n' ' ')
  fi
  if [ -n "$packages" ]; then
    echo "set-up: these Debian packages are missing; as root: apt-get install ${packages% }" >&2
    exit 2
  fi
}

policy=/usr/sbin/policy-rc.d
cluster_settings=/etc/postgresql-common/createcluster.conf
set_aside=

# Debian's packages ask this file whether they may start what they bring. One that is there is kept and comes back.
forbid_starting() {
  set_aside=$(mktemp -d)
  if [ -e "$policy" ]; then as_root cp -p "$policy" "$set_aside/policy"; fi
  printf '#!/bin/sh\nexit 101\n' >"$set_aside/forbid"
  as_root install -m 755 "$set_aside/forbid" "$policy"
}

put_back() {
  [ -n "$set_aside" ] || return 0
  if [ -e "$set_aside/policy" ]; then as_root cp -p "$set_aside/policy" "$policy"; else as_root rm -f "$policy"; fi
  if [ -e "$set_aside/cluster" ]; then as_root cp -p "$set_aside/cluster" "$cluster_settings"; fi
  as_root rm -rf "$set_aside"
  set_aside=
}

install_servers() {
  local package
  for package in "$@"; do
    case "$package" in
      postgresql-15)
        # The package makes a database of its own, unless these settings say otherwise before it comes.
        apt_install postgresql-common &&
          as_root cp -p "$cluster_settings" "$set_aside/cluster" &&
          echo 'create_main_cluster = false' | as_root tee -a "$cluster_settings" >/dev/null &&
          apt_install postgresql-15
        ;;
      mosquitto | haproxy | nftables)
        apt_install "$package" && never_at_boot "$package"
        ;;
      nmap | iputils-arping | mosquitto-clients | chromium)
        apt_install "$package"
        ;;
    esac || return
  done
}

never_at_boot() {
  if command -v systemctl >/dev/null; then as_root systemctl disable "$1.service"; else as_root update-rc.d "$1" disable; fi
}

offer_servers() {
  local log=$logs_dir/set-up-servers.log packages
  packages=$(missing_packages "${servers[@]}" | tr '\n' ' ')
  [ -n "$packages" ] || return 0
  if may_install; then
    trap put_back EXIT
    forbid_starting
    # The words of $packages are package names.
    # shellcheck disable=SC2086
    run_quietly "set-up: installing $packages" "$log" install_servers $packages || tail -n 3 "$log" >&2
    put_back
    packages=$(missing_packages "${servers[@]}" | tr '\n' ' ')
  fi
  if [ -n "$packages" ]; then
    echo "set-up: tests that need a server will be skipped; as root: apt-get install ${packages% }"
  fi
}

# What drives the browser, as its lock file has it; it is taken anew only when that has changed.
offer_browser_driver() {
  local folder=tests/browser
  command -v npm >/dev/null || return 0
  [ ! "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ] || return 0
  run_quietly "set-up: the browser's driver" "$logs_dir/set-up-browser.log" \
    npm --prefix "$folder" ci --no-audit --no-fund --ignore-scripts ||
    echo "set-up: tests in a browser will be skipped: its driver could not be had (npm ci in $folder)"
}

node_version() {
  if command -v node >/dev/null; then
    echo "Node $(node --version)"
  else
    echo "no Node (tests in a browser are skipped)"
  fi
}

rust=$(check_rust)
if [ "${1:-}" = --rmqtt ]; then needs+=("${for_rmqtt[@]}"); fi
install_packages
case "${1:-}" in --servers | --rmqtt) offer_servers && offer_browser_driver ;; esac
echo "set-up: $rust, a C compiler, $(python3 --version), $(node_version)"
