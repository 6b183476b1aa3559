# `make` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.SUFFIXES:

FUZZTIME ?= 10s
SOAK ?= 30m
MODE ?=
# It has tests skipped: only test-fast may set it.
unexport NO_SERVERS

# The root module and the nested ones, each with a go.mod of its own.
MODULES := $(patsubst %/,%,$(dir $(shell find . -name go.mod -not -path '*/testdata/*' | sort)))
each = @set -e; for m in $(MODULES); do [ $$m = . ] || echo "== $$m"; (cd $$m && $(1)); done

# The linter is built once, from this version; one on PATH is used where it is the same.
LINT_VERSION := 2.15.0
LINT := $(if $(filter $(LINT_VERSION),$(shell golangci-lint version --short 2>/dev/null)),$(shell command -v golangci-lint),$(CURDIR)/.bin/golangci-lint-$(LINT_VERSION))

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: check
check: habits lint vet tidy test ## what CI runs once everything is installed: habits, lint, vet, tidy, test

.PHONY: ci
ci: install check bench-smoke ## install what a bare machine lacks, check, one pass of every benchmark

.PHONY: test
test: redis ## all tests, race detector on, in random order (installs redis-server with apt where it may)
	$(call each,list=$$(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); \
		[ -z "$$list" ] || go test -race -shuffle=on -parallel 3 -timeout 30m $$list)
	@# These cannot run under the race detector, and say why. Here none may be skipped.
	@set -o pipefail; go test -count=1 -timeout 30m -v -run 'Allocates|closeAtAnyMoment|TestMemory_a|TestLarge_by|TestStorm_pending|TestMeasure|TestReplay|TestModel' ./tiercache ./schedule ./bench/hitrate ./bench/replay | \
		awk '/--- (FAIL|SKIP)|^(ok|FAIL)|_test\.go:/; /--- SKIP/ { skipped = 1 } END { exit skipped }'

.PHONY: test-fast
test-fast: ## the tests of the libraries that start no server, without the race detector, for under a minute
	NO_SERVERS=1 go test . ./tiercache/... ./warm/... ./loaders/... ./schedule/... ./internal/...

.PHONY: nightly
nightly: ## what takes hours: soaks, mutants and fuzzing, 5 minutes a target
	$(MAKE) soak
	$(MAKE) mutants
	$(MAKE) fuzz FUZZTIME=5m

.PHONY: habits
habits: ## commit subjects; the rest of the house's rules are tests
	@.ci/habits

.PHONY: vet
vet:
	$(call each,go vet ./...)

.PHONY: lint
lint: $(LINT) ## golangci-lint, formatting included; the first time it is built, for some minutes
	$(call each,$(LINT) run ./...)

.PHONY: fmt
fmt: $(LINT) ## format all files as lint wants them
	$(call each,$(LINT) fmt ./...)

.PHONY: tidy
tidy: ## fail where `go mod tidy` would change something
	$(call each,go mod tidy -diff)

.PHONY: bench-smoke
bench-smoke: redis ## one pass of every benchmark: they run, their figures mean nothing
	$(call each,list=$$(go list -f '{{.Dir}}' ./... | while read -r d; do ! grep -qs '^func Benchmark' $$d/*_test.go || echo $$d; done); \
		[ -z "$$list" ] || go test -run '^$$' -bench . -benchtime 1x $$list)

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (default 10s) each
	@set -e; for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -r -n1 dirname | sort -u); do \
		list=$$(cd $$dir && go test -list '^Fuzz' .); \
		for target in $$(grep '^Fuzz' <<<"$$list"); do \
			echo "== $$dir $$target"; \
			(cd $$dir && go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) .); \
		done; \
	done

.PHONY: soak
soak: redis ## every test named TestSoak… for SOAK (default 30m) each, or MODE=deaf alone; `make test` runs them briefly
	$(if $(MODE),SOAK=$(SOAK) go test -race -count 1 -timeout 0 -v -run '^TestSoakWeather$$/^$(MODE)$$' ./tiercache, \
	$(call each,SOAK=$(SOAK) go test -race -count 1 -timeout 0 -v -run '^TestSoak' ./...))

.PHONY: mutants
mutants: redis ## remove each guard in turn: the test that watches it must fail
	go run ./bench/mutants

.PHONY: install
install: ## what the tests need beside Go: gcc, redis-server, PostgreSQL (apt-get, as root)
	@.ci/install

.PHONY: redis
redis:
	@command -v redis-server >/dev/null || .ci/install

$(CURDIR)/.bin/golangci-lint-$(LINT_VERSION):
	@echo "building golangci-lint $(LINT_VERSION), once"
	@GOBIN=$(CURDIR)/.bin GOFLAGS= go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(LINT_VERSION)
	@mv .bin/golangci-lint $@
