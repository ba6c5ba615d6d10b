"""Controls from the user's own training, refitted ones, and several networks at once."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import descrambler as ds
from descrambler.evidence._make_controls import Sampler
from descrambler.evidence.detectors import DETECTORS
from descrambler.report import panel_figure

N, M = 12, 80
X = np.random.default_rng(0).standard_normal((M, N))
Y = np.tanh(X @ np.random.default_rng(1).standard_normal((N, N)))
FEW = tuple(d for d in DETECTORS if d.name in ("low-pass", "low rank"))


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def least_squares(targets, seed):
    """Random features and a linear fit: the start follows from the seed."""
    first = np.random.default_rng(seed).standard_normal((6, N)) / np.sqrt(N)
    second = np.linalg.lstsq(np.tanh(X @ first.T), targets, rcond=None)[0].T
    return ds.Network([ds.Linear(first), ds.Activation("tanh"), ds.Linear(second)])


def test_every_control_has_its_own_permutation_and_seed():
    seen = []

    def fit(targets, seed):
        seen.append((targets, seed))
        return least_squares(targets, seed)

    made = ds.controls(fit, Y, 5)
    assert len(made) == 5
    again = seen.pop(1)  # whether another seed gives another network
    np.testing.assert_array_equal(again[0], seen[0][0])
    assert again[1] == seen[1][1]
    assert len({seed for _, seed in seen}) == 5
    for targets, _ in seen:
        assert not np.array_equal(targets, Y)
        np.testing.assert_array_equal(np.sort(targets, axis=0), np.sort(Y, axis=0))
    assert not np.array_equal(seen[0][0], seen[1][0])
    again = ds.controls(least_squares, Y, 5, threads=2)
    for one, other in zip(made, again, strict=True):
        np.testing.assert_array_equal(one.linear(2).weight, other.linear(2).weight)
    other = ds.controls(least_squares, Y, 5, random_state=1)
    assert not np.array_equal(made[0].linear(1).weight, other[0].linear(1).weight)


def test_anew_passes_a_sampler_of_wrong_targets():
    def fit(targets, seed):
        rows = np.arange(40)
        drawn = targets(rows, 0)
        np.testing.assert_array_equal(drawn, targets(rows, 0))
        assert not np.array_equal(drawn, targets(rows, 1))
        assert not np.array_equal(drawn, Y[rows])
        return least_squares(np.vstack([drawn, targets(rows, 1)]), seed)

    assert len(ds.controls(fit, Y, 3, kind="anew")) == 3
    mean = np.mean([Sampler(Y, 3)(np.arange(M), step) for step in range(400)], axis=0)
    np.testing.assert_allclose(mean, np.broadcast_to(Y.mean(axis=0), Y.shape), atol=0.25)


def test_controls_are_saved_and_taken_up_again(tmp_path):
    count = []

    def fit(targets, seed):
        count.append(seed)
        if len(count) == 4:
            raise KeyboardInterrupt
        return least_squares(targets, seed)

    with pytest.raises(KeyboardInterrupt):
        ds.controls(fit, Y, 4, folder=tmp_path / "once")
    made = ds.controls(fit, Y, 4, folder=tmp_path / "once")
    assert len(count) == 6  # two were there, and were known to differ by their seeds
    with pytest.raises(ValueError, match=r"controls of other targets, but .*once_0_000.npz is one"):
        ds.controls(fit, 2 * Y, 4, folder=tmp_path / "once")
    assert len(count) == 6
    fresh = ds.controls(least_squares, Y, 4)
    for one, other in zip(made, fresh, strict=True):
        np.testing.assert_array_equal(one.linear(1).weight, other.linear(1).weight)


def test_a_start_that_does_not_follow_the_seed_is_refused(tmp_path):
    trained = []

    def ignoring(targets, seed):
        trained.append(seed)
        return least_squares(targets, 0)

    # The targets of each control are its own, and with them its last weights: the start cannot be seen in these.
    for options in ({}, {"threads": 2}, {"folder": tmp_path}, {"folder": tmp_path}):
        with pytest.raises(ValueError, match="fit returned the same network for two seeds"):
            ds.controls(ignoring, Y, 5, **options)
    assert len(trained) == 7  # no more than two each, and one of them is in the folder

    def same_start(targets, seed):
        start = least_squares(Y, 0)
        return ds.Network(least_squares(targets, seed).layers, initial=start)

    with pytest.raises(ValueError, match="the same start: fit must use its seed"):
        ds.controls(same_start, Y, 3)


def test_bad_arguments():
    with pytest.raises(TypeError, match="fit must be a function of targets and seed"):
        ds.controls(3, Y)
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        ds.controls(least_squares, Y, 0)
    with pytest.raises(ValueError, match="kind must be one of 'once', 'anew', got 'twice'"):
        ds.controls(least_squares, Y, kind="twice")
    with pytest.raises(TypeError, match="inputs are for estimators"):
        ds.controls(least_squares, Y, inputs=X)


def test_estimators_are_cloned_and_seeded():
    pytest.importorskip("sklearn")
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    estimator = MLPRegressor(
        hidden_layer_sizes=(6,), activation="tanh", max_iter=200, solver="lbfgs", tol=1e-2
    )
    made = ds.controls(estimator, Y, 3, inputs=X)
    assert len({x.linear(1).weight.tobytes() for x in made}) == 3
    assert not hasattr(estimator, "coefs_")
    scaled = make_pipeline(StandardScaler(), estimator)
    assert len({x.linear(1).weight.tobytes() for x in ds.controls(scaled, Y, 2, inputs=X)}) == 2
    with pytest.raises(ValueError, match="must have a random_state, which StandardScaler has not"):
        ds.controls(StandardScaler(), Y, inputs=X)
    with pytest.raises(TypeError, match="inputs must be given with an estimator"):
        ds.controls(estimator, Y)
    for stuck in (estimator, make_pipeline(StandardScaler(), estimator)):
        with pytest.raises(
            ValueError, match="controls of kind 'once' only; for 'anew' give a function"
        ):
            ds.controls(stuck, Y, inputs=X, kind="anew")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_estimators_that_take_batches_learn_the_mean_of_targets_drawn_anew():
    pytest.importorskip("sklearn")
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    estimator = MLPRegressor(
        hidden_layer_sizes=(6,),
        activation="tanh",
        max_iter=60,
        batch_size=32,
        learning_rate_init=0.01,
    )
    far = Y + 3
    made = ds.controls(estimator, far, 2, inputs=X, kind="anew")
    assert len({x.linear(1).weight.tobytes() for x in made}) == 2
    again = ds.controls(estimator, far, 1, inputs=X, kind="anew")
    np.testing.assert_array_equal(again[0](X), made[0](X))
    once = ds.controls(estimator, far, 2, inputs=X)
    spread = np.mean((far - far.mean(axis=0)) ** 2)
    for network, other in zip(made, once, strict=True):
        found = network(X)
        assert np.mean((found.mean(axis=0) - far.mean(axis=0)) ** 2) < 0.1 * spread
        # Targets that are permuted once and for all are learnt by heart, more than those drawn anew.
        assert np.mean(np.var(found, axis=0)) < 0.7 * np.mean(np.var(other(X), axis=0))
    assert not hasattr(estimator, "coefs_")
    labels = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
    classifier = MLPClassifier(hidden_layer_sizes=(5,), max_iter=3)
    assert ds.controls(classifier, labels, 1, inputs=X, kind="anew")[0].n_out == 3
    for setting in ({"early_stopping": True}, {"solver": "sgd", "learning_rate": "adaptive"}):
        with pytest.raises(ValueError, match="MLPRegressor must have neither early_stopping nor"):
            ds.controls(estimator.set_params(**setting), Y, inputs=X, kind="anew")
    with pytest.raises(ValueError, match="must be one label per row"):
        ds.controls(classifier, np.eye(2)[labels % 2], inputs=X, kind="anew")


def test_refitted_controls_learn_only_from_true_targets():
    torch = pytest.importorskip("torch")
    biased = ds.Linear(np.ones((10, N)), np.zeros(10))
    network = ds.Network([biased, ds.Activation("tanh"), ds.Linear(np.ones((N, 10)))])
    steps = []
    made = ds.refit_controls(
        network, X, Y, 3, n_true=2, n_steps=400, learning_rate=0.01,
        progress=lambda step: steps.append(step.label),
    )  # fmt: skip
    assert {kind: len(networks) for kind, networks in made.items()} == {
        "once": 3, "anew": 3, "true": 2,
    }  # fmt: skip
    assert steps.count("true") == 400
    loss = {
        kind: [float(np.mean((net(X) - Y) ** 2)) for net in networks]
        for kind, networks in made.items()
    }
    assert max(loss["true"]) < 0.5 * min(loss["once"] + loss["anew"])
    start = {net.initial.linear(1).weight.tobytes() for nets in made.values() for net in nets}
    assert len(start) == 8
    assert made["once"][0].linear(1).bias is not None
    assert made["once"][0].provenance["n_steps"] == 400
    result = ds.interpret(
        made["true"][0], X, controls=made | {"true": made["true"][1:]}, nulls=20, detectors=FEW
    )
    assert result.n_controls == {"once": 3, "anew": 3, "true": 1}
    soft = ds.Network([*network.layers, ds.Activation("softmax")])
    with pytest.raises(ValueError, match="the layer softmax, which cannot be trained here"):
        ds.refit_controls(soft, X, Y)
    before, seen = torch.get_num_threads(), []
    short = {
        "n_true": 1,
        "n_steps": 2,
        "progress": lambda step: seen.append(torch.get_num_threads()),
    }
    for threads in (1, 3):
        ds.refit_controls(network, X, Y, 2, threads=threads, **short)
    assert set(seen[:6]) == {1}
    assert set(seen[6:]) == {3}
    assert torch.get_num_threads() == before
    with pytest.raises(ValueError, match="threads must be at least 1, or None, got 0"):
        ds.refit_controls(network, X, Y, threads=0)
    with pytest.raises(ValueError, match=r"targets must have shape \(80, 12\)"):
        ds.refit_controls(network, X, Y[:, 1:])


def test_several_networks_are_counted():
    networks = [least_squares(Y, seed) for seed in range(4)]
    panel = ds.interpret(networks, X, nulls=20, detectors=FEW, threads=1)
    assert len(panel.interpretations) == 4
    alone = ds.interpret(networks[2], X, nulls=20, detectors=FEW, threads=1)
    for finding, own in zip(panel.interpretations[2].findings, alone.findings, strict=True):
        assert (finding.what, finding.verdict) == (own.what, own.verdict)
    row = next(f for f in panel.findings if f.what == "low rank" and f.where == "layer 2")
    values = [
        next(f.value for f in i.findings if (f.what, f.where) == row[:2])
        for i in panel.interpretations
    ]
    np.testing.assert_array_equal(row.values, values)
    assert (
        sum(
            row.count(word)
            for word in ("learnt", "present", "explained by", "not found", "not testable")
        )
        == 4
    )
    assert "of 4 (95 %:" in row.sentence
    assert "low rank" in str(panel)
    interval = "{:.0%} to {:.0%}".format(*row.interval("explained by"))
    line = next(line for line in panel.table() if line[:2] == ("low rank", "layer 2"))
    assert line[-1] == f"explained by: {interval}"
    assert panel._repr_html_().startswith("<table>")
    strips = panel_figure(panel)
    drawn = {ax.get_ylabel().replace("\n", " "): ax for ax in strips.axes}
    strip = drawn["low rank, layer 2"]
    marked = [line for line in strip.lines if line.get_marker() != "None"]
    drawn_values = [x for line in marked for x in line.get_xdata()]
    assert sorted(drawn_values) == sorted(row.values)
    low, high = row.interval("explained by")
    assert f"explained by in 3 of 4\n({low:.0%} to {high:.0%})" in strip.texts[0].get_text()
    shared = {"once": ds.controls(least_squares, Y, 2)}
    given = ds.interpret(
        networks, X, [networks[3]] * 4, controls=[shared] * 4, nulls=20, detectors=FEW
    )
    assert all(i.n_controls == {"once": 2} for i in given.interpretations)
    with pytest.raises(
        ValueError, match="initial must be shared, or one for each of 4 networks, got 3"
    ):
        ds.interpret(networks, X, [None] * 3)
    with pytest.raises(ValueError, match="network must not be an empty list"):
        ds.interpret([], X)
    with pytest.raises(TypeError, match="network must be a Network, a path, .* got int"):
        ds.interpret([3], X)
