# Each target makes .venv and installs what it needs when that is missing, and does nothing twice.
PYTHON ?= python3
BIN := .venv/bin
NATIVE := pyproject.toml CMakeLists.txt $(wildcard src/chainrule/_native/*)

.PHONY: demo pictures player test test-kernels test-player test-wheel test-arm sanitize check bench clean

demo: .venv/installed
	$(BIN)/chainrule demo --out-dir demo

# The pictures of the README and of docs/studies.md, as their commands draw them.
pictures: demo
	$(BIN)/chainrule explain demo/model.safetensors demo/penguins.csv --row 106 --quiet --picture docs/pictures/one-penguin.svg
	$(BIN)/chainrule explain demo/model.safetensors demo/penguins.csv --row 106 --quiet --picture docs/pictures/one-penguin-narrow.svg --narrow
	$(BIN)/chainrule study learning-rate --quiet --out docs/pictures/learning-rate.svg
	$(BIN)/chainrule study centering --quiet --out docs/pictures/centering.svg
	-$(BIN)/python scripts/page-pictures

# The player's script, as one file in the package. It needs Node and npm.
player: player/node_modules/.package-lock.json
	cd player && npm run --silent build && npm run --silent licenses

# The player's mathematics in Node; and that the script in the package is made of the sources as they are.
test-player: player/node_modules/.package-lock.json
	cd player && npm run --silent check && npm run --silent test
	cd player && npm run --silent build -- --outfile=build/player.js --log-level=error && cmp build/player.js ../src/chainrule/documents/player.js

player/node_modules/.package-lock.json: player/package-lock.json
	cd player && npm ci --ignore-scripts --no-audit --no-fund --silent

# Bytecode is kept whatever the environment says: else pytest, and each command that a test starts, compile everything anew.
test: .venv/installed .venv/installed-test
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --dist worksteal

# Fits, certificates and known answers once more, on each instruction set that is not the processor's best.
test-kernels: .venv/installed .venv/installed-test
	for kernel in $$($(BIN)/python -c 'from chainrule.kernels.reading import kernel_name, kernel_names as names; print(*{*names()} - {kernel_name()})'); do \
		CHAINRULE_KERNEL=$$kernel $(BIN)/python -m pytest -q -n auto tests/fitting/test_golden.py tests/fitting/test_known_answers.py \
			tests/certificate/test_certificate_claims.py tests/fitting/test_axes.py tests/fitting/test_returned_point.py || exit 1; done

# A wheel, built with warnings as errors: its files, and the tests that it needs in a clean environment outside the checkout.
test-wheel:
	PYTHON="$(PYTHON)" scripts/test-wheel

# The core compiled for aarch64, and its test program under qemu's user mode; it installs nothing.
test-arm:
	PYTHON="$(PYTHON)" scripts/test-arm

# The core's tests with the address, undefined behaviour and thread sanitizers.
sanitize: .venv/installed .venv/installed-test
	scripts/sanitize

check: .venv/installed .venv/installed-check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror src/chainrule/_native/*.?pp tests/native/*.cpp
	$(BIN)/python -m pytest -q tests/test_structure.py
	@if command -v npm > /dev/null; then $(MAKE) --no-print-directory test-player; else echo "no npm: the player's script is not compared"; fi

bench: .venv/installed .venv/installed-bench
	$(BIN)/python benchmarks/kernel.py
	$(BIN)/python benchmarks/fit.py
	$(BIN)/python benchmarks/player.py

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Chainrule needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv

# An editable install knows the modules of its day: another list of them installs anew.
.venv/modules: FORCE | .venv/bin/python
	@find src/chainrule -type f ! -name '*.so' ! -path '*__pycache__*' | LC_ALL=C sort > $@.now; cmp -s $@.now $@ && rm $@.now || mv $@.now $@

FORCE:

.venv/installed: $(NATIVE) .venv/modules | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

# Chainrule itself is there: only what the extra needs is fetched. (With --editable the core would be built again.)
.venv/installed-%: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'chainrule[$*]'
	@touch $@

clean:
	rm -rf .venv build demo dist player/node_modules player/build .hypothesis .mypy_cache .pytest_cache .ruff_cache
