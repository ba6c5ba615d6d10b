"""Leading modes by block Lanczos, from a stream or a matrix, against the whole eigenproblem."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import descrambler as ds
from descrambler._geometry.rotation import LowRankRotation, Rotation, nearest_completion
from descrambler._solvers import eigenpairs
from descrambler._solvers import lanczos as krylov


def separated(m=3000, n=96, seed=0):
    """Signals with three clear modes above a decaying spectrum, their units scrambled."""
    generator = np.random.default_rng(seed)
    spread = np.concatenate([[30, 18, 10], 1 / np.arange(1, n - 2) ** 0.5])
    signals = generator.standard_normal((m, n)) * spread + 0.3 * spread
    return signals @ ds.group.random_rotation(n, seed).T


@pytest.fixture
def small_is_large(monkeypatch):
    """Let the iterative road take problems that LAPACK would solve whole."""
    monkeypatch.setattr(eigenpairs, "LEAST_UNITS", 64)


def whole(signals, monkeypatch, **options):
    with monkeypatch.context() as patch:
        patch.setattr(eigenpairs, "LEAST_UNITS", 10**9)
        return ds.descramble(signals, **options)


def modes_of(result):
    p = result.rotation.matrix.astype(np.float64)
    return result.criterion.basis(result.rotation.n).to_modes(p)


@pytest.mark.parametrize("gauge", ["canonical", "identity"])
@pytest.mark.parametrize("boundary", ["periodic", "neumann", "dirichlet"])
def test_stream_agrees_with_the_whole_problem(gauge, boundary, small_is_large, monkeypatch):
    signals, criterion = separated(), ds.criteria.Smoothness(boundary=boundary)
    few = ds.descramble(signals, criterion, rank=5, gauge=gauge)
    all_ = whole(signals, monkeypatch, criterion=criterion, rank=5, gauge=gauge)
    assert few.method == "exact, block Lanczos"
    assert few.gram is None
    assert all_.method == "exact"
    assert few.rotation.rank == all_.rotation.rank == 5
    np.testing.assert_allclose(few.rotation.matrix, all_.rotation.matrix, atol=0.02)
    np.testing.assert_allclose(few.objective, all_.objective, rtol=1e-4)
    np.testing.assert_array_equal(few.resolved, all_.resolved)
    np.testing.assert_array_equal(few.sign_resolved, all_.sign_resolved)
    assert few.resolved[:3].all()
    assert few.gap < 1e-12
    assert few.gradient_norm < 1e-10 * few.initial_objective
    assert few.orthogonality_error < 1e-13
    assert np.linalg.slogdet(few.rotation.matrix).sign > 0


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("share", [-8, -0.8, -0.3, 0.3, 0.8])
def test_unit_of_a_stream_changes_nothing_or_is_refused(dtype, share, small_is_large):
    """Units across the range of the squares' exponents, and beyond it into the least numbers there are."""
    x = separated(m=300).astype(dtype)
    exponent = max(int(share * np.finfo(dtype).maxexp), np.finfo(dtype).minexp - 10)
    scaled = np.ldexp(x, exponent)
    if abs(share) > 0.5:
        with pytest.raises(ValueError, match="signals must"):
            ds.descramble(scaled, rank=5, dtype=dtype)
    else:
        one, other = (ds.descramble(s, rank=5, dtype=dtype) for s in (x, scaled))
        within = {"atol": 500 * np.finfo(dtype).eps}
        np.testing.assert_allclose(one.rotation.matrix, other.rotation.matrix, **within)
        assert other.objective == pytest.approx(np.ldexp(one.objective, 2 * exponent))


def test_sources_of_a_stream_agree(small_is_large, tmp_path):
    signals = separated()
    np.save(tmp_path / "signals.npy", signals)
    reference = ds.descramble(signals, rank=4)
    for other in (np.load(tmp_path / "signals.npy", mmap_mode="r"), lambda: iter([signals])):
        result = ds.descramble(other, rank=4)
        np.testing.assert_allclose(result.rotation.matrix, reference.rotation.matrix, atol=1e-9)
    formed = ds.descramble(iter([signals]), rank=4)  # read once: the Gram matrix is formed
    assert formed.gram is not None
    np.testing.assert_allclose(formed.rotation.matrix, reference.rotation.matrix, atol=1e-6)
    again = ds.descramble(signals, rank=4)
    np.testing.assert_array_equal(again.rotation.matrix, reference.rotation.matrix)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(192, 250),
    decay=st.floats(0.2, 3),
    rank=st.integers(1, 5),
    seed=st.integers(0, 10**6),
    data=st.sampled_from(["stream", "gram"]),
)
def test_shortfall_and_excess_hold(n, decay, rank, seed, data):
    generator = np.random.default_rng(seed)
    signals = generator.standard_normal((300, n)) * np.arange(1, n + 1) ** -decay
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(eigenpairs, "LEAST_UNITS", 64)
        if data == "stream":
            patch.setattr(eigenpairs, "STREAMED_SHARE", 1 / 12)
            result = ds.descramble(signals, rank=rank)
        else:
            result = ds.descramble(ds.gram(signals), rank=rank)
    assert result.method == "exact, block Lanczos"
    b = signals.T @ signals
    a, exact_values = result.criterion.basis(n).eigenvalues, np.linalg.eigvalsh(b)[::-1]
    best = float(a[:rank] @ exact_values[:rank])
    assert result.bound <= best * (1 + 1e-12)
    assert best <= result.bound * (1 + 1e-4)
    assert result.shortfall < 1e-3
    p = result.rotation.matrix
    value = result.criterion.value_and_gradient(p, gram=b)[0]
    optimum = float(a @ np.maximum(exact_values, 0))
    assert value - optimum <= result.excess_bound * (1 + 1e-9)


