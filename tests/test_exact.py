"""The exact solution: the bound is reached, by a rotation, for every spectrum."""

import functools
import re

import numpy as np
import pytest
import scipy.fft

import descrambler as ds


@functools.cache
def rotation(n):
    return ds.group.random_rotation(n, 0)


def gram_with(spectrum):
    q = rotation(len(spectrum))
    b = (q * spectrum) @ q.T
    return (b + b.T) / 2


def check_rotation(result):
    p = result.rotation.matrix
    # The Frobenius norm bounds the spectral norm, whose SVD is slow for hundreds of units.
    assert np.linalg.norm(p @ p.T - np.eye(len(p))) < 1e-12
    assert np.linalg.slogdet(p).sign > 0
    if len(p) <= 8:
        assert result.orthogonality_error == pytest.approx(
            np.linalg.norm(p @ p.T - np.eye(len(p)), 2), abs=1e-15
        )


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
    result = ds.descramble_gram(gram_with(spectrum), ds.criteria.Smoothness(boundary=boundary))
    a = result.criterion.basis(n).eigenvalues
    exact = float(a @ np.sort(spectrum)[::-1])
    error = abs(result.objective - exact)
    assert error <= 1e-12 * a[-1] * spectrum.sum()
    if name in ("four decades", "repeated"):
        assert error <= 1e-12 * abs(exact)
    check_rotation(result)
    assert result.optimality == "certified"


def scrambled_by_waves(spectrum):
    """Gram matrix with this spectrum and no sparsity, without the cost of a random rotation."""
    signs = np.where(np.random.default_rng(0).random(len(spectrum)) < 0.5, -1.0, 1.0)
    q = scipy.fft.dct(np.diag(signs), axis=0, norm="ortho") * signs[:, None]
    b = (q * spectrum) @ q.T
    return (b + b.T) / 2


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("n", [512, 1024])
def test_optimum_of_larger_layers(n, name):
    spectrum = SPECTRA[name](n)
    result = ds.descramble_gram(scrambled_by_waves(spectrum))
    a = result.criterion.basis(n).eigenvalues
    exact = a @ np.sort(spectrum)[::-1]
    assert abs(result.objective - exact) <= 1e-12 * a[-1] * spectrum.sum()
    if name in ("four decades", "repeated"):
        assert result.objective == pytest.approx(exact, rel=1e-12)
    check_rotation(result)
    assert result.gap <= 1e-9


def turn(axis, angle):
    """Rotations of three units about one axis, shape (angles, 3, 3)."""
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    r = np.zeros((len(angle), 3, 3))
    r[:, axis, axis] = 1
    r[:, i, i] = r[:, j, j] = np.cos(angle)
    r[:, j, i] = np.sin(angle)
    r[:, i, j] = -r[:, j, i]
    return r


