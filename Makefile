# make demo: set up .venv, install, run the main job.  make test: all tests.  make dev, make check: for contributors.
# Longer ones, by hand: bench (all benchmarks, into build/bench, 40 minutes), performance (docs/performance.md, 20), soak (calls from 8 threads, 10), fuzz (damaged files, 15),
# faults (commands interrupted and killed, 30), coverage (40), controls (planted effects, docs/controls.md, 120),
# weights and denoiser (train what ships or lies in examples again), wheels, cross (other systems).
# Everything lives in .venv, build and demo; PYTHON chooses the interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
CPP := $(shell find cpp -name '*.hpp' -o -name '*.cpp' -o -name '*.[ch]') CMakeLists.txt pyproject.toml
PY := $(shell find python -name '*.py')
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

# Without isolation and with a build folder of its own, so that nothing is compiled twice.
PIP := PATH="$$(cd $(BIN) && pwd):$$PATH" $(BIN)/pip install --quiet --no-build-isolation

# After `make dev` the editable installation serves every target; a Python edit then needs no build.
PACKAGE := $(if $(wildcard $(VENV)/dev),$(VENV)/dev,$(VENV)/installed)

.PHONY: bench check check-newest check-oldest clean controls coverage cross demo denoiser dev docs faults fuzz lint lint-recipe lint-workflows performance soak test test-core test-cpp test-wheel weights wheels

$(VENV)/build-tools:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet scikit-build-core "pybind11>=3,<4" "cmeel-eigen>=3.4,<4" cmake ninja
	touch $@

$(VENV)/installed: $(VENV)/build-tools $(CPP) $(PY)
	$(PIP) -Cbuild-dir=build/install .
	touch $@

$(VENV)/dev: $(VENV)/build-tools $(CPP)
	$(PIP) -Cbuild-dir=build/dev -Ccmake.define.DESCRAMBLER_VARIANTS=baseline -e ".[dev]"
	touch $@

# Extras are asked for by name: by path, pip would build the package again.
$(VENV)/extra-%: $(PACKAGE)
	$(BIN)/pip install --quiet "descrambler[$*]"
	touch $@

demo: $(PACKAGE)
	$(BIN)/descrambler demo -o demo --force

dev: $(VENV)/dev

check: $(VENV)/dev lint
	if [ -d build/cpp-tests ]; then $(BIN)/cmake --build build/cpp-tests && $(BIN)/ctest --test-dir build/cpp-tests; fi
	$(MAKE) test-core

test-core: $(VENV)/dev
	$(ONE_THREAD) $(BIN)/pytest -q -n 2 -m core

# Two processes, each on one thread of BLAS.
test: test-cpp $(VENV)/extra-test
	$(ONE_THREAD) $(BIN)/pytest -n 2

test-cpp: $(VENV)/build-tools
	$(BIN)/cmake -S . -B build/cpp-tests -G Ninja -DDESCRAMBLER_CPP_TESTS=ON \
	  -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN)/ninja) \
	  -DCMAKE_PREFIX_PATH="$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	$(BIN)/cmake --build build/cpp-tests
	$(BIN)/ctest --test-dir build/cpp-tests --output-on-failure

# What each built wheel is tested with, installed where PYTHON is, beside pytest and Hypothesis: a minute.
test-wheel:
	$(ONE_THREAD) $(PYTHON) -W error -m pytest -q -p no:cacheprovider -m core

lint: $(VENV)/extra-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/test_rooms.py
	$(BIN)/clang-format --dry-run --Werror $$(git ls-files 'cpp/*.hpp' 'cpp/*.cpp' 'cpp/*.[ch]')

# Syntax alone: no workflow can run here. The last line reads [tool.cibuildwheel] and lists the wheels.
lint-workflows: $(VENV)/build-tools
	$(BIN)/pip install --quiet check-jsonschema cibuildwheel
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/*.yml
	for system in linux macos windows; do $(BIN)/cibuildwheel --print-build-identifiers --platform $$system . || exit 1; done

# Parsed and rendered for each platform by rattler-build; nothing is built, which would need conda's own packages.
lint-recipe: $(VENV)/build-tools
	$(BIN)/pip install --quiet py-rattler-build
	$(BIN)/python .ci/recipe

# The core's tests with the oldest dependencies that the metadata allow, and with pre-releases.
# Matplotlib 3.7 uses names that pyparsing 3.3 deprecates.
check-oldest: $(VENV)/dev
	$(BIN)/pip install --quiet "numpy==1.24.*" "scipy==1.11.*" "matplotlib==3.7.*" "pyparsing<3.3" "threadpoolctl==3.5.*" "tqdm==4.60.*"
	$(MAKE) test-core

check-newest: $(VENV)/dev
	$(BIN)/pip install --quiet --upgrade --pre numpy scipy matplotlib threadpoolctl tqdm
	$(MAKE) test-core

docs: $(VENV)/extra-docs
	$(BIN)/sphinx-build -W --keep-going -q docs build/docs

fuzz: $(VENV)/extra-test $(VENV)/extra-train
	$(ONE_THREAD) $(BIN)/python tests/fuzz.py

faults: $(VENV)/extra-test $(VENV)/extra-train
	$(BIN)/python tests/faults.py

wheels:
	.ci/wheels

cross:
	.ci/cross full

coverage:
	.ci/coverage

# The settings that some machines have for old versions of OpenBLAS slow a current one down.
bench: $(VENV)/extra-bench
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(BIN)/python -m benchmarks -o build/bench --force

performance: $(VENV)/extra-bench
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(BIN)/python -m benchmarks performance -o docs --force

soak: $(VENV)/extra-test
	$(BIN)/python benchmarks/soak.py

controls: $(VENV)/extra-test
	$(ONE_THREAD) $(BIN)/python benchmarks/shown_by.py --write docs/controls.md

weights: $(VENV)/extra-train
	$(BIN)/descrambler train -o build/weights --seeds 0-2
	$(BIN)/descrambler train -o build/weights --seeds 0-1 --weight-decay 0
	$(BIN)/descrambler train -o build/weights --seeds 0-1 --widths 256 80 80 256
	$(BIN)/descrambler train -o build/weights --seeds 0-0 --widths 256 80 80 256 --weight-decay 0
	$(BIN)/python benchmarks/ship_weights.py build/weights/*.npz
	for kind in once anew; do $(ONE_THREAD) \
	  $(BIN)/python benchmarks/make_controls.py train $$kind -o build/controls --pool build/controls/pool.npy & done; wait
	$(BIN)/python benchmarks/make_controls.py pack -o build/controls

# Needs espeak-ng; with flite, it is judged on that too.
denoiser: $(VENV)/extra-train
	$(BIN)/python examples/denoiser/train.py -o examples/denoiser/denoiser.npz
	$(BIN)/python examples/denoiser/evaluate.py examples/denoiser/denoiser.npz
	$(BIN)/python examples/denoiser/descramble.py examples/denoiser/denoiser.npz -o docs

clean:
	rm -rf $(VENV) build demo
