# Each target is a habit; bare `make` lists them. They need Go, a C compiler and nothing else:
# `need` says in one line what is missing.

# Pebble's block cache lives outside Go's heap, and the race detector is C.
export CGO_ENABLED = 1
# The version below already says what git knows; asking again fails where another user owns the clone.
# What is shipped is built by the profile in cmd/waytrace; tests are not, or all would be compiled twice.
export GOFLAGS += -buildvcs=false -pgo=off
# Go asks for gcc by name. Where only another compiler is there, name that one.
ifeq ($(origin CC)$(shell command -v gcc 2>/dev/null),default)
export CC := $(notdir $(shell command -v cc || command -v clang))
named = CC=$(CC)
endif

VERSION = $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BENCH_WAYBILLS ?= 1000000
FUZZTIME ?= 60s

.PHONY: help run test check golden carrier fuzz bench bench-quick bench-big bench-micro profile map hooks cover build clean need prove-kill prove-crash prove-laws \
	prove-kafka prove-kafka-cost kafka kafka-stop cluster cluster-stop cluster-demo real

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile

run: build ## build and start the daemon, data in ./data (ARGS='--listen=…' passes more)
	@exec bin/waytrace serve $(ARGS)

test: need ## every test, race detector on
	go test -race -timeout 5m ./...

check: need ## formatting, vet, staticcheck, go.mod: what a reader should not have to say
	@unformatted=$$("$$(go env GOROOT)/bin/gofmt" -l .) && [ -z "$$unformatted" ] || \
		{ echo "not formatted, run gofmt -w on:"; echo "$$unformatted"; exit 1; }
	go mod tidy -diff
	go vet ./...
	go tool -modfile=tools/go.mod staticcheck ./...

golden: need ## rewrite what the case files say we understood and answered, show the diff
	@go test -count=1 $$(grep -rl --include='*_test.go' '"waytrace/carriers/carriertest"' carriers | sed 's|^\(.*\)/.*|./\1|' | sort -u) -args -golden
	@git --no-pager diff --stat -p -- '*testdata*'
	@git ls-files --others --exclude-standard -- '*testdata*' | sed 's/^/new: /'

carrier: need ## a folder for a new carrier that passes as it is: make carrier NAME=acme
	@go run ./carriers/newcarrier "$(NAME)"
	@go test -count=1 ./carriers/$(NAME) ./carriers/all