@pytest.mark.parametrize("boundary", ["periodic", "neumann", "dirichlet"])
@pytest.mark.parametrize("n", [2, 3])
def test_brute_force_over_a_grid_of_rotations(n, boundary):
    signals = np.random.default_rng(n).standard_normal((10, n))
    best = ds.descramble(signals, ds.criteria.Smoothness(boundary=boundary))
    steps = 2000 if n == 2 else 60
    first = np.arange(steps) * 2 * np.pi / steps
    if n == 2:
        p = turn(2, first)[:, :2, :2]
    else:
        middle = np.linspace(0, np.pi, steps // 2 + 1)
        p = np.einsum("aij,bjk->abik", turn(2, first), turn(0, middle))
        p = np.einsum("abij,cjk->abcik", p, turn(2, first)).reshape(-1, 3, 3)
    v = best.criterion.basis(n).from_modes(np.eye(n))
    a = (v * best.criterion.basis(n).eigenvalues) @ v.T
    b = signals.T @ signals
    values = np.einsum("xij,xij->x", np.einsum("ij,xjk->xik", a, p), p @ b)
    assert values.min() >= best.objective * (1 - 1e-12)
    # The nearest grid point is within the grid's spacing h: second order at a minimum.
    spread = values.max() - best.objective
    assert values.min() <= best.objective + (2 * np.pi / steps) ** 2 * n * spread


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


def test_an_indefinite_matrix_is_no_gram_matrix():
    # Its eigenvalues are 3, 1 and -1: sum a_i max(b_i, 0) would be no bound.
    with pytest.raises(ValueError, match="semi-?definite"):
        ds.descramble_gram(np.array([[1.0, 2, 0], [2, 1, 0], [0, 0, 1]]))


def test_results_do_not_follow_later_changes_of_what_they_came_from():
    b = np.diag([4.0, 1, 0.25])
    operator = np.diag([1.0, 2, 3])
    result = ds.descramble_gram(b)
    with_operator = ds.descramble_gram(b, ds.criteria.Smoothness(operator=operator))
    bound = with_operator.bound
    b *= 2
    operator *= 3
    assert result.objective == pytest.approx(1.25)
    assert with_operator.objective == pytest.approx(bound)


@pytest.mark.parametrize("scale", [1e-90, 1e90])
def test_units_of_measurement_do_not_matter(scale):
    signals = np.random.default_rng(8).standard_normal((4000, 4)) * [4, 3, 2, 1] + 1
    one, other = ds.descramble(signals), ds.descramble(signals * scale)
    assert other.objective / scale / scale == pytest.approx(one.objective)
    np.testing.assert_array_equal(other.resolved, one.resolved)
    np.testing.assert_array_equal(other.sign_resolved, one.sign_resolved)


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
    assert parts.objective == pytest.approx(whole.objective, rel=1e-12)
    np.testing.assert_array_equal(parts.resolved, whole.resolved)
    single = ds.descramble(iter(np.split(signals.astype(np.float32), 3)))
    assert single.rotation.matrix.dtype == np.float32


def test_rank_places_the_leading_modes_only():
    signals = np.random.default_rng(4).standard_normal((200, 30)) * np.geomspace(1, 0.01, 30)
    full, leading = ds.descramble(signals), ds.descramble(signals, rank=5)
    basis = full.criterion.basis(30)
    a, b = (basis.to_modes(r.rotation.matrix)[:5] for r in (full, leading))
    np.testing.assert_allclose(a, b, atol=1e-10)
    assert leading.rotation.rank == 5
    assert np.trace(leading.rotation.matrix) > np.trace(full.rotation.matrix)
    check_rotation(leading)


def test_modes_beyond_the_rank_are_not_called_resolved():
    signals = np.random.default_rng(4).standard_normal((4000, 9)) * np.geomspace(1, 0.01, 9) + 1
    leading = ds.descramble(signals, rank=3)
    assert not leading.resolved[3:].any()
    assert not leading.sign_resolved[3:].any()


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


GOLDEN = """\
Descrambling
  criterion            smoothness (order 2, periodic)
  units                3
  method               exact (0 iterations, 1 evaluations)
  status               converged: global optimum from one eigendecomposition
  objective            1.25 (before 3.5)
  lower bound          1.25
  gap                  0.0e+00 (certified)
  resolved modes       3 of 3
  resolved signs       0 of 3
  gauge                canonical"""
ROUNDING_AND_TIME = ("gradient norm", "orthogonality error", "time")


def test_status_table_word_for_word():
    # tr A B = (4 + 1 + 1/4) 2/3 before, 0 * 4 + 1 * 1 + 1 * 1/4 after.
    result = ds.descramble_gram(np.diag([4, 1, 0.25]))
    lines = [x for x in str(result).splitlines() if not x.strip().startswith(ROUNDING_AND_TIME)]
    assert "\n".join(lines) == GOLDEN
    cells = re.findall(r"<th[^>]*>(.*?)</th><td[^>]*>(.*?)</td>", result._repr_html_())
    in_text = [
        re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in str(result).splitlines()[1:]
    ]
    assert [list(cell) for cell in cells] == [
        [x.replace("'", "&#x27;") for x in pair] for pair in in_text
    ]


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