def test_repeated_eigenvalues_are_all_found(small_is_large):
    spectrum = np.concatenate([np.full(60, 3.0), np.ones(340)])
    q = ds.group.random_rotation(400, 0)
    result = ds.descramble(ds.Gram((q * spectrum) @ q.T), rank=30)
    assert result.method == "exact, block Lanczos"
    np.testing.assert_allclose(result.eigenvalues, 3)


def test_more_modes_than_the_signals_have(small_is_large):
    generator = np.random.default_rng(5)
    signals = generator.standard_normal((100, 2)) @ generator.standard_normal((2, 200))
    result = ds.descramble(signals, rank=10)
    assert result.rotation.rank == 2
    assert result.excess_bound < 1e-6 * result.initial_objective
    assert result.status is ds.Status.CONVERGED
    still = ds.descramble(np.zeros((5, 200)), rank=3)
    assert still.rotation.rank == 0
    np.testing.assert_array_equal(still.rotation.matrix, np.eye(200))


def test_auto_stops_at_the_last_resolved_mode(small_is_large, monkeypatch):
    monkeypatch.setattr(eigenpairs, "FIRST_RANK", 4)
    generator = np.random.default_rng(2)
    signals = generator.standard_normal((3000, 96)) * ([99, 70, 50, 35, 25, 17, 12, 8] + [1] * 88)
    few, all_ = ds.descramble(signals, rank="auto"), whole(signals, monkeypatch, rank="auto")
    assert few.method == "exact, block Lanczos"
    assert few.rotation.rank == all_.rotation.rank == 8
    assert few.resolved[few.rotation.rank - 1]
    np.testing.assert_array_equal(few.resolved, all_.resolved)


def test_centered_stream(small_is_large, monkeypatch):
    signals = separated() + 5
    few = ds.descramble(signals, rank=3, center=True)
    all_ = whole(signals, monkeypatch, rank=3, center=True)
    np.testing.assert_allclose(few.eigenvalues, all_.eigenvalues, rtol=1e-6)
    np.testing.assert_allclose(few.rotation.matrix, all_.rotation.matrix, atol=1e-3)
    np.testing.assert_array_equal(few.sign_resolved, all_.sign_resolved)


@pytest.mark.parametrize("rank", [5, None])
def test_float32_throughout(rank, small_is_large):
    signals = separated().astype(np.float32)
    single, double = (ds.descramble(signals, rank=rank, dtype=d) for d in ("float32", "float64"))
    assert single.rotation.dtype == np.float32
    assert double.rotation.dtype == np.float64
    assert 1e-9 < single.orthogonality_error < 1e-5
    assert 0 < single.gap < 1e-3
    assert single.optimality == "unknown"
    assert double.optimality == "certified"
    assert single.objective == pytest.approx(double.objective, rel=1e-3)
    np.testing.assert_array_equal(single.resolved[:3], [True] * 3)
    assert ds.descramble(signals, rank=rank).rotation.dtype == np.float32


def test_bar_counts_passes(small_is_large, capsys):
    result = ds.descramble(separated(), rank=5, progress=True)
    assert f"{result.n_iter}pass [" in capsys.readouterr().err


def test_callback_sees_each_pass_and_stops(small_is_large):
    states = []
    result = ds.descramble(
        separated(), rank=5, callback=lambda s: states.append(s) or len(states) == 2
    )
    assert [state.iteration for state in states] == [1, 2]
    assert states[1].objective > states[0].objective
    assert result.status is ds.Status.STOPPED
    assert "stopped by the callback" in result.message


