"""Ensembles: invariances, planted cases, nulls, and what is refused."""

import io

import matplotlib.image
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import descrambler as ds
from descrambler._util.files import read_arrays
from descrambler.analysis._agreement import similarities
from descrambler.cli._main import main
from descrambler.evidence._ensemble import SCHEMA
from descrambler.report import ensemble_figures

pytestmark = pytest.mark.usefixtures("one_thread")

BASIS = ds.criteria.Smoothness().basis
N_IN, N, N_OUT = 40, 12, 15


def inputs(m=3000, seed=0):
    generator = np.random.default_rng(seed)
    scale = 0.8 ** np.arange(N_IN)
    return (generator.standard_normal((m, N_IN)) + 0.4) * scale


def random_network(seed, widths=(N_IN, N, N_OUT), initial=None):
    generator = np.random.default_rng(seed)
    first, second = (
        generator.standard_normal((n_out, n_in)) / np.sqrt(n_in)
        for n_in, n_out in zip(widths[:-1], widths[1:], strict=True)
    )
    return network_of(first, second, initial)


def network_of(first, second, initial=None):
    layers = [ds.Linear(first), ds.Activation("tanh"), ds.Linear(second), ds.Activation("logistic")]
    return ds.Network(layers, initial=initial)


def permuted(network, seed):
    """The same function, its hidden units in another order and with other signs."""
    generator = np.random.default_rng(seed)
    p = np.eye(N)[generator.permutation(N)] * generator.choice([-1, 1], N)
    return network_of(p @ network.linear(1).weight, network.linear(2).weight @ p.T)


def relatives(number=5, noise=0.15, seed=0):
    """Networks that learnt the same, up to noise and to the order of the units."""
    first, second = (random_network(seed).linear(k).weight for k in (1, 2))
    generator = np.random.default_rng(seed + 1)
    return [
        permuted(
            network_of(
                first * (1 + noise * generator.standard_normal(first.shape)),
                second * (1 + noise * generator.standard_normal(second.shape)),
                random_network(100 + index),
            ),
            index,
        )
        for index in range(number)
    ]


@pytest.mark.parametrize("tap", ["before", "after"])
def test_networks_that_differ_in_the_order_of_units_are_one(tap):
    networks = [permuted(random_network(0), seed) for seed in range(4)]
    result = ds.ensemble(networks, inputs(), tap=tap)
    agreement = result.trained
    assert agreement.resolved.sum(axis=1).min() >= 6
    np.testing.assert_allclose(agreement.bound, 1, atol=1e-9)
    np.testing.assert_allclose(agreement.invariant, 1, atol=1e-12)
    np.testing.assert_allclose(agreement.similarity, 1, atol=1e-9)
    assert agreement.outliers == ()


@pytest.mark.parametrize("tap", ["before", "after"])
def test_scrambling_any_network_changes_nothing(tap):
    networks = relatives()
    scrambled = [permuted(network, 50 + i) for i, network in enumerate(networks)]
    one, other = (ds.ensemble(n, inputs(), tap=tap).trained for n in (networks, scrambled))
    np.testing.assert_array_equal(one.resolved, other.resolved)
    for key in ("similarity", "bound", "invariant", "mode_cosines"):
        np.testing.assert_allclose(getattr(one, key), getattr(other, key), atol=1e-9)


def test_rotating_the_units_changes_nothing():
    networks = relatives()
    x = inputs()
    before = ds.ensemble(networks, x).trained
    turned = []
    for seed, network in enumerate(networks):
        q = ds.group.random_rotation(N, seed)
        turned.append(network_of(q @ network.linear(1).weight, network.linear(2).weight))
    np.testing.assert_allclose(ds.ensemble(turned, x).trained.bound, before.bound, atol=1e-9)
    after = ds.ensemble(networks, x, tap="after").trained
    turned = [
        network.with_rotation(ds.group.random_rotation(N, seed), 1)
        for seed, network in enumerate(networks)
    ]
    other = ds.ensemble(turned, x, layer=2, tap="after").trained
    np.testing.assert_allclose(other.bound, after.bound, atol=1e-9)


