"""Networks that do not do the task of the targets: none of their claims is learnt."""

import numpy as np
import pytest
import scipy.stats
from threadpoolctl import threadpool_limits

import descrambler as ds
from descrambler.evidence._task import doubt_about, permutation_p
from descrambler.evidence.detectors import DETECTORS

N, M = 16, 80
RNG = np.random.default_rng(0)
X = RNG.standard_normal((M, N))
MAP = RNG.standard_normal((6, N))
FEW = tuple(d for d in DETECTORS if d.name == "low rank")


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def fitted(targets, seed, used=3):
    """Two layers, the second fitted to the targets, the first of few directions of the inputs."""
    rng = np.random.default_rng(seed)
    first = rng.standard_normal((8, used)) @ MAP[:used]
    second = np.linalg.lstsq(X @ first.T, targets, rcond=None)[0].T
    return ds.Network([ds.Linear(first), ds.Linear(second)])


Y = X @ MAP[:3].T @ RNG.standard_normal((3, 6)) + RNG.standard_normal((M, 6))


def any_network(seed):
    rng = np.random.default_rng(seed)
    return ds.Network([ds.Linear(rng.standard_normal(s) / 4) for s in ((8, N), (6, 8))])


@pytest.fixture(scope="module")
def controls():
    def shuffled(seed):
        return fitted(np.random.default_rng(seed).permutation(Y), seed)

    return {"once": [shuffled(k) for k in range(19)], "anew": [shuffled(k) for k in range(19, 38)]}


def interpreted(network, controls, targets):
    return ds.interpret(
        network, X, controls=controls, targets=targets, nulls=20, detectors=FEW, threads=1
    )


def test_of_a_network_that_does_the_task_a_claim_may_be_learnt(controls):
    """Its first layer has rank 3, those of these controls 8."""
    wide = {
        kind: [any_network(k + len(kind)) for k in range(19 * place, 19 * place + 19)]
        for place, kind in enumerate(controls)
    }
    network = fitted(Y, 0)
    result = interpreted(network, wide, Y)
    assert "learnt" in {f.verdict for f in result.findings}
    assert result.doubt == ""
    assert "Nothing is called learnt" not in result.summary()
    for targets in (np.random.default_rng(5).permutation(Y), np.ones_like(Y)):
        result = interpreted(network, wide, targets)
        verdicts = {f.verdict for f in result.findings}
        assert "present" in verdicts
        assert "learnt" not in verdicts
        assert result.doubt == "the outputs are no closer to the targets than to permuted ones"
        assert f"Nothing is called learnt: {result.doubt}." in result.summary()
        assert all(
            f"present ({result.doubt};" in f.sentence
            for f in result.findings
            if f.verdict == "present"
        )
    # Its own outputs, or none, say nothing about the task.
    for targets in ("outputs", None):
        assert "learnt" in {f.verdict for f in interpreted(network, wide, targets).findings}


def test_outputs_must_be_closer_than_those_of_controls(controls):
    rng = np.random.default_rng(1)
    assert doubt_about(fitted(Y, 0), X, Y, controls, rng) == ""
    # One control that does the task as well is no reason among 39, but is one among 19.
    other = {"once": [*controls["once"][:18], fitted(Y, 0)]}
    assert doubt_about(fitted(Y, 0), X, Y, other, rng) == (
        "the outputs are no closer to the targets than those of controls (shuffled once)"
    )
    other = {"once": [*controls["once"], *controls["anew"], fitted(Y, 0)]}
    assert doubt_about(fitted(Y, 0), X, Y, other, rng) == ""
    assert doubt_about(fitted(Y, 0), X, Y, {"true": [fitted(Y, 0)] * 19}, rng) == ""


def test_p_is_uniform_for_outputs_that_have_nothing_to_do_with_the_targets():
    rng = np.random.default_rng(2)
    p = [
        permutation_p(rng.standard_normal((30, 3)), rng.standard_normal((30, 3)), rng)
        for _ in range(200)
    ]
    assert scipy.stats.binomtest(sum(x <= 0.05 for x in p), 200, 0.05).pvalue > 1e-3
    assert scipy.stats.kstest(p, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-30, 1, 1e30])
def test_scale_and_offset_do_not_matter_and_constants_go_with_nothing(dtype, scale):
    rng = np.random.default_rng(3)
    y = rng.standard_normal((50, 4)).astype(dtype) * dtype(scale)
    assert permutation_p(y + dtype(3 * scale), y, rng) == pytest.approx(1 / 200)
    assert permutation_p(-y, y, rng) == 1
    assert permutation_p(y, np.full_like(y, 0.1), rng) == 1
    assert permutation_p(np.full_like(y, 0.1 * scale), y, rng) == 1
