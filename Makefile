# nearcase: `make run` sets up, builds and runs the demo; `make test` sets up
# and runs every test. Both need Go, a C compiler, make and, on x86-64 Linux,
# npm to fetch ONNX Runtime once.

GO      ?= go
BIN     := bin
LIBRARY := $(abspath $(BIN))/libonnxruntime.so.1.24.1
AXE     := $(abspath $(BIN))/axe.min.js
# Arguments of `make run`: make run ARGS=--once
ARGS    ?=
# How long each fuzz target runs: a few seconds in `make test`, longer by hand.
FUZZTIME ?= 2s
# Tests that the race detector makes many times longer and that do not look for races, as
# others of the same packages do: they run without it. make race is all with it.
UNRACED := ^($(shell paste -sd'|' .ci/unraced))$$
UNRACED_IN := ./api ./api/audit ./api/rest ./index ./probe ./store/local ./store/local/powerloss
# Packages without goroutines of their own, in which there is nothing to race, and those
# that test other processes.
ALONE := ./cmd/nearcase ./cmd/nearcase/browser ./cmd/nearcase/phantom ./embed/dicom ./embed/jpeg ./embed/scatter ./embed/text ./index/simd ./probe/eval/report

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo development)

# Tests run in temporary folders, where the library beside bin/nearcase is not
# found without being named.
with-library = NEARCASE_ONNXRUNTIME="$${NEARCASE_ONNXRUNTIME:-$$(test -e $(LIBRARY) && echo $(LIBRARY))}" AXE_CORE="$${AXE_CORE:-$$(test -e $(AXE) && echo $(AXE))}"

.PHONY: run setup setup-tests build test test-short race fuzz fuzz-short check format generate generated vet staticcheck imports deploy-check man tidy cross unraced check-dicomweb bench bench-accuracy bench-embed bench-http bench-index bench-page bench-probes bench-reembed bench-resize bench-softmax bench-store clean screenshots crash damage powerloss fuzz-store soak

run: build
	$(BIN)/nearcase demo $(ARGS)

# setup makes the ONNX Runtime library available; it does nothing if it is.
setup:
	@$(GO) run ./embed/onnx/setup -o $(BIN)

# setup-tests fetches axe-core, with which tests look at the page.
setup-tests: setup
	@$(GO) run ./cmd/nearcase/browser/axe -o $(BIN)