def test_it_is_the_similarity_of_compare():
    networks = relatives(4)
    x = inputs(20_000)
    results = [ds.descramble(network.signals(x)) for network in networks]
    mirror = np.diag([-1.0, *np.ones(N - 1)])
    mirrored = [ds.descramble(network.signals(x) @ mirror) for network in networks]
    weights = [network.linear(1).weight for network in networks]
    modes = [BASIS(N).to_modes(r.rotation.left(w)) for r, w in zip(results, weights, strict=True)]
    similarity, bound = similarities(np.stack(modes), np.ones((4, N), bool))
    for i in range(4):
        for j in range(4):
            one = ds.compare(results[i], results[j], weights=(weights[i], weights[j]))
            assert similarity[i, j] == pytest.approx(one.similarity, abs=1e-12)
            # The same network with one unit's sign changed: the other determinant.
            pair = weights[i], mirror @ weights[j]
            other = ds.compare(results[i], mirrored[j], weights=pair)
            assert bound[i, j] == pytest.approx(max(one.bound, other.bound), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 6), st.integers(0, 10**6), st.floats(0, 1))
def test_the_bound_bounds(n, n_other, seed, share):
    generator = np.random.default_rng(seed)
    modes = generator.standard_normal((3, n, n_other))
    counted = generator.random((3, n)) < share
    similarity, bound = similarities(modes, counted)
    shared = np.logical_and(counted[:, None], counted[None]).any(axis=2)
    np.testing.assert_array_equal(np.isfinite(bound), shared)
    np.testing.assert_array_equal(np.isfinite(similarity), shared)
    assert (bound[shared] >= similarity[shared] - 1e-12).all()
    assert (bound[shared] <= 1 + 1e-12).all()
    np.testing.assert_allclose(np.diagonal(bound)[counted.any(axis=1)], 1)
    # Any member of the gauge group, at most as good.
    turn = np.eye(n)
    for block in BASIS(n).degenerate_blocks():
        size = block.stop - block.start
        turn[block, block] = np.linalg.qr(generator.standard_normal((size, size)))[0]
    both = (counted[0] & counted[1])[:, None]
    if both.any():
        a, b = modes[0] * both, modes[1] * both
        cosine = np.sum(a * (turn @ b)) / (np.linalg.norm(a) * np.linalg.norm(b))
        assert cosine <= bound[0, 1] + 1e-12


def test_independent_networks_are_near_the_null():
    """White weights and inputs that favor no direction more than the weights do."""
    networks = [random_network(seed) for seed in range(8)]
    result = ds.ensemble(networks, inputs(), tap="after")
    spread = result.summary()
    assert abs(spread["similarity, trained"].median) < 0.15
    assert spread["bound, trained"].median == pytest.approx(
        spread["bound, random"].median, abs=0.15
    )
    assert spread["bound, trained"].median < 0.6


def test_relatives_agree_and_their_untrained_networks_do_not():
    result = ds.ensemble(relatives(), inputs(), tap="after")
    spread = result.summary()
    assert result.n_initial == 0
    assert spread["bound, trained"].minimum > 0.85
    assert spread["bound, untrained"].maximum < 0.7
    assert spread["bound, trained"].median > spread["similarity, trained"].median


def test_a_planted_outlier_is_found():
    networks = relatives(8)
    networks[3] = random_network(77)
    result = ds.ensemble(networks, inputs())
    assert result.trained.outliers == (3,)
    assert result.trained.medoid != 3
    assert "outliers" in str(result)
    assert str(result).splitlines()[-1].split()[1] == "3"


def test_untrained_are_the_initial_networks():
    initial = random_network(5)
    networks = [random_network(seed, initial=initial) for seed in range(3)]
    result = ds.ensemble(networks, inputs())
    assert result.n_initial == 3
    np.testing.assert_allclose(result.untrained.bound, 1)
    without = [random_network(seed) for seed in range(3)]
    other = ds.ensemble(without, inputs())
    assert other.n_initial == 0
    assert other.untrained.bound[0, 1] < 1
    np.testing.assert_array_equal(other.trained.bound, result.trained.bound)


