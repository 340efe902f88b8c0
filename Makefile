# A newcomer's two commands: `make figures` and `make test`. Each sets up .venv on first use.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: figures site test test-all plain lint docs benchmark floors fuzz clean

figures: .venv/installed
	$(BIN)/toyflows figures all --out gallery

# Documentation, gallery and live rooms as one folder; figures that are there are not made anew.
site: .venv/installed-docs gallery/index.html
	$(BIN)/toyflows site --out site --gallery gallery --run

gallery/index.html:
	$(MAKE) figures

test: .venv/installed-test
	$(BIN)/python -m pytest -q -n auto --dist worksteal -m "not browser and not cluster and not long"

# The whole: browsers, clusters and long tests too. Some wait for servers: one worker more than cores.
test-all: .venv/installed-test
	$(BIN)/python -m pytest -n $$($(BIN)/python -c 'import os; print(os.cpu_count() + 1)') --dist loadfile

# The networks in NumPy alone, as where the compiled ones fail (docs/compiled.md).
plain: .venv/installed-test
	TOYFLOWS_NETWORKS=numpy $(BIN)/python -m pytest -q -n auto tests/test_diffusion_train.py tests/test_energy_chains.py

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tests/typed.py

docs: .venv/installed
	$(BIN)/toyflows flows --markdown > docs/methods.md
	$(BIN)/toyflows errata --markdown > docs/errata.md

# PAGES=folder keeps each page there; benchmarks/columns.py makes one page of two classes' folders.
# Peers that are not installed (torch, jax, scikit-learn …) are named as missing. CLASS=avx2 makes a
# larger machine compute as a laptop does: Numba, NumPy, the BLAS and the peers, each by its own word.
ifeq ($(CLASS),avx2)
export NUMBA_CPU_NAME := haswell
export NUMBA_CPU_FEATURES :=
export NPY_DISABLE_CPU_FEATURES := X86_V4 AVX512_ICL
export OPENBLAS_CORETYPE := Haswell
export MKL_ENABLE_INSTRUCTIONS := AVX2
export ATEN_CPU_CAPABILITY := avx2
export ONEDNN_MAX_CPU_ISA := AVX2
export XLA_FLAGS := --xla_cpu_max_isa=AVX2
else ifdef CLASS
$(error CLASS=$(CLASS): must be avx2, or not be given)
endif
BENCHMARKS := walkers twins modes networks samplers ising rbm lab sweeps
benchmark: .venv/installed-dev
	mkdir -p $(or $(PAGES),.)
	for name in $(BENCHMARKS); do $(BIN)/python benchmarks/$$name.py $(if $(PAGES),--out $(PAGES)/$$name.md) || exit 1; done

# The lowest versions that pyproject.toml asks for, in an environment of their own.
FLOORS := .venv-floors/bin
floors: .venv/bin/python
	$(BIN)/python -m venv --clear .venv-floors
	$(FLOORS)/pip install --quiet --disable-pip-version-check pytest hypothesis mpmath $$($(BIN)/python tests/floors.py)
	$(FLOORS)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	$(FLOORS)/toyflows doctor
	$(FLOORS)/toyflows flow --loss pcd --theta-star 1.4 --time 5 --out .venv-floors/pcd.png
	$(FLOORS)/python -m pytest -q tests/test_refusals.py tests/test_mixture.py

fuzz: .venv/installed-test
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz.py 2000

clean:
	rm -rf .venv .venv-floors .types gallery site build *.egg-info .pytest_cache .mypy_cache .ruff_cache

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "toyflows needs Python 3.11 or newer; name one: make PYTHON=python3.12 figures"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/installed-%: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@
