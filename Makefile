# Each goal sets up what it needs: the Python environment in .venv, and for the tests a few system packages.
# `make demo WEIGHTS=state_dict.pt LABELS=names.txt` shows a trained network;
# `make bench MODELS=all-variants THREADS=1 PEERS=onnxruntime,ncnn` chooses what is measured;
# PYTHON names the interpreter to start from.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed
# Programs and files that the tests need, each with the Debian package that has it.
TEST_TOOLS := cc:gcc cmake:cmake qemu-aarch64:qemu-user /usr/aarch64-linux-gnu/lib/libc.so.6:libc6-arm64-cross \
	/usr/arm-linux-gnueabihf/lib/libc.so.6:libc6-armhf-cross

.PHONY: demo test test-all bench lint clean test-tools

demo: $(INSTALLED)
	$(BIN)/python -m separable.benchmarks.demo $(if $(WEIGHTS),--weights "$(WEIGHTS)") $(if $(LABELS),--labels "$(LABELS)")

test: $(INSTALLED) test-tools
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow"

test-all: $(INSTALLED) test-tools
	$(BIN)/python -m pytest -n 2 --dist loadgroup

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks $(if $(MODELS),--models "$(MODELS)") $(if $(THREADS),--threads "$(THREADS)") \
		$(if $(PEERS),--peers "$(PEERS)")

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy -p separable -p tests

clean:
	rm -rf .venv build dist demo benchmarks/results *.egg-info .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed, $(or $(PYTHON),python3) is not; name one: make PYTHON=..." >&2; exit 1; }
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[zoo,test,tune,bench]'
	@touch $@

test-tools:
	@missing=; \
	for tool in $(TEST_TOOLS); do command -v "$${tool%:*}" >/dev/null || test -e "$${tool%:*}" \
		|| missing="$$missing $${tool#*:}"; done; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ]; then sudo=; elif command -v sudo >/dev/null; then sudo=sudo; \
	else echo "the tests need the packages$$missing; install them as root: apt-get install$$missing" >&2; exit 1; fi; \
	$$sudo apt-get update -q && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y $$missing