def test_too_few_passes_are_reported(small_is_large, monkeypatch):
    monkeypatch.setattr(krylov, "MAX_PASSES", 2)
    result = ds.descramble(separated(), rank=5)
    assert result.status is ds.Status.MAX_ITERATIONS
    assert result.shortfall > 1e-5


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_low_rank_rotation_is_its_matrix(dtype):
    generator = np.random.default_rng(0)
    u = ds.group.random_rotation(20, 1)[:, :4].astype(dtype)
    v = ds.group.random_rotation(20, 2)[:, :4].astype(dtype)
    rotation = nearest_completion(u, v)
    assert isinstance(rotation, LowRankRotation)
    close = {"atol": 1e-5 if dtype == np.float32 else 1e-13}
    w = generator.standard_normal((20, 3)).astype(dtype)
    p = rotation.matrix
    assert p.dtype == rotation.dtype == rotation.left(w).dtype == dtype
    np.testing.assert_allclose(p @ u, v, **close)
    np.testing.assert_allclose(rotation.left(w), p @ w, **close)
    np.testing.assert_allclose(rotation.right(w.T), w.T @ p.T, **close)
    np.testing.assert_allclose(rotation.inverse().matrix, p.T, **close)
    np.testing.assert_allclose(
        rotation.orthogonality_error(), Rotation(p, 4).orthogonality_error(), **close
    )
    assert np.linalg.matrix_rank(p - np.eye(20), tol=1e-4) <= 8
    assert "n=20, rank=4" in repr(rotation)
    assert rotation.astype(np.float32).dtype == np.float32
    q = rotation.generator()
    np.testing.assert_allclose(ds.group.cayley(q), p, atol=1e-3 if dtype == np.float32 else 1e-9)


def test_align_to_a_low_rank_reference(small_is_large):
    signals = separated()
    reference = ds.descramble(signals, rank=3, gauge="identity")
    aligned = ds.descramble(signals, rank=3, gauge="align", reference=reference)
    np.testing.assert_allclose(aligned.rotation.matrix, reference.rotation.matrix, atol=1e-9)


def test_table_and_file_do_without_the_matrix(small_is_large, tmp_path, monkeypatch):
    result = ds.descramble(separated(), rank=5)

    def refuse(self):
        raise AssertionError("n x n formed")

    monkeypatch.setattr(LowRankRotation, "matrix", property(refuse))
    for words in ("modes placed", "at most", "block Lanczos", "resolved modes"):
        assert words in str(result)
    result.save(tmp_path / "result.npz")
    with np.load(tmp_path / "result.npz") as saved:
        z, c = saved["rotation.span"], saved["rotation.core"]
        assert float(saved["excess_bound"]) == result.excess_bound
    probe = np.eye(96)[:, :2]
    np.testing.assert_allclose(
        probe + z @ ((c - np.eye(10)) @ (z.T @ probe)), result.rotation.left(probe)
    )


@pytest.mark.parametrize("rank", [0, 97, "all"])
def test_bad_ranks(rank):
    with pytest.raises(ValueError, match="rank must be between 1 and 96 or 'auto'"):
        ds.descramble(separated(m=10), rank=rank)


def test_bad_signals_of_a_stream(small_is_large):
    signals = separated()
    signals[2999, 5] = np.inf
    with pytest.raises(ValueError, match="signals must be finite"):
        ds.descramble(signals, rank=5)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_few_of_many_modes_are_the_leading_ones(dtype):
    n, rank = 240, 6
    sizes = np.concatenate([2.0 ** -np.arange(8), np.geomspace(2**-8, 1e-3, n - 8)])
    gram = ds.gram(np.random.default_rng(3).standard_normal((4000, n)) * sizes)
    few, more = (ds.descramble(gram, rank=r, dtype=dtype) for r in (rank, n // 2))
    tolerance = 1e-12 if dtype is np.float64 else 1e-5
    values = np.linalg.eigvalsh(gram.matrix)[::-1]
    np.testing.assert_allclose(few.eigenvalues, values[:rank], rtol=tolerance)
    cosines = np.einsum("ij,ij->i", few.leading.modes, more.leading.modes[:rank])
    np.testing.assert_allclose(np.abs(cosines), 1, atol=10 * tolerance)
    # In float32 the rounding of all modes counts where all are known.
    assert (few.resolved[:rank] >= more.resolved[:rank]).all()
    assert few.resolved.sum() == rank


def test_a_few_modes_do_not_hide_negative_eigenvalues():
    values = np.linspace(1, 2, 240)
    values[0] = -0.1
    turned = ds.group.random_rotation(240, 1)
    with pytest.raises(ValueError, match="gram must be positive semidefinite"):
        ds.descramble(ds.Gram(turned @ np.diag(values) @ turned.T), rank=3)