def test_consensus():
    networks = relatives(6, noise=0)
    agreement = ds.ensemble(networks, inputs()).trained
    aligned = agreement.consensus(align=True)
    medoid = agreement.picture(agreement.medoid)
    np.testing.assert_allclose(aligned.mean, medoid, atol=1e-9)
    np.testing.assert_allclose(aligned.spread, 0, atol=1e-9)
    noisy = ds.ensemble(relatives(6, noise=0.3), inputs()).trained
    pictures = np.stack([noisy.picture(i) for i in range(6)])
    plain = noisy.consensus()
    np.testing.assert_allclose(plain.mean, pictures.mean(axis=0))
    np.testing.assert_allclose(plain.spread, pictures.std(axis=0))
    assert np.linalg.norm(noisy.consensus(align=True).spread) < np.linalg.norm(plain.spread)
    modes = BASIS(N).to_modes(plain.mean)
    np.testing.assert_allclose(modes[~noisy.majority], 0, atol=1e-12)


def test_the_share_of_resolved_weights():
    agreement = ds.ensemble(relatives(), inputs()).trained
    whole = [np.square(network.linear(1).weight).sum() for network in relatives()]
    part = np.square(agreement.modes * agreement.resolved[..., None]).sum(axis=(1, 2))
    np.testing.assert_allclose(agreement.resolved_share, part / whole)
    assert (agreement.resolved_share <= 1).all()


def test_networks_without_a_common_mode(tmp_path):
    """An initial network of zeros resolves nothing, and one of the trained lacks a unit."""
    zeros = network_of(np.zeros((N, N_IN)), np.zeros((N_OUT, N)))
    networks = [network_of(n.linear(1).weight, n.linear(2).weight, zeros) for n in relatives(4)]
    lacking = networks[0].linear(1).weight.copy()
    lacking[3] = 0
    networks[0] = network_of(lacking, networks[0].linear(2).weight, zeros)
    result = ds.ensemble(networks, inputs())
    assert not result.untrained.resolved.any()
    assert np.isnan(result.untrained.bound).all()
    assert result.untrained.outliers == (0, 1, 2, 3)
    assert not result.untrained.consensus(align=True).mean.any()
    assert np.isfinite(result.trained.bound).all()
    assert "nan" in str(result)
    result.save(tmp_path / "ensemble.npz")
    for _, figure in ensemble_figures(result):
        figure.savefig(io.BytesIO(), dpi=20)


def test_the_same_again():
    one, other = (ds.ensemble(relatives(), inputs(), random_state=3) for _ in range(2))
    assert str(one) == str(other)
    np.testing.assert_array_equal(one.random.modes, other.random.modes)
    assert str(ds.ensemble(relatives(), inputs(), random_state=4)) != str(one)


def test_single_precision():
    single = [
        network_of(*(n.linear(k).weight.astype(np.float32) for k in (1, 2))) for n in relatives()
    ]
    one = ds.ensemble(single, inputs().astype(np.float32)).trained
    other = ds.ensemble(relatives(), inputs()).trained
    np.testing.assert_array_equal(one.resolved, other.resolved)
    np.testing.assert_allclose(one.bound, other.bound, atol=1e-5)


def test_progress_is_told():
    told = []
    ds.ensemble(relatives(3), inputs(), progress=told.append)
    labels = [f"{name} {i} of 3" for name in ("trained", "untrained") for i in (1, 2, 3)]
    assert told == [(done, 6, label) for done, label in enumerate(labels, 1)]


def test_save(tmp_path):
    result = ds.ensemble(relatives(), inputs())
    result.save(tmp_path / "ensemble.npz")
    arrays = read_arrays(tmp_path / "ensemble.npz", SCHEMA)
    assert (int(arrays["layer"]), str(arrays["tap"])) == (1, "before")
    for name in ("trained", "untrained", "random"):
        agreement = getattr(result, name)
        for key in ("resolved", "similarity", "bound", "invariant"):
            np.testing.assert_array_equal(arrays[f"{name}.{key}"], getattr(agreement, key))
        mean = agreement.consensus(align=True).mean
        np.testing.assert_array_equal(arrays[f"{name}.aligned.mean"], mean)


