"""The gauge, what is resolved, and comparison modulo gauge (METHOD: section 3)."""

import numpy as np
import pytest

import descrambler as ds
from descrambler._solvers.gauge import HigherMoments

BASIS = ds.criteria.Smoothness().basis


def scrambler(n, determinant, seed):
    q = ds.group.random_rotation(n, seed)
    q[0] *= determinant
    return q


def modes_of(result, signals):
    return BASIS(signals.shape[1]).to_modes(result.transform(signals).T)


def separated(m=4000, n=9, seed=0, shift=0.3):
    generator = np.random.default_rng(seed)
    return generator.standard_normal((m, n)) * np.geomspace(1, 0.01, n) + shift * np.geomspace(
        1, 0.01, n
    )


@pytest.mark.parametrize("determinant", [1, -1])
@pytest.mark.parametrize("seed", range(5))
def test_scrambling_the_units_changes_nothing(seed, determinant):
    signals = separated()
    first = ds.descramble(signals)
    scrambled = signals @ scrambler(9, determinant, seed).T
    second = ds.descramble(scrambled)
    np.testing.assert_array_equal(first.resolved, second.resolved)
    np.testing.assert_array_equal(first.sign_resolved, second.sign_resolved)
    assert first.sign_resolved.sum() == 8
    a, b = modes_of(first, signals), modes_of(second, scrambled)
    np.testing.assert_allclose(a[first.sign_resolved], b[first.sign_resolved], atol=1e-9)
    np.testing.assert_allclose(np.abs(a[-1]), np.abs(b[-1]), atol=1e-9)


def test_mean_responses_are_positive():
    signals = separated()
    result = ds.descramble(signals)
    assert (modes_of(result, signals).mean(axis=1)[result.sign_resolved] > 0).all()


@pytest.mark.parametrize("n", [2, 3, 10, 80])
def test_white_inputs_resolve_almost_nothing(n):
    resolved = [
        ds.descramble(np.random.default_rng(seed).standard_normal((2000, n))).resolved.mean()
        for seed in range(40)
    ]
    assert np.mean(resolved) < 0.03


@pytest.mark.parametrize(("n", "m"), [(20, 20), (80, 80), (40, 39), (20, 22), (3, 5)])
def test_as_many_white_inputs_as_units_resolve_nothing(n, m):
    for seed in range(20):
        white = np.random.default_rng(seed).standard_normal((m, n))
        assert not ds.descramble(white).resolved.any()


def test_inputs_with_their_mirror_images_have_no_signs():
    signals = separated(shift=0)
    result = ds.descramble(np.concatenate([signals, -signals]))
    assert result.resolved.all()
    assert not result.sign_resolved.any()


def test_degenerate_eigenvalues_are_not_resolved():
    generator = np.random.default_rng(1)
    signals = generator.standard_normal((5000, 6)) * [10, 3, 3, 1, 0.1, 0.1]
    assert ds.descramble(signals).resolved.tolist() == [True, False, False, True, False, False]


def test_constant_signals_are_no_arithmetic_error():
    """Their second moments differ by rounding of rounding, whose inverse squares overflow."""
    assert not ds.descramble(np.ones((4, 5))).resolved.any()


def test_fewer_samples_than_units():
    generator = np.random.default_rng(2)
    spikes = generator.standard_normal((40, 2)) * [100, 30]
    signals = np.zeros((40, 60))
    signals[:, :2] = spikes
    signals += 0.1 * generator.standard_normal(signals.shape)
    result = ds.descramble(signals)
    assert result.resolved[:2].all()
    assert not result.resolved[2:].any()
    alone = ds.descramble(signals[:1])
    assert not alone.resolved.any()


def test_resolved_modes_are_close_to_the_truth():
    signals = separated(m=20000, shift=0)
    q = scrambler(9, 1, 3)
    result = ds.descramble(signals @ q.T)
    assert result.resolved.all()
    modes = BASIS(9).to_modes(result.rotation.matrix)
    assert np.abs(np.einsum("ij,ji->i", modes, q)).min() > 0.99


def test_third_moments_settle_signs_that_means_do_not():
    generator = np.random.default_rng(4)
    skewed = (generator.exponential(size=(20000, 5)) - 1) * [16, 8, 4, 2, 1]
    skewed -= skewed.mean(axis=0)
    result = ds.descramble(skewed)
    assert result.sign_resolved.tolist() == [True] * 4 + [False]
    third = (modes_of(result, skewed) ** 3).mean(axis=1)
    assert (third[:4] > 0).all()
    from_gram = ds.descramble(ds.gram(skewed))
    assert not from_gram.sign_resolved.any()


@pytest.mark.parametrize("shift", [-0.03, -0.05, 0.05])
def test_signs_do_not_change_sides_with_the_sample_size(shift):
    """Third moments are positive and means follow the shift: the first decide small samples, the others large ones."""
    known = []
    for m in (300, 1000, 3000, 10_000, 100_000):
        rng = np.random.default_rng(m)
        signals = (rng.exponential(size=(m, 4)) - 1 + shift) * [27, 9, 3, 1]
        result = ds.descramble(signals)
        signs = np.sign(BASIS(4).to_modes(result.rotation.matrix).diagonal())
        known.append(np.where(result.sign_resolved, signs, 0))
        assert not result.sign_resolved.any() or shift > 0 or m < 100_000
    assert (np.max(known, axis=0) * np.min(known, axis=0) >= 0).all()
    assert np.any(known)


