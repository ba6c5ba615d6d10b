"""Values and gradients of the authors' own code (tests/data, from the reference implementation)."""

from pathlib import Path

import numpy as np
import pytest

import descrambler as ds

FILES = sorted((Path(__file__).parents[1] / "data").glob("cayley_*.npz"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_known_answers(path):
    with np.load(path) as archive:
        known = dict(archive)
    n = len(known["D"])
    lower = np.tril(known["generator_guess"], -1)
    q = lower - lower.T
    p = ds.group.cayley(q)
    np.testing.assert_allclose(p, known["P"], atol=1e-14)
    np.testing.assert_allclose(ds.group.inverse_cayley(p), q, atol=1e-13)
    a, b = known["D"].T @ known["D"], known["S"] @ known["S"].T
    scale_a, scale_b = n / np.linalg.norm(a, 2), n / np.linalg.norm(b, 2)
    smooth = ds.criteria.Smoothness(operator=known["D"] * np.sqrt(scale_a))
    w = known["W"]
    # The reference minimizes, so it negates what is to be maximized.
    cases = {
        "smoothness": (1, smooth.value_and_gradient(p, gram=b * scale_b)),
        "diag_sum": (-1, ds.criteria.DiagonalSum(w).value_and_gradient(p)),
        "diag_normsq": (-1, ds.criteria.DiagonalNormSquare(w).value_and_gradient(p)),
    }
    for name, (sign, (value, gradient)) in cases.items():
        packed = ds.group.pack_generator(ds.group.cayley_pullback(q, gradient))
        assert sign * value == pytest.approx(float(known[name]), rel=1e-11)
        expected = known[f"{name}_grad"]
        assert np.abs(sign * packed - expected).max() <= 1e-11 * np.abs(expected).max()


def test_there_are_known_answers():
    assert len(FILES) == 4
