"""Findings for layers of any PyTorch model: what applies, which nulls, and what is refused."""

import pickle

import numpy as np
import pytest

import descrambler as ds
from descrambler.evidence._study import Study
from descrambler.evidence.detectors import DETECTORS

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.usefixtures("one_thread")

WIDTHS = (12, 10, 24)
TAPS = ["0:output", "2:input"]
BY_NAME = {detector.name: detector for detector in DETECTORS}
OUTPUTS = ds.Axis("place", "", 0, 1)


def model(seed, low_rank=False, bias=True):
    torch.manual_seed(seed)
    made = torch.nn.Sequential(
        torch.nn.Linear(12, 10, bias=bias), torch.nn.Tanh(), torch.nn.Linear(10, 24)
    )
    if low_rank:
        with torch.no_grad():
            made[2].weight.copy_(torch.randn(24, 1) @ torch.randn(1, 10))
    return made


def layers(made, taps=TAPS, **options):
    torch.manual_seed(100)
    batches = [torch.randn(100, 12) * 0.8 ** torch.arange(12) for _ in range(3)]
    grams = ds.interop.torch.capture(made, batches, layers=taps)
    return ds.interop.torch.descramble_module(made, grams, **options)


@pytest.fixture(scope="module")
def result():
    return ds.interpret_layers(layers(model(0, low_rank=True)), layers(model(1)), nulls=20)


def test_what_applies_without_axes(result):
    found = {(f.what, f.where) for f in result.findings}
    assert found == {
        ("low rank", "layer 0:output"),
        ("low rank", "layer 2:input"),
        ("orthogonal columns", "layer 2:input"),
        ("link sinusoids", "layer 2:input"),
    }
    assert [kind.name for kind in result.kinds] == [
        "untrained",
        "random weights",
        "random directions",
    ]
    assert "no trained controls" in result.summary()
    assert "layer 2:input" in str(result)


def test_a_planted_rank_is_present_and_no_more_without_controls(result):
    found = {(f.what, f.where): f for f in result.findings}
    planted = found["low rank", "layer 2:input"]
    assert planted.value == pytest.approx(0.1)
    assert planted.verdict == "present"
    assert "Layer 2:input uses 1.0 of its 10 dimensions" in planted.sentence
    assert "no controls were given" in planted.sentence
    assert found["low rank", "layer 0:output"].verdict == "not found"
    assert "rests on 10 link modes" in found["link sinusoids", "layer 2:input"].sentence


def test_values_are_those_of_the_network_as_a_whole():
    """The same numbers as on a study of the whole network, with the same weights and signals."""
    made = model(3, bias=False)
    torch.manual_seed(100)
    x = torch.cat([torch.randn(100, 12) * 0.8 ** torch.arange(12) for _ in range(3)])
    whole = Study(ds.load(made), x.numpy())
    single = ds.interpret_layers(layers(made), nulls=20, output_axis=OUTPUTS)
    assert len(single.findings) == 7
    for finding in single.findings:
        layer = {"layer 0:output": 1, "layer 2:input": 2}[finding.where]
        expected = BY_NAME[finding.what].statistic(whole, layer)
        assert finding.value == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_learnt_needs_controls_of_both_kinds():
    own = layers(model(0, low_rank=True), ["2:input"])
    plain, others = (
        [layers(model(first + k), ["2:input"]) for k in range(19)] for first in (1, 101)
    )
    given = {"nulls": 20, "detectors": [BY_NAME["low rank"]]}
    both = ds.interpret_layers(own, controls={"once": plain, "anew": others}, **given)
    assert [f.verdict for f in both.findings] == ["learnt"]
    one = ds.interpret_layers(own, controls={"once": plain}, **given)
    assert "anew not given" in one.findings[0].sentence
    same = [layers(model(s, low_rank=True), ["2:input"]) for s in range(1, 20)]
    explained = ds.interpret_layers(own, controls={"once": same, "anew": plain}, **given)
    assert explained.findings[0].verdict == "explained by shuffled targets"
    with pytest.raises(
        ValueError, match=r"\['anew'\]\[0\] has the weights of controls\['once'\]\[1\]"
    ):
        ds.interpret_layers(own, controls={"once": plain, "anew": plain[1:]}, **given)
    with pytest.raises(ValueError, match=r"\[0\] has the weights of the model that is judged"):
        ds.interpret_layers(own, controls={"once": [own]}, **given)


