"""The gauge, what is resolved, and comparison modulo gauge (METHOD: section 3)."""

import dataclasses

import numpy as np
import pytest

import descrambler as ds

BASIS = ds.criteria.Smoothness().basis


def modes_of(result, signals):
    return BASIS(signals.shape[1]).to_modes(result.transform(signals).T)


def separated(m=4000, n=9, seed=0, shift=0.3):
    generator = np.random.default_rng(seed)
    return generator.standard_normal((m, n)) * np.geomspace(1, 0.01, n) + shift * np.geomspace(
        1, 0.01, n
    )


@pytest.mark.parametrize("determinant", [1, -1])
@pytest.mark.parametrize(
    ("n", "m"), [(2, 500), (3, 500), (8, 4000), (9, 4000), (80, 20000), (30, 12)]
)
def test_scrambling_the_units_changes_nothing(scrambler, n, m, determinant):
    signals = separated(m, n, shift=0.3 if m > n else 3)
    signals[:, 0] *= 30
    first = ds.descramble(signals)
    scrambled = signals @ scrambler(n, determinant, n).T
    second = ds.descramble(scrambled)
    np.testing.assert_array_equal(first.resolved, second.resolved)
    np.testing.assert_array_equal(first.sign_resolved, second.sign_resolved)
    assert first.resolved[0]
    assert first.sign_resolved.sum() >= (0.8 * n - 1 if m > n else 1)
    a, b = modes_of(first, signals), modes_of(second, scrambled)
    np.testing.assert_allclose(a[first.sign_resolved], b[first.sign_resolved], atol=1e-9)
    resolved = first.resolved
    np.testing.assert_allclose(np.abs(a[resolved]), np.abs(b[resolved]), atol=1e-9)


def test_mean_responses_are_positive():
    signals = separated()
    result = ds.descramble(signals)
    assert (modes_of(result, signals).mean(axis=1)[result.sign_resolved] > 0).all()


def test_modes_come_in_the_order_of_their_variance():
    signals = separated(n=8)
    y = modes_of(ds.descramble(signals), signals)
    variances = y @ y.T
    np.testing.assert_allclose(np.diag(variances), np.linalg.eigvalsh(signals.T @ signals)[::-1])
    np.fill_diagonal(variances, 0)
    assert np.abs(variances).max() < 1e-10 * np.linalg.norm(signals) ** 2


def test_a_mean_settles_a_sign_only_beyond_three_standard_errors():
    y = np.array([1.0, -1] * 50)[:, None] * [8, 4, 2, 1]
    y[::4, 1:] *= -1
    y[1::4, 1:] *= -1
    y[::8, 2] *= -1
    y[3::8, 2] *= -1
    y -= y.mean(axis=0)
    spread = np.sqrt((y**2).mean(axis=0))
    for t in (2.9, 3.1, -3.1):
        # b / m - mean^2 is the spread: t is exactly what METHOD.md defines. Gram: means alone.
        signals = y + t * spread / np.sqrt(len(y)) * [1, 0, 0, 0]
        b = signals.T @ signals
        axis = np.linalg.eigh(b)[1][:, -1]
        mean = axis @ signals.mean(axis=0)
        significance = abs(mean) * 10 / np.sqrt(((signals @ axis) ** 2).mean() - mean**2)
        result = ds.descramble_gram(ds.gram(signals))
        assert result.sign_resolved[0] == (significance > 3) == (abs(t) > 3)
        assert modes_of(result, signals)[0].mean() > 0


@pytest.mark.parametrize("n", [2, 3, 10, 80])
def test_white_inputs_resolve_almost_nothing(n):
    resolved = [
        ds.descramble(np.random.default_rng(seed).standard_normal((2000, n))).resolved.mean()
        for seed in range(40 if n < 80 else 10)
    ]
    assert np.mean(resolved) < 0.03


@pytest.mark.parametrize(("n", "m"), [(2, 2), (2, 3), (2, 5), (3, 3), (10, 10), (80, 40)])
def test_few_white_inputs_resolve_almost_nothing(n, m):
    # Truth: no mode exists. A mode called resolved is a false discovery; one in twenty is the most.
    resolved = [
        ds.descramble(np.random.default_rng(seed).standard_normal((m, n))).resolved.mean()
        for seed in range(200 if n < 80 else 20)
    ]
    assert np.mean(resolved) < 0.05


def test_exactly_degenerate_eigenvalues_are_not_resolved():
    # Columns of a Hadamard matrix: orthogonal to the last bit.
    h = np.array([[1.0]])
    for _ in range(5):
        h = np.block([[h, h], [h, -h]])
    signals = np.tile(h[:, :6], (200, 1)) * [9, 3, 3, 1, 0.2, 0.2]
    expected = [True, False, False, True, False, False]
    assert ds.descramble(signals).resolved.tolist() == expected
    assert ds.descramble_gram(signals.T @ signals).resolved.tolist() == expected


def test_inputs_with_their_mirror_images_have_no_signs():
    signals = separated(shift=0)
    result = ds.descramble(np.concatenate([signals, -signals]))
    assert result.resolved.all()
    assert not result.sign_resolved.any()


def test_degenerate_eigenvalues_are_not_resolved():
    generator = np.random.default_rng(1)
    signals = generator.standard_normal((5000, 6)) * [10, 3, 3, 1, 0.1, 0.1]
    assert ds.descramble(signals).resolved.tolist() == [True, False, False, True, False, False]


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


