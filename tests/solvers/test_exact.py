"""The exact solution: the bound is reached, by a rotation, for every spectrum."""

import numpy as np
import pytest

import descrambler as ds


def gram_with(spectrum, seed=0):
    n = len(spectrum)
    q = ds.group.random_rotation(n, seed)
    b = (q * spectrum) @ q.T
    return ds.Gram((b + b.T) / 2)


def check_rotation(result):
    assert result.orthogonality_error < 1e-12
    assert np.linalg.slogdet(result.rotation.matrix).sign > 0


SPECTRA = {
    "four decades": lambda n: np.logspace(0, -4, n),
    "twelve decades": lambda n: np.logspace(0, -12, n),
    "repeated": lambda n: np.where(np.arange(n) < n // 2, 3.0, 1.0),
    "rank one": lambda n: (np.arange(n) == 0) * 2.0,
    "zero": lambda n: np.zeros(n),
}


@pytest.mark.parametrize("boundary", ["periodic", "neumann", "dirichlet"])
@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 80, 255])
def test_optimum(n, name, boundary):
    spectrum = SPECTRA[name](n)
    result = ds.descramble(gram_with(spectrum), ds.criteria.Smoothness(boundary=boundary))
    a = result.criterion.basis(n).eigenvalues
    exact = float(a @ np.sort(spectrum)[::-1])
    error = abs(result.objective - exact)
    assert error <= 1e-12 * a[-1] * spectrum.sum()
    if name in ("four decades", "repeated"):
        assert error <= 1e-12 * abs(exact)
    check_rotation(result)
    assert result.optimality == "certified"


@pytest.mark.parametrize("n", [512, 1024])
def test_optimum_of_larger_layers(n):
    spectrum = np.logspace(0, -4, n)
    result = ds.descramble(gram_with(spectrum))
    assert result.objective == pytest.approx(
        result.criterion.basis(n).eigenvalues @ spectrum, rel=1e-12
    )
    check_rotation(result)


@pytest.mark.parametrize("n", [2, 3])
def test_no_rotation_of_a_fine_grid_is_better(n):
    signals = np.random.default_rng(n).standard_normal((10, n))
    best = ds.descramble(signals)
    criterion = best.criterion
    for seed in range(3000):
        p = ds.group.random_rotation(n, seed)
        assert criterion.value_and_gradient(p, signals=signals)[0] >= best.objective * (1 - 1e-12)


def test_users_operator_and_small_turns():
    generator = np.random.default_rng(1)
    signals = generator.standard_normal((50, 6))
    criterion = ds.criteria.Smoothness(operator=generator.standard_normal((9, 6)))
    best = ds.descramble(signals, criterion)
    assert best.gap == 0
    assert best.gradient_norm < 1e-10 * best.objective
    for _ in range(100):
        turn = ds.group.cayley(ds.group.unpack_generator(1e-3 * generator.standard_normal(15)))
        other = criterion.value_and_gradient(turn @ best.rotation.matrix, signals=signals)[0]
        assert other >= best.objective


def test_float32_signals_give_a_float32_rotation():
    signals = np.random.default_rng(2).standard_normal((100, 20)).astype(np.float32)
    result = ds.descramble(signals)
    assert result.rotation.matrix.dtype == np.float32
    assert result.transform(signals).dtype == np.float32
    assert result.orthogonality_error < 1e-6
    assert result.gap < 1e-5


def test_batches_give_what_the_array_gives():
    signals = np.random.default_rng(3).standard_normal((90, 8)) * np.arange(1, 9) + 1
    whole, parts = ds.descramble(signals), ds.descramble(iter(np.split(signals, 3)))
    np.testing.assert_allclose(parts.rotation.matrix, whole.rotation.matrix, atol=1e-10)


def test_rank_places_the_leading_modes_only():
    signals = np.random.default_rng(4).standard_normal((200, 30)) * np.geomspace(1, 0.01, 30)
    full, leading = ds.descramble(signals), ds.descramble(signals, rank=5)
    basis = full.criterion.basis(30)
    a, b = (basis.to_modes(r.rotation.matrix)[:5] for r in (full, leading))
    np.testing.assert_allclose(a, b, atol=1e-10)
    assert leading.rotation.rank == 5
    assert not leading.resolved[5:].any()
    with pytest.raises(ValueError, match="rank needs the exact method"):
        ds.descramble(signals, rank=5, method="cayley-lbfgs")
    assert np.trace(leading.rotation.matrix) > np.trace(full.rotation.matrix)
    check_rotation(leading)


def test_rank_deficient_signals_turn_the_rest_little():
    generator = np.random.default_rng(5)
    signals = generator.standard_normal((100, 2)) @ generator.standard_normal((2, 40))
    result = ds.descramble(signals)
    assert result.rotation.rank == 2
    assert np.linalg.matrix_rank(result.rotation.matrix - np.eye(40), tol=1e-9) <= 4
    assert result.resolved[2:].sum() == 0
    check_rotation(result)


def test_table_save_and_html(tmp_path):
    result = ds.descramble(np.random.default_rng(6).standard_normal((50, 4)))
    text, page = str(result), result._repr_html_()
    for words in ("exact", "certified", f"{result.objective:.8g}", f"{result.bound:.8g}", "of 4"):
        assert words in text
        assert words in page
    result.save(tmp_path / "result.npz")
    with np.load(tmp_path / "result.npz", allow_pickle=False) as saved:
        np.testing.assert_array_equal(saved["rotation"], result.rotation.matrix)
        assert saved["schema"] == "descrambler.result.v1"
        assert float(saved["objective"]) == result.objective


@pytest.mark.parametrize(
    ("signals", "message"),
    [
        (np.full((3, 2), np.nan), "signals must be finite"),
        (np.ones(3), "signals must have 2 dim"),
        (np.ones((0, 3)), "signals must not be empty"),
        (iter([]), "at least one batch"),
    ],
)
def test_bad_signals(signals, message):
    with pytest.raises(ValueError, match=message):
        ds.descramble(signals)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gauge": "mine"}, "gauge must be one of"),
        ({"gauge": "align"}, "reference is needed"),
        ({"method": "magic"}, "method must be one of"),
        ({"rank": 5}, "rank must be between 1 and 4"),
        ({"max_iter": 0}, "max_iter must be at least 1"),
        ({"retraction": "qr"}, "retraction must be one of"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        ds.descramble(np.eye(4), **options)
