# Every target is what CI runs (.ci/run), so that a green run here is a green run there.
# Tools are pinned here and never enter go.mod, where golangci-lint alone would link 207 modules.
GOFUMPT     := mvdan.cc/gofumpt@v0.12.0
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
GOLANGCI    := v2.15.0
# Built once and kept: building it takes minutes, so `go run` would not do.
LINTER := .tmp/bin/golangci-lint-$(GOLANGCI)

FUZZTIME ?= 10s
# The packages linked into the daemon on one fixed platform, so that the answer is the same on all.
DEPS = GOOS=linux GOARCH=amd64 CGO_ENABLED=0 go list -deps \
	-f '{{if not .Standard}}{{if not .Module.Main}}{{.ImportPath}}{{end}}{{end}}' ./cmd/cloverleaf | LC_ALL=C sort

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help check fmt vet static tidy deps-check lint test race fuzz interop bench pgo vuln deps

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' Makefile

check: fmt vet static tidy deps-check race ## what a change must pass before it is committed

fmt: ## list files gofumpt would change, and fail if there are any
	@files=$$(find . -name '.?*' -prune -o -name '*.go' -print | xargs go run $(GOFUMPT) -l) && { test -z "$$files" || { echo "gofumpt would change:"; echo "$$files"; exit 1; }; }

vet: ## run go vet
	go vet -tags interop ./...

static: ## run staticcheck
	go run $(STATICCHECK) -tags interop ./...

tidy: ## fail if go.mod or go.sum is not tidy
	go mod tidy -diff

deps-check: ## fail if the daemon links other packages than docs/deps.txt says
	@test ! -d cmd/cloverleaf || $(DEPS) | diff -u docs/deps.txt - || { echo "the daemon links other packages than docs/deps.txt says: make deps"; exit 1; }

deps: ## rewrite docs/deps.txt
	$(DEPS) > docs/deps.txt

lint: $(LINTER) ## run golangci-lint (the first run builds it: minutes)
	$(LINTER) config verify
	$(LINTER) run ./...

$(LINTER):
	GOBIN=$(CURDIR)/.tmp/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)
	mv .tmp/bin/golangci-lint $@

test: ## run the tests
	go test ./...

race: ## run the tests with the race detector, in random order
	go test -race -shuffle=on -pgo=off ./... # the profile would have everything compiled twice

fuzz: ## run every Fuzz target for FUZZTIME (a duration, or a number of runs such as 10000x)
	bash .ci/fuzz $(FUZZTIME)

interop: ## run the tests against other WAMP implementations
	bash interop/run.sh

bench: ## run the benchmarks
	go test -run '^$$' -bench . -benchmem ./bench/... ./protocol/... ./actors/...

pgo: ## profile the router under load, for the compiler: cmd/cloverleaf/default.pgo (a quiet machine; 2 minutes)
	bash .ci/pgo

vuln: ## look for known vulnerabilities that our code reaches (needs to reach vuln.go.dev)
	go run $(GOVULNCHECK) ./...