build: setup
	$(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o $(BIN)/nearcase ./cmd/nearcase

# test fuzzes every parser for a few seconds and then runs all tests, with the race
# detector save those named above. make race is all with it. Many wait for disks and
# processes more than they compute, so that more run at a time than there are cores; the
# longest begin first.
test: setup-tests fuzz-short
	@$(with-library) $(GO) test -race -p 2 -skip '$(UNRACED)' -timeout 25m ./store/local ./api \
		$$($(GO) list ./... | grep -vxF "$$($(GO) list $(ALONE) ./store/local ./api)") & raced=$$!; \
	$(with-library) $(GO) test -p 2 -timeout 20m $(ALONE) && \
	$(with-library) $(GO) test -p 2 -run '$(UNRACED)' -timeout 20m $(UNRACED_IN) && wait $$raced || { wait; exit 1; }

race: setup-tests
	$(with-library) $(GO) test -race -timeout 30m ./...

# test-short runs the tests once without the race detector.
test-short: setup-tests
	$(with-library) $(GO) test ./...

fuzz-short:
	@$(MAKE) --no-print-directory fuzz FUZZTIME=$(FUZZTIME)

# fuzz runs every fuzz target in turn: make fuzz FUZZTIME=10m
fuzz: setup
	@$(with-library) .ci/fuzz $(FUZZTIME)

check: format generated vet staticcheck imports unraced deploy-check tidy cross

# cross compiles everything for 64-bit Arm. The compiler for C is Debian's
# gcc-aarch64-linux-gnu, which .ci/run installs; without it only the packages
# that need no C are compiled.
CROSS_CC ?= aarch64-linux-gnu-gcc
cross:
	@if command -v $(CROSS_CC) >/dev/null; then \
		echo "cross-compile all packages for linux/arm64"; \
		CGO_ENABLED=1 GOOS=linux GOARCH=arm64 CC=$(CROSS_CC) $(GO) vet ./... && \
		CGO_ENABLED=1 GOOS=linux GOARCH=arm64 CC=$(CROSS_CC) $(GO) build -o /dev/null ./cmd/nearcase; \
	else \
		echo "no $(CROSS_CC) (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross): cross-compile the packages without C for linux/arm64"; \
		CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build ./api/... ./embed ./embed/dicom/... ./embed/hub ./embed/jpeg ./embed/native ./embed/scatter ./embed/text ./index/... ./probe/... ./store/...; \
	fi

# check-dicomweb drives the DICOMweb service by the npm package dicomweb-client,
# which OHIF uses (needs node, npm, curl and NEARCASE_TESTDATA set).
check-dicomweb: build
	.ci/dicomweb-client

format:
	@test -z "$$(gofmt -l .)" || { echo "gofmt would change:"; gofmt -l .; exit 1; }

# generate makes what is generated anew, and generated checks that it is as it
# would be made, without touching it.
generate:
	$(GO) generate ./...

generated:
	@cd api/rest && file=$$(mktemp) && trap 'rm -f "$$file"' EXIT && \
		$(GO) tool oapi-codegen -config oapi.yaml -o "$$file" openapi.yaml && \
		cmp "$$file" contract.gen.go || { echo "api/rest/contract.gen.go is not what openapi.yaml makes: make generate"; exit 1; }

vet:
	$(GO) vet ./...

staticcheck:
	$(GO) tool staticcheck ./...

# man writes deploy/nearcase.1 anew: the manual page, from the commands themselves.
man:
	$(GO) test -count=1 -run TestManualPageIsCurrent ./cmd/nearcase -update

# deploy-check holds what is in deploy to the program: the manual page to its
# commands, the dashboard and the alert rules to its metrics, and the unit to
# systemd where that is.
deploy-check:
	$(GO) test -count=1 -run 'TestManualPage' ./cmd/nearcase
	$(GO) test -count=1 -run 'TestDashboard|TestMetricsAreNamed' ./api/observe
	@if command -v systemd-analyze >/dev/null; then .ci/check-unit; else echo "no systemd-analyze: the unit is not checked"; fi

# imports holds the packages to the import map.
imports:
	$(GO) test -count=1 -run TestImportsKeepToTheMap ./cmd/nearcase

# unraced finds that the tests which run without the race detector are still there.
unraced:
	@while read -r name; do grep -rq "^func $$name(" --include='*_test.go' $(UNRACED_IN) || { echo ".ci/unraced: there is no $$name"; exit 1; }; done <.ci/unraced

tidy:
	$(GO) mod tidy -diff
	$(GO) mod verify

bench: setup
	$(with-library) $(GO) test -run '^$$' -bench . -benchtime 1x ./...

# bench-accuracy prints the table of docs/benchmarks/accuracy.md (about five
# minutes on two cores).
bench-accuracy: build
	.ci/accuracy

# bench-resize times resizing beside Pillow, by turns on one core (needs Debian's
# python3-pil).
bench-resize:
	.ci/bench-resize

# bench-embed measures the way from files to vectors: ingest beside the bare
# network, concurrent clients beside one at a time, and large studies (about ten
# minutes on two cores).
bench-embed: setup
	$(with-library) $(GO) test -run '^$$' -bench 'Ingest|Clients|Studies' -benchtime 1x ./api ./api/client ./cmd/nearcase

# bench-reembed embeds 5,856 radiographs again with ResNet-18, its server killed five
# times on the way (some minutes on two cores; NEARCASE_TESTDATA as for bench-accuracy).
bench-reembed: setup
	$(with-library) $(GO) test -run '^$$' -bench '^BenchmarkReembedding$$' -benchtime 1x -timeout 2h -v ./cmd/nearcase

# bench-http loads a server as 64 clients would for five minutes, and compares
# similar over HTTP with the bare index: make bench-http DURATION=20s ROWS=10000
bench-http: setup
	$(with-library) DURATION='$(DURATION)' CLIENTS='$(CLIENTS)' ROWS='$(ROWS)' .ci/bench-http

# crash kills a real server again and again under load and checks each time that all
# it acknowledged is there: make crash KILLS=500 FOR=1h SEED=… (ARGS: crasher -h)
crash: build
	$(with-library) $(GO) run ./api/client/crash/crasher -program $(BIN)/nearcase -kills '$(or $(KILLS),500)' -for '$(or $(FOR),1h)' -seed '$(or $(SEED),0)' $(ARGS)

# damage opens data directories of which one file was damaged: make damage RUNS=1000
damage: setup
	$(GO) test -count=1 -timeout 3h -run '^TestDamageIsNeverAWrongAnswer$$' -v ./store/local -local.damages '$(or $(RUNS),1000)' -local.damageseed '$(or $(SEED),0)'

# powerloss cuts the power of a store on a file system that forgets what was not
# synced (Linux, as root, with /dev/fuse): make powerloss RUNS=1000 SEED=…
powerloss: setup
	$(GO) test -count=1 -timeout 3h -run '^TestPowerLoss' -v ./store/local/powerloss -runs '$(or $(RUNS),1000)' -seed '$(or $(SEED),0)'

# fuzz-store asks stores for operations at random and compares them with a model in
# memory: make fuzz-store FOR=10m SEED=…
fuzz-store: setup
	$(GO) test -count=1 -timeout 3h -run '^TestOperations' -v ./store/local -operations '$(or $(FOR),10m)' -seed '$(or $(SEED),0)'

# soak keeps a server under load for half an hour and fails where its memory,
# goroutines, descriptors or files grow: make soak FOR=30m
soak: build
	$(with-library) FOR='$(FOR)' OUT='$(OUT)' .ci/soak

# bench-store measures how fast ready vectors are stored durably, beside the same
# without waiting for the disk, and how long a start takes: about three minutes on two
# quiet cores. ROWS is how many instances there are at the start.
bench-store: setup
	$(with-library) $(GO) test -run '^$$' -bench '^BenchmarkDurableIngest$$' -benchtime 1x ./store/local
	$(with-library) NEARCASE_ROWS=$(or $(ROWS),100000) $(GO) test -run '^$$' -bench '^BenchmarkStart$$' -benchtime 1x ./cmd/nearcase

# bench-page times the page in a headless Chromium: how soon its first view can be
# used, and how smoothly a collection is scrolled and its map moved.
bench-page: setup
	$(with-library) $(GO) test -run '^$$' -bench 'FirstView|Map|Scroll' -benchtime 1x -timeout 30m -v ./cmd/nearcase/browser

# screenshots takes the pictures of docs/page.md anew (needs Chromium).
screenshots: setup-tests
	$(with-library) $(GO) test -count=1 -run '^TestThePageLooksAsItsPicturesShow$$' ./cmd/nearcase/browser -screenshots $(abspath docs/page)

# bench-probes prints the tables of docs/benchmarks/probes.md: labels, solves,
# refits and evaluations, up to 100,000 vectors of 768 numbers (about 15 minutes
# on two quiet cores; NEARCASE_TESTDATA set for the radiographs).
bench-probes: setup
	$(with-library) .ci/bench-probes

# bench-softmax fits softmax probes to the radiographs and blood cells beside
# scikit-learn, by turns on one core (needs Debian's python3-sklearn and
# libopenblas0-pthread; about half an hour, nearly all of it scikit-learn's).
bench-softmax: build
	.ci/bench-softmax

# bench-index compares the index engines with hnswlib, FAISS and usearch and
# writes docs/benchmarks/index.md: make bench-index N=100000 D=512 (over an hour
# on two cores), or make bench-index QUICK=1, which writes to bin/benchmarks.
bench-index: build
	N='$(N)' D='$(D)' QUICK='$(QUICK)' SCALE='$(SCALE)' OUT='$(OUT)' ARGS="$(ARGS)" .ci/bench-index

clean:
	rm -rf $(BIN)
