"""Findings: exact p-values, nulls that are what they say, planted effects found, none where there are none."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import scipy.fft
import scipy.stats
from benchmarks import detector_tables as table
from threadpoolctl import threadpool_limits

import descrambler as ds
from descrambler.evidence._significance import step_down_max_t
from descrambler.evidence.detectors import DETECTORS
from descrambler.evidence.nulls import KINDS, Setting
from descrambler.report import evidence_figures

pytestmark = pytest.mark.usefixtures("one_thread")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def controls():
    spec = importlib.util.spec_from_file_location("controls", ROOT / "benchmarks" / "controls.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def network(rng, widths=(32, 12, 32), bias=False):
    layers = []
    for n_in, n_out in zip(widths[:-1], widths[1:], strict=True):
        offset = rng.standard_normal(n_out) if bias else None
        layers += [
            ds.Linear(rng.standard_normal((n_out, n_in)) / np.sqrt(n_in), offset),
            ds.Activation("tanh"),
        ]
    return ds.Network(layers)


def traces(m=200, n=32):
    return ds.deer.simulate(m, n_points=n).traces


def test_one_statistic_gives_the_permutation_p():
    rng = np.random.default_rng(0)
    draws = rng.standard_normal((99, 1))
    for observed in (-1.0, 0.3, 5.0):
        expected = (1 + np.count_nonzero(draws >= observed)) / 100
        assert step_down_max_t(np.array([observed]), draws)[0] == pytest.approx(expected)


def test_step_down_agrees_with_its_definition():
    rng = np.random.default_rng(1)
    draws = rng.standard_normal((49, 4)) @ rng.standard_normal((4, 4))
    observed = draws[0] + np.array([3.0, 0.0, 1.0, -1.0])
    pooled = np.vstack([observed, draws])
    z = (pooled - pooled.mean(axis=0)) / pooled.std(axis=0)
    order = np.argsort(-z[0])
    expected, last = np.empty(4), 0.0
    for i, j in enumerate(order):
        largest = z[:, order[i:]].max(axis=1)
        last = max(last, np.mean(largest >= z[0, j]))
        expected[j] = last
    np.testing.assert_allclose(step_down_max_t(observed, draws), expected)


def test_smallest_p_does_not_grow_with_the_number_of_copies():
    rng = np.random.default_rng(2)
    draws, observed = rng.standard_normal((199, 1)), np.array([2.5])
    one = step_down_max_t(observed, draws)[0]
    many = step_down_max_t(np.repeat(observed, 50), np.repeat(draws, 50, axis=1))
    np.testing.assert_allclose(many, one)


def test_family_wise_error_is_the_level():
    rng = np.random.default_rng(3)
    mix = rng.standard_normal((6, 6))
    rejected = [
        step_down_max_t(*(lambda z: (z[0], z[1:]))(rng.standard_normal((40, 6)) @ mix)).min()
        <= 0.05
        for _ in range(600)
    ]
    assert scipy.stats.binomtest(sum(rejected), 600, 0.05).pvalue > 1e-3


def test_the_level_needs_the_claims_below_their_floor_too():
    """A family that the judged network chooses, by what it reaches, finds something far too often."""
    rng = np.random.default_rng(4)
    whole, chosen = 0, 0
    for _ in range(300):
        values = rng.standard_normal((20, 20))
        reached = values >= 1.645
        whole += step_down_max_t(values[0], values[1:], reached).min() <= 0.05
        own = reached[0]
        if own.any():
            p = step_down_max_t(values[0, own], values[1:, own], reached[:, own])
            chosen += p.min() <= 0.05
    assert scipy.stats.binomtest(whole, 300, 0.05, alternative="greater").pvalue > 1e-3
    assert chosen > 0.25 * 300


def test_a_statistic_that_the_null_leaves_as_it_is_is_no_evidence():
    draws = np.full((99, 1), 0.3) + 1e-16 * np.arange(99)[:, None]
    assert step_down_max_t(np.array([0.3 + 1e-13]), draws)[0] == 1


KEEP_VALUES = ("random directions", "smooth directions", "white inputs", "weights alone")


def test_smooth_directions_keep_spectra_along_ordered_axes_only():
    rng = np.random.default_rng(0)
    t = (np.arange(64) + 0.5) / 64
    slow = np.linalg.qr(np.cos(np.pi * np.outer(t, np.arange(1, 5))))[0]
    first = rng.standard_normal((12, 4)) @ slow.T
    net = ds.Network([ds.Linear(first), ds.Activation("tanh"), ds.Linear(first.T)])
    smooth = {kind.name: kind for kind in KINDS}["smooth directions"]

    def fast(weights):  # share of the energy beyond the planted frequencies
        spectrum = np.square(scipy.fft.dct(weights, axis=1, norm="ortho")).sum(axis=0)
        return spectrum[8:].sum() / spectrum.sum()

    for ordered, expected in (((True, False), (True, False)), ((False, True), (False, True))):
        setting = Setting(net, traces(100, 64), None, None, ordered)
        study = smooth.draw(setting, np.random.default_rng(1))
        found = fast(study.raw(1)) < 0.01, fast(study.raw(2).T) < 0.01
        assert found == expected


def test_nulls_are_what_they_say():
    rng = np.random.default_rng(0)
    net, initial = network(rng, bias=True), network(rng, bias=True)
    x = traces()
    setting = Setting(net, x, initial)
    for kind in KINDS:
        study = kind.draw(setting, np.random.default_rng(5))
        again = kind.draw(setting, np.random.default_rng(5))
        for k in (1, 2):
            w, own = study.raw(k), net.linear(k).weight
            np.testing.assert_array_equal(w, again.raw(k))
            assert w.shape == own.shape
            assert not np.allclose(w, own)
            if kind.name == "untrained":
                values = np.linalg.svd(initial.linear(k).weight, compute_uv=False)
                np.testing.assert_allclose(np.linalg.svd(w, compute_uv=False), values)
                bias, own = study.network.linear(k).bias, initial.linear(k).bias
                np.testing.assert_array_equal(np.sort(bias), np.sort(own))
            elif kind.name in KEEP_VALUES:
                values = np.linalg.svd(own, compute_uv=False)
                np.testing.assert_allclose(np.linalg.svd(w, compute_uv=False), values)
            else:
                assert np.linalg.norm(w) == pytest.approx(np.linalg.norm(own), rel=0.2)
        if kind.name == "weights alone":
            assert study.inputs is None
        elif kind.name == "white inputs":
            spread = np.linalg.eigvalsh(study.inputs.T @ study.inputs)
            assert spread[-1] / spread[0] < 10
        else:
            assert study.inputs is x


def test_components_span_the_leading_ones_and_noise_has_the_inputs_color():
    net, x = network(np.random.default_rng(0)), traces(2000)
    setting = Setting(net, x, None)
    kinds = {kind.name: kind for kind in KINDS}
    w = kinds["principal components"].draw(setting, np.random.default_rng(0)).raw(1)
    leading = np.linalg.eigh(x.T @ x)[1][:, -5:]
    span = np.linalg.qr(w.T)[0]
    assert (np.linalg.norm(span.T @ leading, axis=0) > 0.99).all()
    rows = np.vstack(
        [kinds["colored noise"].draw(setting, np.random.default_rng(s)).raw(1) for s in range(300)]
    )
    color = np.abs(np.fft.rfft(rows, axis=1)).mean(axis=0)
    own = np.abs(np.fft.rfft(x - x.mean(axis=0), axis=1)).mean(axis=0)
    assert np.corrcoef(np.log(color), np.log(own))[0, 1] > 0.98
    envelope = np.corrcoef(rows.std(axis=0), x.std(axis=0))[0, 1]
    assert envelope > 0.9


def test_every_pair_of_detector_and_null_is_decided():
    assert len({detector.name for detector in DETECTORS}) == len(DETECTORS)
    for detector in DETECTORS:
        assert detector.nulls, detector.name
        assert set(detector.excluded) <= {kind.name for kind in KINDS}
        for kind in KINDS:
            assert (kind in detector.nulls) == (detector.reason_against(kind) == "")


@pytest.fixture(scope="module")
def interpreted():
    with threadpool_limits(1):
        rng = np.random.default_rng(0)
        net = network(rng, (32, 12, 12, 32))
        initial = network(rng, (32, 12, 12, 32))
        axes = {
            "input_axis": ds.Axis("time", "µs", 0.0, 2.0),
            "output_axis": ds.Axis("distance", "Å", 15.0, 60.0),
        }
        return net, traces(), ds.interpret(net, traces(), initial, nulls=20, **axes)


def test_findings_have_a_verdict_by_a_null(interpreted):
    _, _, result = interpreted
    places = [len(d.places(result.study.network)) for d in DETECTORS]
    assert len(result.findings) == sum(places) + 3
    for finding in result.findings[2:-1]:
        assert finding.nulls
        assert 0 < finding.p <= 1
        assert finding.verdict not in ("learnt", "present")
        assert finding.verdict in finding.sentence
        decisive = finding.decisive
        assert (finding.p, finding.n_draws) == (decisive.p, len(decisive.values))
        assert finding.p_floor == 1 / (1 + finding.n_draws)
        if finding.verdict == "not found":
            assert finding.p == 1
            assert finding.detectable != finding.value
    text = " ".join(finding.sentence for finding in result.findings)
    assert "time frequency above 3.88 1/µs" in text
    kinds = {f.verdict.split(" by ")[0] for f in result.findings}
    assert all(
        f"{sum(f.verdict.startswith(k) for f in result.findings)} {k}" in result.summary()
        for k in kinds
    )
    assert "distance" in text


def test_layers_are_descrambled_and_saved(interpreted, tmp_path):
    net, _, result = interpreted
    layers = result.layers
    assert list(layers) == [1, 2, 3]
    p1, q1 = layers[1].before.rotation.matrix, layers[2].after.rotation.matrix
    p2 = layers[2].before.rotation.matrix
    np.testing.assert_allclose(layers[1].weights, p1 @ net.linear(1).weight)
    np.testing.assert_allclose(layers[2].weights, p2 @ net.linear(2).weight @ q1.T)
    result.save(tmp_path / "out")
    with np.load(tmp_path / "out" / "findings.npz", allow_pickle=False) as saved:
        assert list(saved["verdict"]) == [f.verdict for f in result.findings]
    with np.load(tmp_path / "out" / "layer2.npz", allow_pickle=False) as saved:
        np.testing.assert_array_equal(saved["weights"], layers[2].weights)
    report = (tmp_path / "out" / "report.md").read_text()
    for finding in result.findings:
        assert finding.sentence in report


def drawn(result):
    return [{name: c.mean for name, c in f.nulls.items()} for f in result.findings]


def test_threads_and_scrambling_change_nothing(interpreted):
    net, x, whole = interpreted
    few = tuple(d for d in DETECTORS if d.name in ("low-pass", "link order", "orthogonal columns"))

    def run(**options):
        return ds.interpret(net, x, whole.setting.initial, nulls=20, detectors=few, **options)

    result, threads = run(threads=1), run(threads=3)
    for one, other in zip(result.findings[2:-1], threads.findings[2:-1], strict=True):
        assert one.to_dict() == other.to_dict()
    assert drawn(run(random_state=1)) != drawn(result)
    first, again = (run(random_state=np.random.default_rng(5)) for _ in range(2))
    assert drawn(first) == drawn(again)
    assert drawn(first) != drawn(result)


# Testable only with directions or a reference map.
GIVEN = ("inverse of the reference", "kernel match", "nuisance rejection")


def test_what_rests_on_order_is_not_testable_without_it():
    net, x = network(np.random.default_rng(0)), traces()
    plain = ds.Axis("index", "", 1, 32)
    mixed = ds.Axis("blocks", "", 1, 32, ordered=False)
    result = ds.interpret(net, x, nulls=20, input_axis=mixed, output_axis=plain)
    barred = {f.what for f in result.findings if "order of the inputs" in f.sentence}
    assert barred == {
        "low-pass",
        "band-pass",
        "notch at zero",
        "frequency map",
        "link frequency map",
    }
    for finding in result.findings:
        assert (finding.verdict == "not testable") == (
            finding.what in barred or finding.what in GIVEN
        )
    names = [name for name, _ in evidence_figures(result)]
    assert "response" not in names
    assert "jacobian" in names


def test_bad_arguments():
    net = network(np.random.default_rng(0))
    with pytest.raises(ValueError, match="nulls must be at least 20"):
        ds.interpret(net, traces(), nulls=5)
    with pytest.raises(ValueError, match=r"inputs must have shape \(m, 32\)"):
        ds.interpret(net, traces(n=16))
    with pytest.raises(ValueError, match="stop must be above start"):
        ds.Axis("time", "s", 1.0, 1.0)


def test_the_page_on_nulls_holds_the_tables_of_the_code():
    page = (ROOT / "docs" / "nulls.md").read_text()
    assert table.markdown() in page, "python -m benchmarks.detector_tables prints them"


def test_planted_effects_are_found(controls):
    """A scrambling of each; `make controls` tries more, at two sizes."""
    for name in controls.PLANTS:
        job = name, controls.FULL, 1000
        assert all(controls.positive(job, controls.family(name))), job


def test_a_planted_effect_has_the_verdict_of_the_interpretation(controls):
    """The controls stop early; what they call present must be what a user is told."""
    looked_for, targets = controls.own("low rank"), controls.PLANTS["low rank"].targets
    x, verdicts = controls.inputs(0), []
    for strength in (controls.FULL, 0.0):
        rng = np.random.default_rng(0)
        judged = controls.PLANTS["low rank"].build(rng, strength, x)
        initial = ds.nulls.random_counterpart(judged, rng)
        result = ds.interpret(
            judged, x, initial, nulls=20, random_state=1, threads=1, detectors=looked_for
        )
        told = {(f.what, f.where) for f in result.findings if f.verdict == "present"}
        found = controls.present(judged, x, initial, 1, looked_for)
        assert set(found) == told
        verdicts.append(targets[0] in told)
    assert verdicts == [True, False]


def test_every_detector_has_a_planted_effect(controls):
    planted = {what for plant in controls.PLANTS.values() for what, _ in plant.targets}
    assert planted == {detector.name for detector in table.ALL}


def test_random_networks_are_not_found_to_do_anything(controls):
    """Two of them; docs/controls.md has the rate of many."""
    assert not any(controls.negative(seed) for seed in (1000, 1001))


def test_directions_make_rejection_testable():
    net, x = network(np.random.default_rng(0)), traces()
    finding = next(
        f
        for f in ds.interpret(net, x, nulls=20, detectors=()).findings
        if f.what == "nuisance rejection"
    )
    assert finding.verdict == "not testable"
    assert "no nuisance and wanted directions were given" in finding.sentence
    assert np.isnan(finding.p)
    rows = np.eye(32)
    given = ds.interpret(net, x, nulls=20, detectors=(), nuisance=rows[:3], wanted=rows[3:6])
    finding = next(f for f in given.findings if f.what == "nuisance rejection")
    gains = [np.linalg.norm(given.measured.jacobian @ d.T) for d in (rows[:3], rows[3:6])]
    assert finding.value == pytest.approx(20 * np.log10(gains[1] / gains[0]))
    with pytest.raises(ValueError, match="wanted must have 32 columns"):
        ds.interpret(net, x, nulls=20, nuisance=rows, wanted=np.eye(5))
