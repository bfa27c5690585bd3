# make demo    try it on a throw-away bucket
# make test    everything, with the race detector, on real mounts
# make lint    gofmt, go vet, golangci-lint with the layer rules
# make install PREFIX=/usr/local

GO       ?= go
PREFIX   ?= /usr/local
DESTDIR  ?=
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null)
GOLANGCI ?= $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# The S3 server is a module of its own: its dependencies are not pailfs's.
S3SERVER := integration/s3server
LDFLAGS  := -s -w$(if $(VERSION), -X main.version=$(VERSION))

.PHONY: all build test lint demo bench install clean deps

all: build

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/pailfs ./cmd/pailfs
	cd $(S3SERVER) && CGO_ENABLED=0 $(GO) build -trimpath -o ../../bin/s3server .

test: TOOLS += python3:python3 perl:perl wget:wget
test: deps build
	$(GO) test -race -count=1 -timeout 50m ./...
	cd $(S3SERVER) && $(GO) test -race -count=1 -timeout 10m ./...

lint:
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	cd $(S3SERVER) && $(GO) vet ./...
	$(GOLANGCI) run ./...
	cd $(S3SERVER) && $(GOLANGCI) run --config ../../.golangci.yml ./...

demo: deps build
	bin/pailfs demo

bench: deps build
	$(GO) test -run '^$$' -bench . -benchmem -timeout 50m ./...

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