def test_nine_resolved_modes_of_ten_and_more_keep_the_promise():
    rng = np.random.default_rng(5)
    cosines = []
    for _ in range(30):
        result = ds.descramble(rng.standard_normal((400, 12)) * np.geomspace(1, 0.05, 12))
        modes = BASIS(12).to_modes(result.rotation.matrix)
        cosines.append(np.abs(modes.diagonal())[result.resolved])
    cosines = np.concatenate(cosines)
    assert len(cosines) > 100
    assert (cosines < 0.96).mean() < 0.05


@pytest.mark.parametrize("shift", [None, 0.0, 1e6])
@pytest.mark.parametrize("kept", [4, 9])
def test_powers_in_float32_are_those_in_float64(shift, kept):
    """Over eight decades, and where a mean is a million times as large as what varies."""
    generator = np.random.default_rng(0)
    rotation = ds.group.random_rotation(9, 1)[:kept]
    spread = np.geomspace(1, 1e-8, 9) if shift is None else np.ones(9)
    mean = None if shift is None else np.full(9, shift)
    signals = (generator.exponential(size=(3000, 9)) * spread) @ ds.group.random_rotation(9, 1)
    rows = signals if mean is None else signals + mean
    y = signals @ rotation.T
    moments = [HigherMoments(rotation, np.sqrt(np.mean(y**2, axis=0)), mean) for _ in range(2)]
    moments[0].add(rows[:1000])
    moments[1].add(rows[1000:])
    moments[0].merge(moments[1])
    np.testing.assert_allclose(moments[0].fourth(2.0), (y**2).T @ y**2 / 16, rtol=1e-5)
    left = np.maximum((signals**2).sum(axis=1) - (y**2).sum(axis=1), 0)
    expected = left @ y**2 / 16
    np.testing.assert_allclose(moments[0].tail(2.0), expected, rtol=1e-5, atol=1e-9 * y.var())
    third = (rows @ rotation.T) ** 3
    skewness = third.sum(axis=0) / np.sqrt((third**2).sum(axis=0))
    np.testing.assert_allclose(moments[0].skewness(), skewness, rtol=1e-4, atol=1e-4)


def test_a_bare_matrix_has_no_signs():
    gram = ds.gram(separated())
    assert ds.descramble(gram).sign_resolved.sum() == 8
    bare = ds.descramble(ds.Gram(gram.matrix))
    assert not bare.sign_resolved.any()
    assert bare.resolved.all()


@pytest.mark.parametrize("n", [5, 6, 12])
def test_identity_gauge_is_nearest_to_the_identity(n):
    signals = separated(n=n) @ scrambler(n, 1, 7).T
    nearest = ds.descramble(signals, gauge="identity")
    canonical = ds.descramble(signals)
    assert nearest.objective == pytest.approx(canonical.objective, rel=1e-10)
    assert np.linalg.det(nearest.rotation.matrix) == pytest.approx(1)
    basis = BASIS(n)
    generator = np.random.default_rng(0)
    for _ in range(300):
        turn = np.eye(n)
        for block in basis.degenerate_blocks():
            size = block.stop - block.start
            turn[block, block] = np.linalg.qr(generator.standard_normal((size, size)))[0]
        turned = basis.from_modes(turn @ basis.to_modes(canonical.rotation.matrix))
        if np.linalg.det(turned) > 0:
            assert np.trace(turned) <= np.trace(nearest.rotation.matrix) + 1e-9


def test_align_recovers_the_reference():
    signals = separated()
    reference = ds.descramble(signals, gauge="identity")
    aligned = ds.descramble(signals, gauge="align", reference=reference)
    np.testing.assert_allclose(aligned.rotation.matrix, reference.rotation.matrix, atol=1e-9)


def test_compare():
    signals = separated()
    q = scrambler(9, 1, 1)
    a, b = ds.descramble(signals), ds.descramble(signals @ q.T, gauge="identity")
    comparison = ds.compare(a, b, weights=(np.eye(9), q))
    assert comparison.bound == pytest.approx(1)
    assert comparison.similarity <= comparison.bound
    brought = comparison.rotation @ b.rotation.left(q)
    np.testing.assert_allclose(brought, a.rotation.matrix, atol=1e-8)
    assert ds.compare(a, a).similarity == pytest.approx(1)
    other = ds.descramble(signals, ds.criteria.Smoothness(order=1))
    with pytest.raises(ValueError, match="result_b minimizes"):
        ds.compare(a, other)
    with pytest.raises(ValueError, match="units"):
        ds.compare(a, ds.descramble(np.eye(4)))
    operators = (ds.criteria.Smoothness(operator=np.diag(d)) for d in ([0.0, 1, 2], [2.0, 1, 0]))
    pair = [ds.descramble(separated(n=3), operator) for operator in operators]
    with pytest.raises(ValueError, match="result_b minimizes"):
        ds.compare(*pair)
    with pytest.raises(TypeError, match="smoothness"):
        ds.compare(a, ds.diagonalize(np.eye(9)))
