# make demo: create a virtual environment, install, run the main job.  make test: all tests.
# make bench: measure speed against the peers, 40 minutes; make performance: and write docs/performance.md of it.
# make fuzz: 16 000 damaged weight files, a quarter of an hour.
# make faults: 200 commands interrupted, starved or killed at random moments, half an hour.
# make coverage: the lines of Python and C++ that the tests run, forty minutes.
# make controls: plant every effect and look for it, twenty minutes; writes docs/controls.md.
# make weights: train the networks that ship again, an hour and a half on two cores; an hour of it for the controls.
# Everything lives in .venv and build/; PYTHON chooses the interpreter. The extras of the package that was just
# installed are asked for by name: by path, pip would build it again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DENOISER := examples/denoiser/denoiser.npz
SOURCES := $(shell find cpp python -name '*.hpp' -o -name '*.cpp' -o -name '*.c' -o -name '*.py') CMakeLists.txt pyproject.toml

.PHONY: controls coverage demo test test-cpp faults fuzz lint docs wheels bench performance weights denoiser clean

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/pip $(SOURCES)
	$(BIN)/pip install --quiet .
	touch $@

$(VENV)/test-tools: $(VENV)/installed
	$(BIN)/pip install --quiet "descrambler[test]"
	touch $@

$(VENV)/lint-tools: $(VENV)/installed
	$(BIN)/pip install --quiet "descrambler[lint]"
	touch $@

demo: $(VENV)/installed
	$(BIN)/descrambler demo -o demo --force

# Two processes, each on one thread of BLAS.
test: test-cpp $(VENV)/test-tools
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n 2

test-cpp: $(BIN)/pip
	$(BIN)/pip install --quiet cmake ninja "cmeel-eigen>=3.4,<4"
	$(BIN)/cmake -S . -B build/cpp-tests -G Ninja -DDESCRAMBLER_CPP_TESTS=ON \
	  -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN)/ninja) \
	  -DCMAKE_PREFIX_PATH="$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	$(BIN)/cmake --build build/cpp-tests
	$(BIN)/ctest --test-dir build/cpp-tests --output-on-failure

fuzz: $(VENV)/test-tools $(VENV)/train-tools
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python tests/fuzz.py

faults: $(VENV)/test-tools $(VENV)/train-tools
	$(BIN)/python tests/faults.py

lint: $(VENV)/lint-tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $$(git ls-files 'cpp/*.hpp' 'cpp/*.cpp' 'cpp/*.c')

$(VENV)/docs-tools: $(VENV)/installed
	$(BIN)/pip install --quiet "descrambler[docs]"
	touch $@

wheels:
	.ci/wheels

coverage:
	.ci/coverage

docs: $(VENV)/docs-tools
	$(BIN)/sphinx-build -W --keep-going -q docs build/docs

# The settings that some machines have for old versions of OpenBLAS slow a current one down.
BENCH := env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(BIN)/descrambler bench

$(VENV)/bench-tools: $(VENV)/installed
	$(BIN)/pip install --quiet "descrambler[bench]"
	touch $@

bench: $(VENV)/bench-tools
	$(BENCH) -o build/bench --force

performance: bench
	cp build/bench/performance.md build/bench/bench_*.png docs/

$(VENV)/train-tools: $(VENV)/installed
	$(BIN)/pip install --quiet "descrambler[train]"
	touch $@

weights: $(VENV)/train-tools
	$(BIN)/descrambler train -o build/weights --seeds 0-2
	$(BIN)/descrambler train -o build/weights --seeds 0-1 --weight-decay 0
	$(BIN)/descrambler train -o build/weights --seeds 0-1 --widths 256 80 80 256
	$(BIN)/descrambler train -o build/weights --seeds 0-0 --widths 256 80 80 256 --weight-decay 0
	cp build/weights/*.npz python/descrambler/deer/weights/
	for kind in once anew; do OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
	  $(BIN)/python benchmarks/make_controls.py train $$kind -o build/controls --pool build/controls/pool.npy & done; wait
	$(BIN)/python benchmarks/make_controls.py pack -o build/controls

# Needs espeak-ng; with flite, it is judged on that too.
denoiser: $(VENV)/train-tools
	$(BIN)/python examples/denoiser/train.py -o $(DENOISER)
	$(BIN)/python examples/denoiser/evaluate.py $(DENOISER)
	$(BIN)/python examples/denoiser/descramble.py $(DENOISER) -o docs

controls: $(VENV)/test-tools
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python benchmarks/controls.py --write docs/controls.md

clean:
	rm -rf $(VENV) build demo
