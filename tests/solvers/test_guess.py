"""Where iterations start: a rotation, or a generator as the authors' code takes it; starts elsewhere."""

import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

import descrambler as ds
from descrambler import _core as core

FILES = sorted((Path(__file__).parents[1] / "data").glob("cayley_*.npz"))
SIGNALS = np.random.default_rng(0).laplace(size=(150, 8)) @ np.diag(np.geomspace(1, 0.1, 8))
ITERATIVE = {"method": "cayley-lbfgs", "max_iter": 1}

pytestmark = pytest.mark.filterwarnings("ignore::descrambler.ConvergenceWarning")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("kind", ["matrix", "packed", "rotation", "Rotation"])
def test_starts_where_the_reference_starts(path, kind):
    with np.load(path) as archive:
        known = dict(archive)
    lower = np.tril(known["generator_guess"], -1)
    guess = {
        "matrix": lower - lower.T,
        "packed": ds.group.pack_generator(lower - lower.T),
        "rotation": known["P"],
        "Rotation": ds.Rotation(known["P"], len(lower)),
    }[kind]
    n, a, b = len(lower), known["D"].T @ known["D"], known["S"] @ known["S"].T
    smooth = ds.criteria.Smoothness(operator=known["D"] * np.sqrt(n / np.linalg.norm(a, 2)))
    gram = ds.Gram(b * (n / np.linalg.norm(b, 2)))
    found = ds.descramble(gram, smooth, guess=guess, **ITERATIVE)
    assert found.history[0] == pytest.approx(float(known["smoothness"]), rel=1e-10)
    assert found.history[-1] <= found.history[0]
    for name, stored in (("sum", "diag_sum"), ("norm_square", "diag_normsq")):
        found = ds.diagonalize(known["W"], name, guess=guess, **ITERATIVE)
        assert found.history[0] == pytest.approx(-float(known[stored]), rel=1e-10)


@pytest.mark.parametrize("criterion", ["smoothness", "varimax", "entropy"])
def test_goes_on_from_where_it_was(criterion):
    method = "riemannian-lbfgs" if criterion == "smoothness" else "auto"
    options = {"method": method, "gauge": "none", "max_iter": 5}
    first = ds.descramble(SIGNALS, criterion, random_state=1, **options)
    again = ds.descramble(SIGNALS, criterion, guess=first.rotation, **options)
    assert again.history[0] == pytest.approx(first.history[-1], rel=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"guess": np.ones((8, 8)), "method": "cayley-lbfgs"}, "neither"),
        ({"guess": np.eye(7), "method": "cayley-lbfgs"}, "8 units, got 7"),
        ({"guess": np.ones(5), "method": "cayley-lbfgs"}, r"guess must have n \(n - 1\) / 2"),
        ({"guess": np.diag([-1.0, *np.ones(7)]), "method": "cayley-lbfgs"}, "reflection"),
        ({"guess": np.eye(8) * np.nan, "method": "cayley-lbfgs"}, "guess must be finite"),
        ({"guess": np.kron(np.eye(4), [[0, 1], [-1, 0]]), "method": "cayley-lbfgs"}, "both"),
        ({"guess": np.eye(8)}, "guess needs an iterative method"),
        ({"guess": np.eye(8), "rank": 2}, "guess"),
        ({"guess": np.eye(8), "criterion": "entropy", "n_starts": 2}, "only start"),
        ({"guess": np.eye(8), "criterion": "entropy", "random_state": 2}, "only start"),
    ],
)
def test_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ds.descramble(SIGNALS, **options)


def test_exact_diagonal_takes_no_guess():
    with pytest.raises(ValueError, match="guess needs an iterative"):
        ds.diagonalize(SIGNALS[:8], guess=np.eye(8))


@pytest.mark.parametrize("criterion", ["varimax", "entropy", "smoothness"])
def test_starts_elsewhere_reach_the_same(criterion):
    method = "riemannian-lbfgs" if criterion == "smoothness" else "auto"
    options = {"method": method, "n_starts": 3, "random_state": 4, "max_iter": 30}
    here = ds.descramble(SIGNALS, criterion, **options)
    with ThreadPoolExecutor(2) as pool:
        there = ds.descramble(SIGNALS, criterion, executor=pool, **options)
    np.testing.assert_array_equal(here.rotation.matrix, there.rotation.matrix)
    np.testing.assert_array_equal(here.starts.objectives, there.starts.objectives)
    if criterion == "varimax":
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            there = ds.descramble(SIGNALS, criterion, executor=pool, **options)
        np.testing.assert_array_equal(here.rotation.matrix, there.rotation.matrix)


def test_progress_of_iterations_and_of_starts():
    told = []
    ds.descramble(SIGNALS, "entropy", max_iter=7, progress=told.append)
    assert [step.done for step in told] == list(range(8)) and told[0].total == 7
    for threads in (1, 2):
        told.clear()
        options = {"n_starts": 3, "random_state": 0, "max_iter": 3, "threads": threads}
        ds.descramble(SIGNALS, "entropy", progress=told.append, **options)
        assert [(step.done, step.total) for step in told] == [(1, 3), (2, 3), (3, 3)]


def test_progress_goes_on_over_segments(tmp_path):
    told = []
    options = {"checkpoint": tmp_path / "c.npz", "checkpoint_every": 3, "max_iter": 8}
    ds.descramble(SIGNALS, "entropy", progress=told.append, **options)
    assert [step.done for step in told] == list(range(9))
    assert {step.total for step in told} == {8}


@pytest.mark.parametrize("name", ["callback", "checkpoint"])
def test_an_executor_rules_out(name, tmp_path):
    value = {"callback": lambda state: False, "checkpoint": tmp_path / "c.npz"}[name]
    with ThreadPoolExecutor(1) as pool, pytest.raises(ValueError, match=name):
        ds.descramble(SIGNALS, "entropy", executor=pool, **{name: value})


def test_frames_to_the_core():
    """From the call to the compiled core there are at most five Python frames."""
    # Setting the number of threads is no step of the solve.
    deepest, ours = {}, {*dir(core), "value_and_gradient"} - {"set_threads"}

    def watch(frame, event, function):
        if event == "c_call" and function.__name__ in ours:
            names = []
            while frame is not None:
                names.append(frame.f_code.co_name)
                frame = frame.f_back
            depth = names.index("descramble") + 1 if "descramble" in names else 0
            deepest[function.__name__] = max(depth, deepest.get(function.__name__, 0))

    for criterion, method in (("varimax", "auto"), ("smoothness", "riemannian-lbfgs")):
        sys.setprofile(watch)
        try:
            ds.descramble(SIGNALS, criterion, method=method, max_iter=3)
        finally:
            sys.setprofile(None)
    assert {"riemannian_lbfgs", "value_and_gradient"} <= deepest.keys()
    assert max(deepest.values()) <= 5, deepest
