# Percolate. `make` or `make help` lists the targets.

export PATH := $(PATH):$(HOME)/.cargo/bin
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

.DEFAULT_GOAL := help
.PHONY: help demo cluster test rmqtt day prove kills sim planted census mutants bench fmt check lint deny clean-scratch

help: ## List the targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/make \1@\2/p' $(MAKEFILE_LIST) | awk -F@ '{ printf "%-20s %s\n", $$1, $$2 }'

demo: ## Run a head office and ten shops on this machine through one bad morning, and compare the books (ARGS=--exit to end by itself)
	@scripts/setup.sh
	@scripts/build.sh
	@$(TARGET_DIR)/debug/provision demo $(ARGS)

cluster: ## Run a large hub on this machine, in parts and replicas: PostgreSQL, mosquitto, HAProxy, until Ctrl-C
	@scripts/setup.sh --servers
	@scripts/build.sh
	@scripts/cluster.sh

test: ## Run all tests, with a table of the stages at the end
	@scripts/test.sh

rmqtt: ## Kill the members of an RMQTT cluster in turn while shops sell through it; builds some 390 crates, so not a part of test
	@scripts/setup.sh --rmqtt
	@scripts/rmqtt.sh

day: ## Play a Tuesday at ten shops, and compare all books at its end
	@scripts/setup.sh
	@scripts/test-target.sh day

prove: ## Tamper with a chain's books in every way that an owner fears, and show that each is seen
	@scripts/setup.sh
	@scripts/build.sh
	@$(TARGET_DIR)/debug/prove

kills: ## The kill harness: SIGKILL of a selling shop and of the hub, again and again (ARGS="200 50 SEED")
	@scripts/setup.sh
	@scripts/build.sh
	@$(TARGET_DIR)/debug/kills $(ARGS)

sim: ## Simulate chains with everything going wrong (SEEDS=200 FROM=1 DAYS=1 STORES=3 PROFILE=everything SECONDS=0)
	@scripts/setup.sh
	@scripts/build.sh
	@$(TARGET_DIR)/debug/simulate SEEDS=$(SEEDS) FROM=$(FROM) DAYS=$(DAYS) STORES=$(STORES) PROFILE=$(PROFILE) SECONDS=$(SECONDS)

planted: ## Plant known bugs into a copy of the code, one at a time, and show that the simulator catches each
	@scripts/setup.sh
	@scripts/planted.sh

census: ## Show what is alive: event types, routes, metrics and error codes, each with who makes and who uses it
	@scripts/setup.sh
	@scripts/test-target.sh tidy everything_that_is_named_is_alive

mutants: ## Change the core in small ways, and show which changes no test notices: slow (needs cargo-mutants; ARGS="--re ^common/src/money")
	@cargo mutants --version >/dev/null 2>&1 || { echo "cargo-mutants is not installed: cargo install cargo-mutants --locked"; exit 2; }
	@cargo nextest --version >/dev/null 2>&1 || { echo "cargo-nextest is not installed: cargo install cargo-nextest --locked"; exit 2; }
	@mkdir -p "$(TARGET_DIR)"
	@CARGO_TARGET_DIR="$(abspath $(TARGET_DIR))/mutants" CARGO_PROFILE_DEV_OPT_LEVEL=0 cargo mutants --output "$(TARGET_DIR)" $(ARGS)

bench: ## Measure the programs that ship against the disk, and write docs/benchmarks.md (ARGS="sales offline", BENCH_QUICK=1)
	@scripts/setup.sh
	@scripts/bench.sh $(if $(filter-out 0 no,$(BENCH_QUICK)),--quick) $(ARGS)

fmt: ## Format the code
	@cargo fmt --all
	@cargo fmt --all --manifest-path tests/rmqtt/Cargo.toml

check: ## Type-check everything, tests included; the quickest answer
	@cargo check --workspace --all-targets

lint: ## Check the format, clippy without warnings, and the documentation with its private items
	@cargo fmt --all --check
	@cargo fmt --all --check --manifest-path tests/rmqtt/Cargo.toml
	@cargo clippy --workspace --all-targets -- -D warnings
	@RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items

deny: ## Check licences, advisories and who may depend on what (needs cargo-deny)
	@cargo deny --version >/dev/null 2>&1 || { echo "cargo-deny is not installed: cargo install cargo-deny --locked"; exit 2; }
	@cargo deny --all-features check

clean-scratch: ## Remove what the demo and the tests left behind; builds are kept
	@rm -rf scratch "$(TARGET_DIR)/logs" "$(TARGET_DIR)/nextest"
