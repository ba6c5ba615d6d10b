"""Alignment: planted rotations and permutations, optima, nulls, sources, networks, and what is refused."""

import itertools

import numpy as np
import pytest

import descrambler as ds
from descrambler._signals.pairs import pair_moments
from descrambler._signals.sources import as_source

pytestmark = pytest.mark.usefixtures("one_thread")

GROUPS = ("SO", "O", "permutation", "signed permutation")


def signals(m=600, n=6, seed=0):
    """Rows with distinct variances about a mean."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, n)) * np.linspace(1, 0.3, n) + rng.standard_normal(n)


def element(group, n, seed=1):
    rng = np.random.default_rng(seed)
    if group in ("SO", "O"):
        q = ds.group.random_rotation(n, rng)
        return q * np.where(np.arange(n) == 0, -1, 1)[:, None] if group == "O" else q
    q = np.eye(n)[rng.permutation(n)]
    return q * rng.choice([-1, 1], n) if group == "signed permutation" else q


def distance(a, b, p):
    a, b = a - a.mean(0), b - b.mean(0)
    return np.linalg.norm(a - b @ p.T)


@pytest.mark.parametrize("group", GROUPS)
def test_finds_what_was_planted(group):
    a, q = signals(), element(group, 6)
    noise = 0.02 * np.random.default_rng(2).standard_normal(a.shape)
    found = ds.align(a, a @ q + noise, group)
    assert np.abs(found.matrix - q).max() < (0.02 if "O" in group else 1e-12)
    assert found.r2 > 0.99 and found.verdict == "present"
    assert found.shared.all() and found.share.sum() == pytest.approx(1)
    assert abs(found.chance) < 0.1 and found.scale == pytest.approx(1, abs=0.01)
    assert found.optimality == ("exact" if "perm" in group else "certified")
    assert np.allclose(found.transform(a @ q + noise).mean(0), a.mean(0))
    assert len(repr(found).splitlines()) == 1 and "present" in str(found)


def test_a_rotation_does_not_reflect():
    a, q = signals(), element("O", 6)
    proper, any_sign = ds.align(a, a @ q), ds.align(a, a @ q, "O")
    assert np.linalg.det(proper.matrix) == pytest.approx(1)
    assert np.linalg.det(any_sign.matrix) == pytest.approx(-1)
    assert proper.objective < any_sign.objective
    assert any_sign.r2 == pytest.approx(1, abs=1e-12) and any_sign.distance < 1e-7


@pytest.mark.parametrize(("n_a", "n_b"), [(5, 5), (5, 3), (3, 5)])
def test_the_rotation_is_that_of_diagonalize(n_a, n_b):
    a, b = signals(40, n_a, 3), signals(40, n_b, 4)
    cross = (b - b.mean(0)).T @ (a - a.mean(0))
    found = ds.align(a, b, nulls=0)
    wide = cross if n_b >= n_a else cross.T
    best = ds.diagonalize(wide, "sum")
    assert found.objective == pytest.approx(best.objective, rel=1e-12)
    assert found.bound == pytest.approx(best.bound, rel=1e-12) and found.gap == 0
    assert found.rotation.n == max(n_a, n_b) and found.matrix.shape == (n_a, n_b)
    assert found.rotation.orthogonality_error() < 1e-13
    narrow = found.matrix if n_a <= n_b else found.matrix.T
    assert np.allclose(narrow @ narrow.T, np.eye(min(n_a, n_b)))


@pytest.mark.parametrize("group", ["permutation", "signed permutation"])
def test_no_assignment_is_better(group):
    a, b = signals(30, 4, 5), signals(30, 4, 6)
    least = np.inf
    signs = (1, -1) if "signed" in group else (1,)
    for order in itertools.permutations(range(4)):
        for sign in itertools.product(signs, repeat=4):
            least = min(least, distance(a, b, np.eye(4)[list(order)] * sign))
    assert distance(a, b, ds.align(a, b, group, nulls=0).matrix) == pytest.approx(least, rel=1e-12)


def test_held_out_values_are_those_of_a_direct_computation():
    a, b = signals(101, 4, 7), signals(101, 4, 8) + 0.5 * signals(101, 4, 7)
    found = ds.align(a, b, nulls=0)
    halves = [(a[k::2], b[k::2]) for k in range(2)]
    left = {True: 0.0, False: 0.0}
    for (fit_a, fit_b), (held_a, held_b) in itertools.product(halves, halves):
        p = ds.diagonalize((fit_b - fit_b.mean(0)).T @ (fit_a - fit_a.mean(0))).rotation.matrix
        turned = (fit_b - fit_b.mean(0)) @ p.T
        scale = np.sum(turned * (fit_a - fit_a.mean(0))) / np.sum(turned**2)
        error = held_a - fit_a.mean(0) - scale * (held_b - fit_b.mean(0)) @ p.T
        left[fit_a is held_a] += np.sum(error**2)
    whole = sum(np.sum((half - half.mean(0)) ** 2) for half, _ in halves)
    assert found.r2 == pytest.approx(1 - left[False] / whole, rel=1e-10)
    assert found.ceiling == pytest.approx(1 - left[True] / whole, rel=1e-10)
    variance = found.share / found.share.sum()
    assert found.modes @ variance == pytest.approx(found.r2, abs=0.05)
    raw = ds.align(a, b, nulls=0, center=False)
    p = ds.diagonalize(b.T @ a).rotation.matrix
    assert raw.distance == pytest.approx(np.linalg.norm(a - b @ p.T) / np.linalg.norm(a), rel=1e-10)
    assert raw.distance_before == pytest.approx(
        np.linalg.norm(a - b) / np.linalg.norm(a), rel=1e-10
    )
    assert not raw.shift.any()


def test_unrelated_signals_are_not_found():
    shared = 0
    for seed in range(12):
        found = ds.align(signals(200, 5, seed), signals(200, 5, 100 + seed))
        assert found.verdict in ("not found", "explained by shuffled rows") and abs(found.r2) < 0.1
        assert 0 < found.ceiling < 0.2
        shared += found.shared.any()
    assert shared <= 2


def test_only_the_modes_that_are_shared_are_called_so():
    rng = np.random.default_rng(9)
    common = rng.standard_normal((800, 2)) * [3, 2]
    own = [rng.standard_normal((800, 4)) * [1.0, 0.8, 0.6, 0.5] for _ in range(2)]
    a, b = (
        np.hstack([common, part]) @ ds.group.random_rotation(6, k) for k, part in enumerate(own)
    )
    found = ds.align(a, b)
    assert found.shared.tolist() == [True, True, False, False, False, False]
    assert found.verdict == "present"


def test_what_the_inputs_make_alike_is_not_credited_to_training():
    rng = np.random.default_rng(10)
    inputs = rng.standard_normal((500, 4))
    random = [np.linalg.qr(rng.standard_normal((12, 4)))[0] for _ in range(4)]
    pairs = [tuple(inputs @ w.T for w in random[k : k + 2]) for k in (0, 2)]
    found = ds.align(*pairs[0], untrained=pairs[1])
    assert found.r2 > 0.99 and found.verdict == "explained by untrained pair"
    assert np.isnan(found.modes[4:]).all() and np.isfinite(found.modes[:4]).all()
    assert ds.align(*pairs[0]).note == "beyond the nulls; no untrained pair was given"
    apart = tuple(rng.standard_normal((500, 12)) for _ in range(2))
    found = ds.align(*pairs[0], untrained=apart)
    assert found.verdict == "present" and found.untrained < 0.05


def test_size_does_not_count():
    a, q = signals(), element("SO", 6)
    found = ds.align(a, 40 * a @ q)
    assert found.r2 == pytest.approx(1, abs=1e-12) and found.scale == pytest.approx(1 / 40)
    assert np.allclose(found.transform(40 * a @ q), a)
    assert found.distance == pytest.approx(39, rel=1e-6)
    turned = ds.align(a, -a, "permutation", nulls=0)
    assert turned.scale >= 0 and turned.r2 < 0.5


def test_few_draws_decide_nothing():
    a = signals()
    assert ds.align(a, a, nulls=18).verdict == "not testable"
    assert ds.align(a, a, nulls=0).verdict == "not testable"
    assert np.isnan(ds.align(a, a, nulls=0).chance)


def test_rows_of_one_sample_stay_together():
    # Twelve texts of forty equal tokens each: as single rows they look like 480 samples.
    rng = np.random.default_rng(11)
    a, b = (np.repeat(rng.standard_normal((12, 8)), 40, axis=0) for _ in range(2))
    apart, whole = ds.align(a, b), ds.align(a, b, rows_per_sample=40)
    assert apart.r2 > 0.2 and apart.verdict == "present"
    assert whole.r2 < 0.1 and whole.verdict != "present" and whole.count == 12


def test_all_sources_give_the_same():
    a, b = signals(1500, 5, 12), signals(1500, 4, 13)
    expected = pair_moments(as_source("a", a), as_source("b", b), 3, 2)
    dask = pytest.importorskip("dask.array")

    def batches(rows, size):
        return (rows[k : k + size] for k in range(0, len(rows), size))

    for given_a, given_b in (
        (batches(a, 7), batches(b, 400)),
        (lambda: batches(a, 33), b.astype(np.float64)),
        (dask.from_array(a, chunks=(101, 2)), dask.from_array(b, chunks=(700, 4))),
        (dask.from_array(a, chunks=(101, 5)), batches(b, 64)),
    ):
        found = pair_moments(as_source("a", given_a), as_source("b", given_b), 3, 2)
        for one, other in zip(found, expected, strict=True):
            assert one.count == other.count
            assert np.allclose(one.gram.matrix, other.gram.matrix, rtol=1e-11, atol=1e-9)
            assert np.allclose(one.gram.mean, other.gram.mean, rtol=1e-12)
            assert np.linalg.norm(one.shuffled[0] - one.cross) > 1


def test_blocks_of_dask_are_summed_apart():
    dask = pytest.importorskip("dask.array")
    rng = np.random.default_rng(14)
    a, b = (rng.standard_normal((20_000, 3)) for _ in range(2))
    chunked = dask.from_array(a, chunks=(3000, 3)), dask.from_array(b, chunks=(9000, 3))
    first, second = pair_moments(*map(as_source, "ab", chunked), n_shuffles=1)
    whole = first.plus(second)
    assert np.allclose(whole.cross, (a - a.mean(0)).T @ (b - b.mean(0)), atol=1e-9)
    assert np.allclose(first.means[0], a[::2].mean(0)) and first.count == second.count == 10_000


def test_large_means_cost_no_digits():
    a, b = signals(300, 4, 15), signals(300, 4, 15) @ element("SO", 4)
    near, far = ds.align(a, b, nulls=3), ds.align(a + 1e7, b - 3e7, nulls=3)
    assert far.r2 == pytest.approx(near.r2, abs=1e-9)
    assert far.chance == pytest.approx(near.chance, abs=1e-6)


def test_threads_and_progress():
    a, b = signals(100, 4, 16), signals(100, 4, 17)
    steps = []
    one, two = ds.align(a, b, progress=steps.append), ds.align(a, b, threads=2)
    assert [step.done for step in steps] == list(range(1, 39))
    assert one.nulls["shuffled rows"].values == two.nulls["shuffled rows"].values
    assert one.nulls["random P"].values == two.nulls["random P"].values


def network(n=6, activation="tanh", seed=18, bias=True):
    rng = np.random.default_rng(seed)
    first, second = rng.standard_normal((n, 5)), rng.standard_normal((3, n))
    biases = (rng.standard_normal(n), rng.standard_normal(3)) if bias else (None, None)
    between = [ds.Activation(activation)] if activation else []
    return ds.Network([ds.Linear(first, biases[0]), *between, ds.Linear(second, biases[1])])


@pytest.mark.parametrize("activation", ["tanh", "relu", "softmax", None])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("tap", ["before", "after"])
@pytest.mark.parametrize("group", GROUPS)
def test_a_network_is_brought_over_and_computes_the_same(group, tap, bias, activation):
    x = np.random.default_rng(19).standard_normal((200, 5))
    a, b = network(seed=20), network(seed=21, activation=activation, bias=bias)
    found = ds.align(a.signals(x, 1, tap), b.signals(x, 1, tap), group, nulls=0)
    turned = found.apply(b, 1, tap)
    assert np.allclose(turned(x), b(x), atol=1e-12)
    units = group == "permutation" or (group == "signed permutation" and activation != "relu")
    if units and activation != "softmax":
        assert turned.n_linear == 2
        wanted = b.signals(x, 1, tap) @ found.matrix.T
        assert np.allclose(turned.signals(x, 1, tap), wanted, atol=1e-12)
    elif activation == "relu" and "O" in group:
        place = (1, "before") if tap == "before" else (2, "before")
        wanted = found.transform(b.signals(x, 1, tap))
        assert np.allclose(turned.signals(x, *place), wanted, atol=1e-12)


def test_hidden_units_in_another_order_are_found():
    rng = np.random.default_rng(22)
    x, a = rng.standard_normal((300, 5)), network(activation="relu", seed=23)
    order = rng.permutation(6)
    b = ds.Network(
        [
            ds.Linear(a.linear(1).weight[order], a.linear(1).bias[order]),
            ds.Activation("relu"),
            ds.Linear(a.linear(2).weight[:, order], a.linear(2).bias),
        ]
    )
    back = ds.align(a.signals(x, 1, "after"), b.signals(x, 1, "after"), "permutation").apply(b)
    for k in (1, 2):
        assert np.array_equal(back.linear(k).weight, a.linear(k).weight)


def test_widths_and_networks():
    x = np.random.default_rng(24).standard_normal((100, 5))
    wide, narrow = network(8, seed=25), network(4, seed=26)
    signals_of = [net.signals(x, 1, "after") for net in (wide, narrow)]
    found = ds.align(*signals_of, nulls=0)
    assert found.unaligned is None and found.distance_before is None
    assert np.allclose(found.apply(narrow)(x), narrow(x), atol=1e-12)
    other = ds.align(*signals_of[::-1], nulls=0)
    with pytest.raises(ValueError, match="wider than a, got 8 units for 4.*other order"):
        other.apply(wide)
    with pytest.raises(ValueError, match="must have 4 units, as b has, got 8"):
        found.apply(wide)
    with pytest.raises(TypeError, match="must be a descrambler network, got ndarray"):
        found.apply(x)


def test_the_last_layer_is_refused():
    rows = signals(50, 3, 27)
    with pytest.raises(ValueError, match="must not be the last"):
        ds.align(rows, rows, nulls=0).apply(network(), 2)


def test_a_picture():
    a = signals(100, 4, 28)
    found = ds.align(a, a @ element("SO", 4), untrained=(a, signals(100, 4, 29)))
    (panel,) = found.plot().axes
    assert panel.get_xlabel().startswith("principal axis of a")
    labels = [text.get_text() for text in panel.get_legend().get_texts()]
    assert labels[:2] == ["shuffled rows (range of draws)", "untrained pair"]


A = signals(20, 3)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((A, A), {"group": "U"}, ValueError, "group must be one of 'SO', .*got 'U'"),
        ((A, A[:19]), {}, ValueError, "same number of rows.*got 20 or more and 19"),
        ((A[:3], A[:3]), {}, ValueError, "at least 4 samples.*got 3 rows"),
        ((A, A), {"rows_per_sample": 7}, ValueError, "multiple of rows_per_sample=7.*last .*has 6"),
        ((A, A), {"rows_per_sample": 0}, ValueError, "rows_per_sample must be at least 1"),
        ((A, A), {"nulls": -1}, ValueError, "nulls must be at least 0, got -1"),
        ((A, A), {"threads": 0}, ValueError, "threads must be at least 1, or None, got 0"),
        ((A, A * np.nan), {}, ValueError, "signals_b must be finite"),
        ((A, A[:, 0]), {}, ValueError, "signals_b must have 2 dimension"),
        ((np.ones((20, 3)), A), {}, ValueError, "signals_a must vary"),
        ((A, A), {"untrained": A}, TypeError, "untrained must be a pair"),
        ((A, A), {"untrained": (A, A[:5])}, ValueError, r"untrained\[0\] and untrained\[1\] must"),
        ((network(), A), {}, TypeError, "signals_a must be signals, got a network"),
        ((A, {"x": A}), {}, TypeError, "signals_b must be an array, got a dict: pass one of its"),
        ((A, ds.gram(A)), {}, TypeError, "signals_b must be signals, got a Gram matrix"),
        ((A * 1e200, A), {}, ValueError, "must not overflow"),
    ],
)  # fmt: skip
def test_refused(arguments, options, error, message):
    with pytest.raises(error, match=message):
        ds.align(*arguments, **options)


def test_one_iterator_is_not_two():
    rows = iter([A])
    with pytest.raises(TypeError, match="two iterators"):
        ds.align(rows, rows)


def test_tensors():
    torch = pytest.importorskip("torch")
    a = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    turned = ds.align(a, a.flip(1), "permutation", nulls=0).transform(a.flip(1))
    assert isinstance(turned, torch.Tensor) and torch.allclose(turned, a, atol=1e-6)


@pytest.mark.slow
def test_the_table_of_shipped_networks():
    alignment = pytest.importorskip("benchmarks.alignment")
    lines = alignment.markdown(150, 2).splitlines()
    assert lines[2].startswith("| trained, different first weights | 19 |")
    assert len(lines) == 10 and "nan" not in "".join(lines)
