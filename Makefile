# make demo    try it on a throw-away bucket
# make test    everything, with the race detector, on real mounts
# make lint    gofmt, go vet, golangci-lint with the layer rules
# make install PREFIX=/usr/local
#
# make budget  S3 requests of each operation; UPDATE=1 writes them into docs/SEMANTICS.md
# make model   random operations against a model, MODEL_TIME=5m for each of its two tests
# make crash   kill -9 at random S3 requests, CRASH_RUNS=200
# make race    two mounts and two other clients at the same files, RACE_TIME=10m
# make mutants deliberately broken builds, each of which a test must catch
# make apps    real programs on a mount, in TAP form
# make bench   speed, beside the SDK, a null filesystem and peers; BENCH='--workloads W1,W4 --compare old.json'
# make soak    all of these, for hours
# make test-small-memory   the tests of ./integration with --memory-limit=32MiB on each mount that sets none itself;
#              PAILFS_TEST_FLAGS='--flag ...' gives the mounts of those tests any flags

GO       ?= go
PREFIX   ?= /usr/local
DESTDIR  ?=
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null)
GOLANGCI ?= $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# The real programs of integration/apps.
APPS := $(shell cat integration/apps/programs)

# The S3 server is a module of its own: its dependencies are not pailfs's.
S3SERVER := integration/s3server
LDFLAGS  := -s -w$(if $(VERSION), -X main.version=$(VERSION))

MODEL_TIME ?= 5m
CRASH_RUNS ?= 200
RACE_TIME  ?= 10m
BENCH      ?=

.PHONY: all build test test-small-memory lint demo install clean deps budget model crash race mutants apps bench microbench soak

all: build

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/pailfs ./cmd/pailfs
	cd $(S3SERVER) && CGO_ENABLED=0 $(GO) build -trimpath -o ../../bin/s3server .

test: TOOLS += python3:python3 perl:perl wget:wget $(APPS)
test: deps build
	$(GO) test -race -count=1 -timeout 50m ./...
	cd $(S3SERVER) && $(GO) test -race -count=1 -timeout 10m ./...

# What needs much memory at once must wait, and still end, with the same bytes.
test-small-memory: TOOLS += python3:python3 perl:perl wget:wget
test-small-memory: deps
	PAILFS_TEST_FLAGS='$(strip --memory-limit=32MiB $(PAILFS_TEST_FLAGS))' $(GO) test -race -count=1 -timeout 50m ./integration

lint:
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	cd $(S3SERVER) && $(GO) vet ./...
	$(GOLANGCI) run ./...
	cd $(S3SERVER) && $(GOLANGCI) run --config ../../.golangci.yml ./...

demo: deps build
	bin/pailfs demo

# What the tests of the lab run by themselves: always with the binaries of this
# tree, always anew.
TEST := $(GO) test -count=1 -v -timeout 0

budget: deps
	$(TEST) -run '^TestRequestTable' ./integration $(if $(UPDATE),-update)

model: deps
	PAILFS_MODEL_TIME=$(MODEL_TIME) $(TEST) -race -run '^TestModel' ./integration

crash: deps
	PAILFS_CRASH_RUNS=$(CRASH_RUNS) $(TEST) -run '^(TestCrash|TestLostResponses)' ./integration

race: deps
	PAILFS_RACE_TIME=$(RACE_TIME) $(TEST) -race -run '^TestRace' ./integration

mutants: deps
	PAILFS_MUTANTS=all $(TEST) ./integration/mutants

apps: TOOLS += $(APPS)
apps: deps build
	integration/apps/run

bench: TOOLS += git:git s3fs:s3fs rclone:rclone
bench: deps build
	$(GO) build -o bin/bench ./integration/bench
	bin/bench run --out bin/bench.json $(BENCH)

# Benchmarks of single packages.
microbench: deps build
	$(GO) test -run '^$$' -bench . -benchmem -timeout 50m ./...

soak:
	$(MAKE) model MODEL_TIME=2h
	$(MAKE) crash CRASH_RUNS=2000
	$(MAKE) race RACE_TIME=1h
	$(MAKE) mutants apps bench

install: build
	install -D -m 755 bin/pailfs $(DESTDIR)$(PREFIX)/bin/pailfs

clean:
	rm -rf bin

# What a mount, the demo and the tests need from the system, as program:package;
# installed where this may be done, else named.
TOOLS := fusermount3:fuse3 getfattr:attr curl:curl
deps:
	@missing=; \
	for t in $(TOOLS); do \
		command -v "$${t%%:*}" >/dev/null || missing="$$missing $${t#*:}"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing$$missing"; \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get update -q && apt-get install -y -q --no-install-recommends $$missing; \
	else \
		echo "missing:$$missing; run: sudo apt-get install -y$$missing" >&2; exit 1; \
	fi
