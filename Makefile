# The one entrance; CI calls it too. `make` alone prints what there is.

PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= cc
CARGO   ?= cargo
# The expanded large sets, where there are any (tests/bench/run.sh expands them).
LARGE   ?= target/bench-data
# Of bench, scale and churn.
ARGS    ?=
# The seconds each fuzz target runs.
FUZZ_S  ?= 60

STAGE   := $(CURDIR)/target/stage
CFLAGS_DEMO := -std=c99 -O2 -Wall -Wextra -Wpedantic -Werror

.PHONY: help build demo test fmt lint bindings check-bindings install stage bench scale churn filters filter-speed peers fuzz crash flip kill9 asan valgrind tsan \
	miri aarch64 baseline data clean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

build: ## libelanus.so and libelanus.a, optimised, in target/release
	$(CARGO) build --release --locked -p elanus-c

demo: stage ## stores, indexes and searches the shipped texts: examples/quickstart.c
	$(CC) $(CFLAGS_DEMO) examples/quickstart.c -I$(STAGE)/include -L$(STAGE)/lib -lelanus -Wl,-rpath,$(STAGE)/lib -o target/quickstart
	rm -rf target/demo-database
	target/quickstart examples/data/minilm target/demo-database

test: ## everything CI checks; ends with "N passed, N failed"
	tests/all.sh

fmt: ## formats the Rust sources
	$(CARGO) fmt --all

lint: ## rustfmt and clippy, as CI sees them
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

bindings: ## rewrites what is generated from src/ffi and the index catalog
	$(CARGO) run --locked -q -p elanus-generate

check-bindings: ## compares what is committed with what would be generated
	$(CARGO) run --locked -q -p elanus-generate -- --check

install: build ## library, header, elanus.pc and CMake package into PREFIX (DESTDIR before it)
	DESTDIR=$(DESTDIR) bindings/c/install.sh $(PREFIX)

stage: ## installs into target/stage, for the demo and the tests
	$(MAKE) --no-print-directory install PREFIX=$(STAGE) DESTDIR=

bench: stage ## side by side with faiss, hnswlib, usearch, zvec, annoy, DiskANN and LanceDB; ARGS="--small" is a quick look
	tests/bench/run.sh $(ARGS)

scale: stage ## how each index type grows from 100,000 rows to 1,000,000; ARGS go to tests/bench/scale.py
	tests/bench/run.sh scale $(ARGS)

churn: stage ## everything deleted and inserted ten times over, beside a fresh build
	tests/bench/run.sh churn $(ARGS)

filters: ## recall of every type on the large sets, and under the real filters of the large texts (LARGE: where they are)
	ELANUS_LARGE_SETS=$(abspath $(LARGE)) $(CARGO) test --locked --config profile.dev.opt-level=3 --target-dir target/o3 \
		-p elanus --test kinds -- --ignored --nocapture --test-threads 1

filter-speed: stage ## a filter over 10,000,000 rows beside pyarrow and DuckDB; ARGS go to tests/bench/evaluation.py
	tests/bench/run.sh evaluation $(ARGS)

peers: ## exported files read by pyarrow and DuckDB, theirs imported (BENCH_PYTHON: a Python that has both)
	tests/peers.sh

fuzz: ## the decoders of files, FUZZ_S seconds each
	tests/fuzz/run.sh $(FUZZ_S)

crash: ## the fault disk: every operation fails, tears or is lost; a million random operations against a model
	tests/crash.sh

flip: ## every byte of every file of a small database flipped, cut, zeroed, swapped
	ELANUS_FLIP=all $(CARGO) test --locked -p elanus --test it --test kinds flip -- --nocapture

kill9: ## kill -9 at random moments, 200 times
	tests/c/run.sh kill 200

asan: ## the C tests under AddressSanitizer and UBSan
	tests/c/run.sh asan

valgrind: ## the C tests under valgrind
	tests/c/run.sh valgrind

tsan: ## threads on one handle under ThreadSanitizer, from Rust and from C (nightly Rust; takes long)
	tests/tsan.sh
	tests/c/run.sh tsan

miri: ## the kernels and codecs under Miri (nightly Rust)
	tests/cpu/miri.sh

aarch64: ## the kernels' tests on aarch64, under qemu; the library cross-compiled for it
	tests/cpu/aarch64.sh
	CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
		$(CARGO) build --locked -p elanus-c --target aarch64-unknown-linux-gnu --target-dir target/aarch64

baseline: ## the library on the oldest x86-64, under qemu: no illegal instruction
	tests/cpu/baseline.sh

data: ## compares examples/data with its checksums
	python3 examples/data/make.py --check

clean: ## removes target/
	$(CARGO) clean