fuzz: need ## a minute for every fuzz target (FUZZTIME=60s); finds stay in testdata/fuzz
	@listed=$$(go test -list '^Fuzz' ./...) || { echo "$$listed"; exit 1; }; \
	echo "$$listed" | awk '/^Fuzz/ { at[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print $$2, at[i]; n = 0 }' | \
	{ failed=; while read -r package target; do \
		echo "== $$package $$target"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package" </dev/null || failed="$$failed $$package.$$target"; \
	done; [ -z "$$failed" ] || { echo "found something:$$failed"; exit 1; }; }

bench: build ## a daemon against what this machine can do, up to 40 minutes: bench/out/report.html (BENCH_WAYBILLS=1000000)
	@exec bin/waytrace bench --waybills=$(BENCH_WAYBILLS) $(ARGS)

bench-quick: build ## the same in under 3 minutes, with little data: a look, not a measurement
	@exec bin/waytrace bench --quick --out=bench/out/quick.json --html=bench/out/quick.html $(ARGS)

bench-big: build ## 100 M events, an hour of it, PostgreSQL and Redis beside it: up to 150 minutes, 30 GB below bench/out
	@exec bench/rivals/rivals.sh bench/out bin/waytrace bench big --out=bench/out/big.json --html=bench/out/big.html $(ARGS)

bench-micro: need ## the Go benchmarks: what one step of a push or a read costs
	go test -run '^$$' -bench . -benchmem -cpu 1 $$(go list ./... | grep -v /bench)

profile: build ## cmd/waytrace/default.pgo anew, from mixed loads: nothing else should run meanwhile
	@exec bench/profile.sh bin/waytrace cmd/waytrace/default.pgo

map: need ## who imports whom, floor by floor
	@go test -count=1 -v -run '^TestFloors$$' cmd/waytrace/floors_test.go -args -map | grep -v -e '^=== ' -e '^ *--- PASS' -e '^PASS' -e '^ok '

hooks: ## run check and test before each git push
	@hook=$$(git rev-parse --git-path hooks)/pre-push; \
	if [ -e "$$hook" ] && ! grep -q 'make check test' "$$hook"; then \
		echo "$$hook is there already and not ours: add the line 'make check test' to it"; exit 1; \
	fi; \
	mkdir -p "$$(dirname "$$hook")" && \
	printf '%s\n' '#!/bin/sh' '# Installed by make hooks. git push --no-verify goes past it.' \
		'unset $$(git rev-parse --local-env-vars)' 'exec make check test </dev/null' >"$$hook" && \
	chmod +x "$$hook" && echo "$$hook runs make check test before each push"

prove-kill: need ## kill -9 in the middle of a load, 20 rounds: docs/proofs/kill.txt
	@mkdir -p docs/proofs
	go test -count=1 -v -timeout 15m -run '^(TestKill|TestStopUnderLoad)$$' ./cmd/waytrace -kill-rounds 20 2>&1 | grep -v PSI | tee docs/proofs/kill.txt
	@grep -q '^ok' docs/proofs/kill.txt

prove-crash: need ## 200 disks cut off in mid-write, and a disk that only pretends to sync: docs/proofs/crash.txt
	@mkdir -p docs/proofs
	go test -count=1 -v -timeout 15m -run '^TestCrash' ./store -crash-rounds 200 2>&1 | grep -v PSI | tee docs/proofs/crash.txt
	@grep -q '^ok' docs/proofs/crash.txt

prove-laws: need ## 25,000 interleavings against an oracle, each rule of the fold switched off in turn: docs/proofs/laws.txt
	@mkdir -p docs/proofs
	{ go test -count=1 -v -timeout 15m -run '^(TestLaws|TestInterleavings|TestProveRules)$$' ./trace -laws 25000 -prove-rules; \
	go test -count=1 -v -timeout 15m -run '^TestLaws$$' ./store -laws 500; } 2>&1 | grep -v PSI | tee docs/proofs/laws.txt
	@[ "$$(grep -c '^ok' docs/proofs/laws.txt)" = 2 ]

prove-kafka: build ## nodes, a Kafka that fails in every way, then a real one that is killed, cut off, left behind: docs/proofs/kafka.txt
	@mkdir -p docs/proofs
	{ go test -count=1 -v -timeout 15m -run '^TestReplication' ./relay -seeds 20 && REAL_SEEDS=5 .ci/real 20 -real-outage 60s -real-kills 3; } 2>&1 | \
		grep -v PSI | tee docs/proofs/kafka.txt
	@[ "$$(grep -c '^ok' docs/proofs/kafka.txt)" = 3 ] && [ "$$(grep -c 'no request failed, and all nodes' docs/proofs/kafka.txt)" = 2 ]

prove-kafka-cost: need ## what replication costs the daemon, and how soon a sister shows a push: docs/proofs/kafka-cost.txt
	@mkdir -p docs/proofs
	KAFKA_BROKERS=wanted go test -count=1 -v -timeout 15m -run '^TestKafkaCost$$' ./cmd/waytrace -cost-turns 5 2>&1 | \
		grep -v PSI | tee docs/proofs/kafka-cost.txt
	@grep -q '^ok' docs/proofs/kafka-cost.txt

kafka: ## a real Kafka on loopback, for tests and for a try: prints KAFKA_BROKERS=… (KAFKA_PORT=19092)
	@deploy/kafka/kafka.sh start

kafka-stop: ## stop it; what it keeps stays in .kafka
	@deploy/kafka/kafka.sh stop

cluster: build ## Kafka, three nodes and nginx before them, on loopback (CLUSTER_PORT=8080)
	@deploy/cluster/cluster.sh start

cluster-stop: ## stop them; what they keep stays in .cluster
	@deploy/cluster/cluster.sh stop

cluster-demo: build ## pushes and reads go on while one of three nodes is killed (ARGS=--two: one of two is replaced)
	@deploy/cluster/demo.sh $(ARGS)

real: build ## what a real Kafka, nginx and a cluster show, in a few minutes: what they do not leave to the tests
	@.ci/real

cover: need ## which lines no test visits: cover.html, and the total
	go test -coverpkg=./... -coverprofile=cover.out ./...
	@go tool cover -html=cover.out -o cover.html
	@go tool cover -func=cover.out | tail -n 1
	@echo "read cover.html: red lines were never visited"

build: need ## bin/waytrace
	@go build -pgo=auto -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/waytrace ./cmd/waytrace

clean: ## remove what was built and measured here, never ./data
	rm -rf bin bench/out cover.out cover.html

# make adds where it stopped to what is lacking; everything else would be a second line.
need:
	@$(eval lack := $(shell $(named) sh .ci/need 2>&1))$(if $(lack),$(error $(lack)))