def test_resolved_modes_are_close_to_the_truth(scrambler):
    signals = separated(m=20000, shift=0)
    q = scrambler(9, 1, 3)
    result = ds.descramble(signals @ q.T)
    assert result.resolved.all()
    modes = BASIS(9).to_modes(result.rotation.matrix)
    assert np.abs(np.einsum("ij,ji->i", modes, q)).min() > 0.99


def test_third_moments_settle_signs_that_means_do_not(scrambler):
    generator = np.random.default_rng(4)
    skewed = (generator.exponential(size=(20000, 5)) - 1) * [16, 8, 4, 2, 1]
    skewed -= skewed.mean(axis=0)
    result = ds.descramble(skewed)
    assert result.sign_resolved.tolist() == [True] * 4 + [False]
    third = (modes_of(result, skewed) ** 3).mean(axis=1)
    assert (third[:4] > 0).all()
    q = scrambler(5, -1, 2)
    again = ds.descramble(skewed @ q.T)
    # The true modes are the unscrambled units, skewed to the positive side.
    truth = BASIS(5).to_modes(again.rotation.matrix) @ q
    assert np.diag(truth)[again.sign_resolved].min() > 0.99
    assert again.sign_resolved.tolist() == [True] * 4 + [False]
    from_gram = ds.descramble_gram(ds.gram(skewed))
    assert not from_gram.sign_resolved.any()


def test_a_bare_matrix_has_no_signs():
    gram = ds.gram(separated())
    assert ds.descramble_gram(gram).sign_resolved.sum() == 8
    bare = ds.descramble_gram(gram.matrix)
    assert not bare.sign_resolved.any()
    assert bare.resolved.all()


@pytest.mark.parametrize("n", [5, 6, 12])
def test_identity_gauge_is_nearest_to_the_identity(scrambler, n):
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


def gauge_turned(result, seed):
    """The result after a random turn that the criterion does not see."""
    basis, generator = BASIS(result.rotation.n), np.random.default_rng(seed)
    m = basis.to_modes(result.rotation.matrix)
    for block in basis.degenerate_blocks():
        size = block.stop - block.start
        m[block] = np.linalg.qr(generator.standard_normal((size, size)))[0] @ m[block]
    p = basis.from_modes(m)
    if np.linalg.det(p) < 0:
        m[0] *= -1
        p = basis.from_modes(m)
    return dataclasses.replace(result, rotation=ds.Rotation(p, len(p)))


@pytest.mark.parametrize("n", [2, 3, 8, 9])
def test_align_recovers_a_turned_reference(n):
    signals = separated(n=n)
    for seed in range(5):
        reference = gauge_turned(ds.descramble(signals), seed)
        aligned = ds.descramble(signals, gauge="align", reference=reference)
        np.testing.assert_allclose(aligned.rotation.matrix, reference.rotation.matrix, atol=1e-9)
        comparison = ds.compare(reference, ds.descramble(signals))
        assert comparison.bound == pytest.approx(1)
        np.testing.assert_allclose(
            comparison.rotation.T @ comparison.rotation, np.eye(n), atol=1e-12
        )
        other = ds.compare(ds.descramble(signals), reference)
        assert other.similarity == pytest.approx(comparison.similarity)


def test_gauge_none_is_optimal_and_a_rotation():
    signals = separated()
    plain, canonical = ds.descramble(signals, gauge="none"), ds.descramble(signals)
    assert plain.gap == 0
    assert np.linalg.det(plain.rotation.matrix) == pytest.approx(1)
    a, b = (np.abs(modes_of(result, signals)) for result in (plain, canonical))
    np.testing.assert_allclose(a, b, atol=1e-9)


@pytest.mark.parametrize("method", ["cayley-lbfgs", "riemannian-lbfgs"])
@pytest.mark.parametrize("n", [3, 4, 9])
def test_an_iteration_that_arrived_is_in_the_gauge_of_the_exact_solution(method, n):
    signals = separated(n=n) * np.geomspace(1, 10, n)
    exact = ds.descramble(signals)
    result = ds.descramble(signals, method=method, random_state=1, tolerance=1e-10)
    assert result.gap < 1e-9
    np.testing.assert_array_equal(result.resolved, exact.resolved)
    np.testing.assert_array_equal(result.sign_resolved, exact.sign_resolved)
    signs = modes_of(result, signals).mean(axis=1)[exact.sign_resolved]
    assert (signs > 0).all()
    np.testing.assert_allclose(result.rotation.matrix, exact.rotation.matrix, atol=1e-3)


def test_operators_with_one_spectrum_but_other_modes_are_not_compared():
    signals = separated(n=3)
    a, b = (
        ds.descramble(signals, ds.criteria.Smoothness(operator=np.diag(diagonal)))
        for diagonal in ([0.0, 1, 2], [2.0, 1, 0])
    )
    with pytest.raises(ValueError, match="result_b minimises"):
        ds.compare(a, b)


def test_compare(scrambler):
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
    with pytest.raises(ValueError, match="result_b minimises"):
        ds.compare(a, other)
    with pytest.raises(ValueError, match="units"):
        ds.compare(a, ds.descramble(np.eye(4)))
    with pytest.raises(TypeError, match="smoothness"):
        ds.compare(a, ds.diagonalize(np.eye(9)))
