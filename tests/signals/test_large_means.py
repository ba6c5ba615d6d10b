"""Signals whose mean is far larger than their spread: centered without loss, or with the loss counted."""

import numpy as np
import pytest

import descrambler as ds
from descrambler._signals.sums import CenteredSum

RNG = np.random.default_rng(5)
TURN = np.linalg.qr(RNG.standard_normal((12, 12)))[0]
SPREAD = (RNG.standard_normal((6000, 12)) * np.geomspace(1, 1e-4, 12)) @ TURN


def exact(signals):
    """Deviations from the mean, in extended precision."""
    wide = signals.astype(np.longdouble)
    return (wide - wide.mean(axis=0)).astype(np.float64)


def shifted(ratio, spread=SPREAD):
    return spread + ratio * RNG.uniform(0.5, 2, spread.shape[1])


def agree(gram, signals, tolerance):
    """Compare entry by entry, each in the unit of its own two variances."""
    deviations = exact(signals)
    want = deviations.T @ deviations
    scale = np.sqrt(np.outer(want.diagonal(), want.diagonal()))
    assert np.abs(gram.matrix - want).max() <= tolerance * scale.max()
    np.testing.assert_allclose(gram.matrix / scale, want / scale, atol=tolerance)
    mean = signals.astype(np.longdouble).mean(axis=0).astype(np.float64)
    np.testing.assert_allclose(gram.mean, mean, atol=1e-14 * np.abs(signals).max())


@pytest.mark.parametrize("ratio", [0, 1e3, 1e6, 1e8])
def test_sums_of_every_kind(ratio, tmp_path):
    signals = shifted(ratio)
    parts = np.split(signals, [1, 700, 5000])
    sums = [CenteredSum(12) for _ in parts]
    for total, part in zip(sums, parts, strict=True):
        total.add(part)
    for other in sums[:0:-1]:
        sums[0].merge(other)
    for gram in (
        ds.gram(signals, center=True),
        ds.gram(iter(parts), center=True),
        ds.gram(signals, center=True, checkpoint=tmp_path / "sum.npz"),
        sums[0].finish(),
    ):
        assert gram.centered and gram.uncertainty == 0
        agree(gram, signals, 1e-9)


def test_the_first_signal_may_lie_far_away():
    signals = shifted(1e4)
    signals[0] = -1e6
    agree(ds.gram(signals, center=True), signals, 1e-9)


def test_products_in_float32():
    signals = shifted(1e6)
    gram = ds.gram(signals, center=True, dtype="float32")
    agree(gram, signals, 1e-4)
    wrong = np.linalg.norm(gram.matrix - ds.gram(signals, center=True).matrix, 2)
    assert 0 < wrong < gram.uncertainty < 1e-4 * gram.matrix.trace()


def wrong_modes(result, signals):
    """Which eigenvalues are off by more than 1 %."""
    want = np.linalg.svd(exact(signals), compute_uv=False) ** 2
    return np.abs(result.eigenvalues / want[: len(result.eigenvalues)] - 1) > 0.01


@pytest.mark.parametrize("ratio", [1e2, 1e4, 1e6, 1e8])
def test_what_is_resolved_is_right(ratio):
    signals = shifted(ratio)
    read = ds.descramble(signals, center=True)
    assert read.optimality == "certified"
    assert not (read.resolved & wrong_modes(read, signals)).any()
    if ratio <= 1e6:
        assert read.resolved.all()
    late = ds.descramble(ds.gram(signals).center())
    assert not (late.resolved & wrong_modes(late, signals)).any()
    assert ds.gram(signals).center().uncertainty > 0
    if ratio >= 1e4:
        assert late.optimality == "unknown" and not late.resolved.all()


def test_added_grams_count_what_their_means_have_lost():
    signals = shifted(1e8, SPREAD / 10)
    whole = ds.gram(signals[:2000] + 1, center=True) + ds.gram(signals[2000:], center=True)
    signals[:2000] += 1
    want = exact(signals)
    error = np.linalg.norm(whole.matrix - want.T @ want, 2)
    assert error <= whole.uncertainty < 1e-6 * whole.matrix.trace()


def test_leading_modes_without_the_gram_matrix():
    spread = RNG.standard_normal((1500, 1100)) * np.geomspace(30, 0.05, 1100)
    signals = spread + 1e7
    result = ds.descramble(signals, rank=8, center=True)
    want = ds.descramble(spread, rank=8, center=True)
    assert result.method == "exact, block Lanczos"
    np.testing.assert_allclose(result.eigenvalues, want.eigenvalues, rtol=1e-5)
    np.testing.assert_array_equal(result.resolved, want.resolved)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e8, -1e-100])
@pytest.mark.parametrize("late", [False, True])
def test_signals_that_do_not_vary_are_zero(value, late):
    signals = np.full((50, 4), value)
    gram = ds.gram(signals).center() if late and value != -1e-100 else ds.gram(signals, center=True)
    assert not gram.matrix.any()
    result = ds.descramble(gram)
    zero = ds.descramble(np.zeros((50, 4)))
    np.testing.assert_array_equal(result.rotation.matrix, zero.rotation.matrix)
    assert not result.resolved.any()
    if not late:
        assert ds.descramble(signals, center=True).status == zero.status


def test_criteria_of_signals_are_centered_alike():
    signals = np.random.default_rng(0).laplace(size=(400, 3)).astype(np.float32)
    far = (signals + np.float32(4096)).astype(np.float32)
    near = far - np.float32(4096)  # exact
    a, b = (ds.descramble(x, "kurtosis", center=True, random_state=0) for x in (far, near))
    np.testing.assert_allclose(a.objective, b.objective, rtol=1e-5)


def test_uncertainty_is_kept_in_files(tmp_path):
    late = ds.gram(shifted(1e4)).center()
    late.save(tmp_path / "gram.npz")
    assert ds.Gram.load(tmp_path / "gram.npz").uncertainty == late.uncertainty
    with pytest.raises(ValueError, match="uncertainty must be finite"):
        ds.Gram(np.eye(2), uncertainty=-1.0)
