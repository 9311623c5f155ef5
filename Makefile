.DEFAULT_GOAL := help
SHELL := /bin/sh

# The race detector needs a C compiler.
RACE := $(if $(shell command -v "$$(go env CC)"),-race)
LINT := go tool -modfile=tools/go.mod golangci-lint
SERVICES_DIR ?= daybook-services

.PHONY: help
help: ## show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Where nothing was ever built, Go compiles its own library and all others first. So this program is one that compiles
# in half the time: without the profile and inlining, which make a release fast, and without C.
QUICK := CGO_ENABLED=0 go build -pgo=off -gcflags='all=-l -dwarf=false' -ldflags='-s -w'

.PHONY: run
run: ## serve a sample restaurant, with nothing installed
	@echo 'make run: building bin/quick/daybook; the first time, that takes up to a minute' >&2
	@$(QUICK) -o bin/quick/ ./cmd/daybook
	@exec bin/quick/daybook serve --demo

# Built first: "go run" would die of a SIGTERM and leave its program behind. So would make's shell, hence exec.
.PHONY: run-full
run-full: services build ## the same on a private PostgreSQL and Redis
	@exec bin/with -dir "$(SERVICES_DIR)" -- bin/daybook serve --demo

# Every test runs once, most of them with the race detector. Where it does not pay, they run plain: the domain has one
# thread, and in e2e the server is another process. The tests of EventStoreDB's client have deadlines written into them,
# which a slow server does not meet. Of the packages in STORES, the tests that enumerate crashes and damages, and the
# contract over the network, would take ten times as long; in that of a hostile server, EventStoreDB's client reads the
# headers of a call that was just cancelled while gRPC may still write them. These run plain, the others of STORES raced.
PLAIN := /domain/|/internal/e2e$$|/clientsuite$$
STORES := ./eventstore/embedded ./eventstore/kurrent ./projections/embedded
ENUMERATING := ^TestContract$$|Crash|Damage|Flipped|Hostile|Kill|LostEnd|Model|OnDisk|Overwritten|PowerCut|TellsProgress

.PHONY: test
test: services ## install what is missing and run every test
	$(if $(RACE),,@echo 'make test: no C compiler, so the race detector is off' >&2)
	@set -e; \
	all=$$(go list ./...); \
	stores=$$(go list $(STORES)); \
	plain=$$(echo "$$all" | grep -E '$(PLAIN)'); \
	raced=$$(echo "$$all" | grep -vE '$(PLAIN)' | grep -vxF "$$stores"); \
	status=0; \
	go test -timeout 20m $$plain || status=1; \
	go test -timeout 20m $(if $(RACE),-run '$(ENUMERATING)') $$stores || status=1; \
	$(if $(RACE),go test -race -timeout 20m -skip '$(ENUMERATING)' $$stores || status=1;) \
	go test $(RACE) -timeout 20m $$raced || status=1; \
	exit $$status

# Part of test, too. It needs ports 2111 to 2113, which the tests have written into them.
.PHONY: esdb-suite
esdb-suite: ## run the tests of EventStoreDB's client against esdbserver
	go test -count=1 -v ./eventstore/esdbserver/clientsuite

# Small, to see that everything works and roughly where this machine stands. The figures in docs/performance.md are of
# the whole scale: bin/daybook bench --plot docs/img
.PHONY: bench
bench: services build ## run the benchmarks at a small scale, in about two minutes
	bin/daybook bench --scale 0.01 --runs 3

# What the compiler optimises the server for: it inlines more where this profile says that the time goes.
.PHONY: profile
profile: services ## measure cmd/daybook/default.pgo again, in about three minutes
	go build -trimpath -o bin/ ./cmd/daybook # so that the profile names no directory of this machine
	bin/daybook bench rebuild append live query --scale 0.1 --runs 3 --cpuprofile cmd/daybook/default.pgo

.PHONY: lint
lint: ## check format, go vet and golangci-lint
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt -w $$unformatted"; exit 1; }
	go vet ./...
	$(LINT) run ./...

.PHONY: services
services: ## install PostgreSQL and Redis if they are missing, starting nothing
	@scripts/install-services

.PHONY: build
build: ## build the programs into bin/
	go build -o bin/ ./cmd/... ./internal/services/with

.PHONY: clean
clean: ## remove what was built, never data
	rm -rf bin
