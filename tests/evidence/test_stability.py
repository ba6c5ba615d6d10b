"""Values with their standard error over inputs, verdicts that another seed might change, and what they rest on."""

import numpy as np
import pytest

import descrambler as ds
from descrambler.evidence._claims import Claim, measure
from descrambler.evidence._comparing import Evidence
from descrambler.evidence._stability import STABLE, stability, uncertainties
from descrambler.evidence._study import Study
from descrambler.evidence.detectors import DETECTORS

pytestmark = pytest.mark.usefixtures("one_thread")

BY_NAME = {detector.name: detector for detector in DETECTORS}


def network(seed=0, widths=(32, 12, 32)):
    rng = np.random.default_rng(seed)
    first, second = (
        rng.standard_normal((o, i)) / np.sqrt(i)
        for i, o in zip(widths[:-1], widths[1:], strict=True)
    )
    return ds.Network([ds.Linear(first), ds.Activation("tanh"), ds.Linear(second)])


def traces(m, seed):
    return ds.deer.simulate(m, random_state=seed, n_points=32).traces


def test_uncertainty_is_the_scatter_over_fresh_inputs():
    net = network()
    names = ("low-pass", "frequency map", "low rank")
    family = [Claim(BY_NAME[n], 2 if n == "low rank" else 0, 0.0) for n in names]
    values, stated = [], []
    for seed in range(10):
        study = Study(net, traces(150, seed))
        values.append(measure(study, family))
        if seed < 3:
            stated.append(uncertainties(study, family, values[-1], np.random.default_rng(seed)))
    scatter = np.std(values, axis=0, ddof=1)
    assert stated[0][2] == scatter[2] == 0  # weights alone
    ratio = np.sqrt(np.mean(np.square(stated), axis=0))[:2] / scatter[:2]
    assert (ratio > 0.5).all()
    assert (ratio < 2).all()


def test_a_verdict_near_the_level_is_unstable_and_one_far_from_it_is_not():
    family = [Claim(BY_NAME["low-pass"], 0, 6.0)]
    draws = np.random.default_rng(0).normal(10, 2, (50, 1))
    evidence = Evidence(family, {"untrained": draws}, {}, None, "")

    def share(value, uncertainty=0.0):
        observed = np.array([value])
        again = np.array([uncertainty]), evidence.judge(observed), np.random.default_rng(1)
        return stability(evidence, observed, *again)[0]

    top = np.sort(draws[:, 0])
    assert share(30.0) == 1
    assert share(2.0) == 1  # far below what counts
    assert share((top[-2] + top[-1]) / 2) < STABLE  # one draw is larger: p = 2 / 51
    assert share(6.01, uncertainty=1.0) < STABLE
    assert np.isnan(share(np.nan))


def test_sentences_say_on_what_a_claim_rests():
    wanted = [BY_NAME[n] for n in ("low-pass", "link order", "link order, joint", "low rank")]
    result = ds.interpret(network(), traces(120, 0), nulls=20, threads=1, detectors=wanted)
    found = {(f.what, f.where): f for f in result.findings}
    order = found["link order", "layer 2"]
    resolved = result.measured.links[0].after.resolved.sum()
    assert f"rests on 12 link modes, {resolved} of them resolved" in order.sentence
    joint = result.measured.links[0].joint.resolved.sum()
    assert f"{joint} of them" in found["link order, joint", "layer 2"].sentence
    low_pass = found["low-pass", "network"]
    assert "link modes" not in low_pass.sentence
    assert f"± {low_pass.uncertainty:.2g} dB" in low_pass.sentence
    assert found["low rank", "layer 1"].uncertainty == 0
    assert "other inputs" not in found["low rank", "layer 1"].sentence
    for finding in result.findings:
        tested = np.isfinite(finding.value)
        assert not tested or 0 <= finding.stability <= 1
        assert ("unstable" in finding.sentence) == (finding.stability < STABLE)


def test_a_bias_is_one_more_column():
    net = network()
    rng = np.random.default_rng(3)
    columns = np.linalg.qr(rng.standard_normal((32, 12)))[0]  # orthogonal columns
    for bias, orthogonal in ((None, True), (5 * columns[:, 0], False)):
        last = ds.Linear(columns, bias)
        study = Study(ds.Network([*net.layers[:-1], last]), traces(60, 0))
        value = BY_NAME["orthogonal columns"].statistic(study, 2)
        assert (value < 1e-9) == orthogonal
    first = ds.Linear(net.linear(1).weight, rng.standard_normal(12))
    result = ds.interpret(
        ds.Network([first, *net.layers[1:]]),
        traces(60, 0),
        nulls=20,
        detectors=[BY_NAME["notch at zero"]],
    )
    layer = result.layers[1]
    np.testing.assert_allclose(layer.bias, layer.before.rotation.matrix @ first.bias)
    assert "as its response to a constant input of 1" in result.findings[3].sentence