@pytest.mark.parametrize(
    ("networks", "options", "error", "message"),
    [
        ([random_network(0)], {}, ValueError, "at least two networks, got 1"),
        (
            [random_network(0), 3],
            {},
            TypeError,
            r"networks\[1\] must be a Network, a path, .* got int",
        ),
        ([random_network(0)] * 2, {"tap": "between"}, ValueError, "tap must be one of"),
        ([random_network(0)] * 2, {"layer": 2}, ValueError, "layer must be 1 for tap='before'"),
        ([random_network(0)] * 2, {"layer": 2, "tap": "after"}, ValueError, "last but one"),
        ([ds.Network([ds.Linear(np.ones((N, N_IN)))])] * 2, {}, ValueError, "1 linear layers"),
        (
            [random_network(0), random_network(0, (N_IN, N + 1, N_OUT))],
            {},
            ValueError,
            r"networks\[1\] has \(inputs, units, inputs\) = \(40, 13, 40\)",
        ),
        (
            [random_network(0), random_network(0, (N_IN, N, N_OUT + 1))],
            {"tap": "after"},
            ValueError,
            r"\(40, 16, 12\)|\(40, 12, 16\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(networks, options, error, message):
    with pytest.raises(error, match=message):
        ds.ensemble(networks, inputs(100), **options)


def test_bad_inputs_are_refused():
    with pytest.raises(ValueError, match="inputs must have shape"):
        ds.ensemble(relatives(2), np.ones((5, 3)))
    with pytest.raises(ValueError, match="inputs must be finite"):
        ds.ensemble(relatives(2), np.full((5, N_IN), np.nan))
    with pytest.raises(ValueError, match="more inputs are needed"):
        ds.ensemble(relatives(2), inputs(3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("nets")
    for index, network in enumerate([*relatives(6), random_network(77)]):
        network.save(place / f"net{index}.npz")
    np.save(place / "x.npy", inputs())
    return place


def test_command(folder, tmp_path, capsys):
    nets = [str(path) for path in sorted(folder.glob("net*.npz"))]
    out = tmp_path / "out"
    assert main(["ensemble", *nets, "--inputs", str(folder / "x.npy"), "-o", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "outlier 6: " in shown
    assert "net6.npz" in shown
    names = {"consensus", "modes", "pairs", "similarity"}
    assert {path.name for path in out.iterdir()} == {"ensemble.npz"} | {
        f"{name}.{suffix}" for name in names for suffix in ("png", "svg")
    }
    for name in names:
        assert matplotlib.image.imread(out / f"{name}.png")[..., :3].std() > 0.05


def test_command_simulates_inputs(tmp_path, capsys):
    for seed in range(2):
        ds.nulls.random_counterpart(ds.deer.pretrained(), seed).save(tmp_path / f"{seed}.npz")
    nets = [str(tmp_path / f"{seed}.npz") for seed in range(2)]
    options = ["--simulate", "500", "--tap", "after", "-o", str(tmp_path / "out")]
    assert main(["ensemble", *nets, *options]) == 0
    assert "W_2 P^T, 80 units, 256 outputs" in capsys.readouterr().out


def test_command_refuses_in_one_line(folder, tmp_path, capsys):
    options = ["--inputs", str(folder / "x.npy"), "-o", str(tmp_path / "out")]
    assert main(["ensemble", str(folder / "net0.npz"), *options]) == 2
    assert capsys.readouterr().err == ("descrambler: NET must hold at least two networks, got 1\n")
    assert main(["ensemble", str(folder / "none.npz"), *options]) == 2
    with pytest.raises(SystemExit):
        main(["ensemble", str(folder / "net0.npz"), "-o", str(tmp_path / "out")])


@pytest.mark.parametrize("number", [2, 7])
def test_figures(number):
    result = ds.ensemble(relatives(number), inputs(), tap="after")
    figures = dict(ensemble_figures(result))
    assert list(figures) == ["similarity", "pairs", "consensus", "modes"]
    for figure in figures.values():
        stream = io.BytesIO()
        figure.savefig(stream, dpi=50)
        stream.seek(0)
        assert matplotlib.image.imread(stream)[..., :3].std() > 0.05
    for name in ("similarity", "consensus"):
        limits = {im.get_clim() for ax in figures[name].axes for im in ax.images}
        # The color bar is an axes without an image of its own.
        assert len(limits) == 1
    titles = [ax.get_title(loc="left") for ax in figures["consensus"].axes]
    assert [title[0] for title in titles if title] == list("ABCDE")