class Elsewhere:
    """An executor whose work travels, as to another process."""

    def map(self, fn, items):
        return (pickle.loads(pickle.dumps(fn))(pickle.loads(pickle.dumps(x))) for x in items)


def test_threads_and_workers_change_nothing():
    own, start, steps = layers(model(0)), layers(model(1)), []
    alone = ds.interpret_layers(own, start, nulls=20, threads=1, progress=steps.append)
    assert [(s.done, s.total) for s in steps] == [(k, 62) for k in range(1, 63)]
    assert {s.label for s in steps} == {"model", "untrained", "random weights", "random directions"}
    for options in ({"threads": 3}, {"executor": Elsewhere()}):
        found = ds.interpret_layers(own, start, nulls=20, **options)
        told = [repr([f.to_dict() for f in x.findings]) for x in (found, alone)]
        assert told[0] == told[1]


def test_what_does_not_fit_is_refused():
    own = layers(model(0), ["2:input"])
    with pytest.raises(TypeError, match="interpret_layers"):
        ds.interpret(own, np.zeros((40, 10)))
    with pytest.raises(TypeError, match="descramble_module"):
        ds.interpret_layers(model(0))
    with pytest.raises(ValueError, match="at least one layer"):
        ds.interpret_layers({})
    with pytest.raises(ValueError, match="initial must have the taps"):
        ds.interpret_layers(own, layers(model(1)))
    with pytest.raises(ValueError, match="must be a list"):
        ds.interpret_layers(own, controls={"once": own})
    with pytest.raises(ValueError, match="nulls must be at least 20"):
        ds.interpret_layers(own, nulls=5)
    other = layers(model(0), ["2:input"], criterion=ds.criteria.Smoothness(order=1))
    assert ds.interpret_layers(other, nulls=20).findings
    sums = ds.interop.torch.capture(model(0), [torch.randn(40, 12)], ["2:input"], keep="signals")
    sparse = ds.interop.torch.descramble_module(model(0), sums, "kurtosis", tol=1e-2)
    with pytest.raises(ValueError, match="descrambled for smoothness"):
        ds.interpret_layers(sparse)


def test_fewer_signals_than_units_leave_what_depends_on_p_untested():
    made = model(0)

    def found(batch):
        grams = ds.interop.torch.capture(made, [batch], ["2:input"])
        few = ds.interpret_layers(ds.interop.torch.descramble_module(made, grams), nulls=20)
        return {f.what: f for f in few.findings}

    for batch, why in (
        (torch.randn(29, 12), "needs at least 30 signals, one per unit and no fewer than 30"),
        (torch.ones(100, 12), "the signals at 2:input do not vary"),
    ):
        verdicts = found(batch)
        assert verdicts["orthogonal columns"].verdict == "not testable"
        assert why in verdicts["orthogonal columns"].sentence
        assert np.isfinite(verdicts["low rank"].value)
    assert found(torch.randn(30, 12))["orthogonal columns"].verdict != "not testable"


def test_convolutions_are_measured_as_one_matrix():
    torch.manual_seed(0)
    made = torch.nn.Sequential(torch.nn.Conv1d(1, 8, 5), torch.nn.ReLU(), torch.nn.Conv1d(8, 4, 3))
    kernel = made[2].weight.detach().double().numpy()
    grams = ds.interop.torch.capture(made, [torch.randn(20, 1, 32)], ["0:output", "2:input"])
    seen = ds.interop.torch.descramble_module(made, grams)
    result = ds.interpret_layers(seen, nulls=20, output_axis=OUTPUTS)
    found = {(f.what, f.where): f.value for f in result.findings}
    assert len(found) == 4  # the outputs of a convolution are channels, not an axis
    rows = kernel.transpose(0, 2, 1).reshape(12, 8)
    rank = ds.analysis.participation_ratio(np.linalg.svd(rows, compute_uv=False)) / 8
    assert found["low rank", "layer 2:input"] == pytest.approx(rank, rel=1e-5)
    columns = ds.analysis.off_diagonal_share(rows @ seen["2:input"].result.rotation.matrix.T)
    assert found["orthogonal columns", "layer 2:input"] == pytest.approx(columns, rel=1e-4)
