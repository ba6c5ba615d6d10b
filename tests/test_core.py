"""The compiled core: its stub and its package offer what each variant is made of."""

import ast
import importlib
import importlib.util
import pkgutil
from pathlib import Path

import numpy as np
import pytest

from descrambler import _core as core

VARIANTS = [name for name in core.VARIANTS if importlib.util.find_spec(f"descrambler._core.{name}")]
# What the package adds to the names of a variant.
OWN = {"VARIANTS", "variant"}
# What the stub needs to say it all.
TYPES = {"Real", "AnyReal", "Outcome"}
DTYPES = (np.float32, np.float64)


def compiled(variant):
    if variant not in importlib.import_module("descrambler._core._isa").supported():
        pytest.skip(f"this processor does not run {variant}")
    return importlib.import_module(f"descrambler._core.{variant}")


def offered(module):
    ours = {"__version__"}
    return {name for name in vars(module) if not name.startswith("_") or name in ours}


def stub():
    path = Path(core.__file__).with_name("__init__.pyi")
    return ast.parse(path.read_text()).body


def names(body):
    found = set()
    for node in body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            found.add(node.target.id)
        elif isinstance(node, ast.Assign):
            found.update(target.id for target in node.targets)
    return found


@pytest.mark.parametrize("variant", VARIANTS)
def test_stub_has_the_names_of_each_variant(variant):
    assert names(stub()) - TYPES - OWN == offered(compiled(variant))


def test_package_has_the_names_of_its_variant():
    imported = {"importlib", "os"} | {module.name for module in pkgutil.iter_modules(core.__path__)}
    assert offered(core) - OWN - imported == offered(compiled(core.variant))


@pytest.mark.parametrize("variant", VARIANTS)
def test_stub_has_the_members_of_each_class(variant):
    module = compiled(variant)
    for node in stub():
        if not isinstance(node, ast.ClassDef):
            continue
        made = getattr(module, node.name)
        members = {name for name in vars(made) if not name.startswith("_")}
        assert names(node.body) - {"__init__"} == members, node.name


def test_dtype_of_the_arrays_chooses_the_precision():
    for dtype in DTYPES:
        w = np.eye(3, dtype=dtype)
        value, gradient = core.DiagonalSum(w).value_and_gradient(w)
        assert value == 3
        assert gradient.dtype == dtype


def test_nothing_is_converted():
    single, double = (np.eye(3, dtype=dtype) for dtype in DTYPES)
    with pytest.raises(TypeError, match="same dtype"):
        core.DiagonalSum(single).value_and_gradient(double)
    with pytest.raises(TypeError, match="same dtype"):
        core.WeightedSum([(1.0, core.DiagonalSum(single)), (1.0, core.DiagonalSum(double))])
    for array in (np.eye(3, dtype=int), np.asfortranarray(np.arange(9.0).reshape(3, 3))):
        with pytest.raises(TypeError, match="incompatible function arguments"):
            core.DiagonalSum(array)


def test_a_sum_needs_parts_and_a_function_a_precision():
    with pytest.raises(ValueError, match="at least one part"):
        core.WeightedSum([])
    with pytest.raises(TypeError, match="float32 or float64"):
        core.UserCriterion(lambda p: (0.0, p), 3, 1.0, np.dtype(np.int64))


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_term_serves_sums_of_both_precisions(dtype):
    rows = np.ones((5, 3), dtype)
    terms = [(1.0, core.quartic()), (0.5, core.spread(np.zeros((2, 3))))]
    for _ in range(2):
        value, gradient = core.SignalSum(rows, 1.0, terms).value_and_gradient(
            np.eye(3, dtype=dtype)
        )
        assert value == 15
        assert np.array_equal(gradient, np.full((3, 3), 20))


@pytest.mark.parametrize("k", [1, 2, 37])
def test_mixing_is_a_sum_over_all_other_modes(k):
    rng = np.random.default_rng(k)
    b = np.sort(rng.random(k))[::-1].copy()
    rounding, residual, moments = rng.random(k), rng.random(k), rng.random((k, k))
    for given, between in ((None, np.outer(b, b)), (moments, moments)):
        for i, found in enumerate(core.mixing(b, rounding, residual, 0.3, given)):
            others = np.arange(k) != i
            error = np.maximum(rounding, rounding[i]) + residual[i] + 0.3 * between[i]
            assert found == pytest.approx(
                (error[others] / (b[i] - b[others]) ** 2).sum(), rel=1e-12
            )


def test_equal_eigenvalues_mix_without_bound():
    b = np.array([2.0, 1.0, 1.0])
    small = np.full(3, 1e-20)
    assert np.isinf(core.mixing(b, small, small, 0.1, None)).tolist() == [False, True, True]
