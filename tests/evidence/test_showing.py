"""Results in Python and in a notebook: what they are given, and how they show themselves."""

import inspect
import pydoc
import subprocess
import sys
import warnings

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

import descrambler as ds
from descrambler._geometry.rotation import LowRankRotation
from descrambler.evidence._given import as_inputs, as_network
from descrambler.report import plot_gram, plot_spectrum, plot_weights

matplotlib.use("Agg")


def chain(seed, widths=(12, 9, 5)):
    rng = np.random.default_rng(seed)
    layers = []
    for n_in, n_out in zip(widths[:-1], widths[1:], strict=True):
        layers += [ds.Linear(rng.standard_normal((n_out, n_in)) / n_in**0.5), ds.Activation("tanh")]
    return ds.Network(layers[:-1])


X = np.random.default_rng(1).standard_normal((60, 12)) * 0.7 ** np.arange(12)


@pytest.fixture(scope="module")
def study():
    with threadpool_limits(1):
        axis = ds.Axis("time", "µs", 0.0, 2.0)
        return ds.interpret(chain(0), X, chain(1), nulls=20, input_axis=axis, threads=1)


@pytest.fixture(scope="module")
def result():
    return ds.descramble(X)


# ---- what is given ---------------------------------------------------------------------------------


def test_a_path_and_state_of_a_network_are_read(tmp_path):
    chain(0).save(tmp_path / "net.npz")
    for source in (tmp_path / "net.npz", str(tmp_path / "net.npz"), chain(0)):
        np.testing.assert_array_equal(as_network("network", source)(X), chain(0)(X))
    with pytest.raises(TypeError, match="initial must be a Network, a path, .* got int"):
        as_network("initial", 3)
    with pytest.raises(TypeError, match=r"networks\[1\] must be a Network"):
        ds.ensemble([chain(0), None], X)
    with pytest.raises(TypeError, match="network must be a Network, a path"):
        ds.interpret(3, X)
    with pytest.raises(ValueError, match="network must not be an empty list"):
        ds.interpret([], X)
    with pytest.raises(ValueError, match="initial must have the layers of the network"):
        ds.interpret(chain(0), X, chain(0, (12, 8, 5)))
    with pytest.raises(ValueError, match="initial must have the layers of the network"):
        ds.interpret(chain(0), X, lambda seed: chain(seed, (12, 8, 5)))


def test_live_models_are_read_with_their_checks():
    torch = pytest.importorskip("torch", reason="the extra torch is not installed")
    module = torch.nn.Sequential(torch.nn.Linear(12, 9), torch.nn.Tanh(), torch.nn.Linear(9, 5))
    with torch.no_grad():
        expected = module(torch.tensor(X, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(as_network("network", module)(X), expected, atol=1e-5)
    with pytest.raises(ValueError, match="convolution|Conv1d"):
        ds.evidence.Study(torch.nn.Sequential(torch.nn.Conv1d(3, 3, 3)), X)


def test_inputs_in_batches_with_targets():
    batches = [(X[:20], X[:20, :1]), (X[20:], X[20:, :1])]
    np.testing.assert_array_equal(as_inputs("inputs", iter(batches), 12), X)
    np.testing.assert_array_equal(as_inputs("inputs", (x for x, _ in batches), 12), X)
    with pytest.raises(ValueError, match="got two: pass inputs=x, targets=y"):
        as_inputs("inputs", (X, X[:, :1]), 12)
    with pytest.raises(ValueError, match="without batches"):
        as_inputs("inputs", iter([]), 12)
    with pytest.raises(ValueError, match=r"got \(12, 60\): it seems to be transposed"):
        as_inputs("inputs", X.T, 12)
    torch = pytest.importorskip("torch", reason="the extra torch is not installed")
    data = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(X[:, :1]))
    loader = torch.utils.data.DataLoader(data, 7)
    np.testing.assert_array_equal(as_inputs("inputs", loader, 12), X)


def test_columns_of_a_table_are_named():
    pd = pytest.importorskip("pandas", reason="the extra pandas is not installed")
    table = pd.DataFrame(X, columns=[f"c{k}" for k in range(12)])
    np.testing.assert_array_equal(as_inputs("inputs", table, 12), X)
    holes = table.copy()
    holes.loc[17, "c3"] = np.nan
    with pytest.raises(ValueError, match="the first at row 17, column 'c3'"):
        as_inputs("inputs", holes, 12)
    with pytest.raises(TypeError, match="in column 'c5'"):
        as_inputs("inputs", table.assign(c5="text"), 12)
    with pytest.raises(ValueError, match=r"\(60, 13\): one column too many"):
        as_inputs("inputs", table.reset_index(), 12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ds.descramble(X, "smothness"), "did you mean 'smoothness'"),
        (lambda: ds.descramble(X, method="exakt"), "did you mean 'exact'"),
        (lambda: ds.descramble(X, lambda y: (y**2).sum()), r"ds\.criteria\.Custom\(function\)"),
        (lambda: ds.descramble(X, ds.criteria.Smoothness), r"pass Smoothness\(\)"),
        (lambda: ds.Activation("tanhh"), "did you mean 'tanh'"),
        (lambda: ds.descramble(np.where(X > 1, np.nan, X)), r"first at index \[\d+, \d+\]|finite"),
    ],
)
def test_errors_say_what_was_meant(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


# ---- rotations are matrices ------------------------------------------------------------------------


def test_a_rotation_multiplies_and_becomes_an_array(result):
    p, w = result.rotation, np.random.default_rng(2).standard_normal((12, 7))
    np.testing.assert_array_equal(np.asarray(p), p.matrix)
    assert np.asarray(p, dtype=np.float32).dtype == np.float32
    np.testing.assert_allclose(p @ w, p.matrix @ w)
    np.testing.assert_allclose(w.T @ p, w.T @ p.matrix)
    np.testing.assert_allclose(p @ w[:, 0], p.matrix @ w[:, 0])
    np.testing.assert_allclose(w[:, 0] @ p, w[:, 0] @ p.matrix)
    np.testing.assert_allclose((p @ p.inverse()).matrix, np.eye(12), atol=1e-12)
    np.testing.assert_allclose(np.matmul(p, w), p.matrix @ w)
    with pytest.raises(ValueError, match="must have 12 rows"):
        p @ w.T


def test_a_rotation_of_low_rank_is_not_spread_out_unasked():
    small = LowRankRotation(np.eye(6)[:, :2], np.array([[0.0, -1.0], [1.0, 0.0]]), 1)
    np.testing.assert_array_equal(np.asarray(small), small.matrix)
    large = LowRankRotation(np.eye(20_001, 2), np.eye(2), 1)
    with pytest.raises(ValueError, match="at most 20000 units .* 20001, .* 3 GB: use rotation @"):
        np.asarray(large)
    np.testing.assert_array_equal(large @ np.ones(20_001), np.ones(20_001))


# ---- how things show themselves --------------------------------------------------------------------


def test_summaries_are_plain_sentences(study, result):
    lines = study.summary().splitlines()
    assert lines[0].startswith("The network takes 12 values (time, 0 to 2 µs) and gives 5; its 2")
    there = [f for f in study.findings if f.verdict.startswith(("learnt", "present", "explained"))]
    assert len([line for line in lines if line.startswith(("Present", "There, but"))]) == len(there)
    assert all(any(f.statement in line for line in lines) for f in there)
    assert lines[-1].startswith(f"{len(study.findings)} claims: ")
    assert (
        result.summary().splitlines()[0]
        == f"12 units were rotated for {result.criterion}; method: {result.method}."
    )
    assert "This is the optimum" in result.summary()
    panel = ds.Panel((study, study))
    assert len(panel.summary().splitlines()) == 1 + len(there)


def test_findings_by_name(study):
    assert study.finding("low-pass", "network").what == "low-pass"
    assert study.finding("frequency map").where == "network"
    with pytest.raises(ValueError, match="did you mean 'low-pass'"):
        study.finding("low-pas")
    with pytest.raises(ValueError, match="where must be one of 'layer 1', 'layer 2', got None"):
        study.finding("low rank")


def test_data_frames(study, result):
    pytest.importorskip("pandas", reason="the extra pandas is not installed")
    table = study.to_dataframe()
    assert len(table) == len(study.findings)
    row = table[(table["what"] == "low-pass") & (table["where"] == "network")].iloc[0]
    assert row["threshold"] == study.finding("low-pass", "network").threshold
    counted = ds.Panel((study, study)).to_dataframe()
    assert counted["not found"].sum() == 2 * sum(f.verdict == "not found" for f in study.findings)
    assert dict(result.to_dataframe().to_numpy())["units"] == "12"


def test_the_extra_of_a_data_frame_is_named(study, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ds.MissingExtraError, match=r'to_dataframe needs pandas: .*\[pandas\]"'):
        study.to_dataframe()


def test_plots_by_name(study, result):
    with threadpool_limits(1):
        for name in ("response", "jacobian"):
            figure = Figure(layout="constrained")
            assert study.plot(name, ax=figure) is figure
            assert figure.axes
        shown = study.plot()
        assert plt.figure(shown.number) is shown and len(shown.axes) == 2
        with pytest.raises(ValueError, match="'layer2_structure'.* did you mean 'response'"):
            study.plot("respons")
        assert result.plot().get_yscale() == "log"
        assert result.plot("rotation").images
        weights = ds.diagonalize(np.random.default_rng(0).standard_normal((5, 5)))
        assert weights.plot().images
        plt.close("all")


def test_plots_side_by_side_do_not_overlap(study, result):
    figure, axes = plt.subplots(1, 3, figsize=(14, 4))
    plot_weights(study.study, 1, ax=axes[0])
    plot_spectrum(study.study, 1, ax=axes[1])
    plot_gram(result, ax=axes[2])
    figure.canvas.draw()
    # Panels with their color bars, which come after the three axes.
    panels = [figure.axes[0::3], figure.axes[1::3], figure.axes[2:3]]
    boxes = [[ax.get_tightbbox() for ax in panel] for panel in panels]
    ends = [(min(b.x0 for b in found), max(b.x1 for b in found)) for found in boxes]
    assert ends[0][1] < ends[1][0] and ends[1][1] < ends[2][0]
    figure.tight_layout()  # still the user's to call
    plt.close(figure)


def test_representations_are_short(study, result):
    shown = [
        *(study, ds.Panel((study, study)), result, result.rotation, result.gram, study.study),
        *(study.findings[0], chain(0), ds.Linear(np.eye(3)), ds.Activation("tanh"), ds.Axis("t")),
        *(study.layers[1], study.kinds[0], study.setting, study.finding("low-pass", "network")),
        *(ds.ensemble([chain(0), chain(1)], X), ds.compare(result, result), study.axes),
        *(ds.evidence.detectors.DETECTORS[0], ds.criteria.Smoothness(), study.study.links[0]),
    ]
    for thing in shown:
        assert repr(thing).count("\n") < 5 and len(repr(thing)) < 1000, type(thing)
    page = study._repr_html_()
    assert page.count("<tr>") == 1 + sum(
        f.verdict not in ("not found", "not testable") for f in study.findings
    )


def test_public_names_alone_are_completed():
    public = {name for name in dir(ds) if not name.startswith("__")}
    assert public == set(ds.__all__)
    text = pydoc.render_doc(ds, renderer=pydoc.plaintext)
    assert "krylov" not in text and "class Descrambling" in text


def test_signatures_are_short():
    for name in ds.__all__:
        thing = getattr(ds, name)
        if inspect.isfunction(thing):
            assert len(str(inspect.signature(thing))) < 1100, name


def test_an_axis_needs_but_a_name():
    axis = ds.Axis("parameter", ordered=False)
    assert (axis.label, axis.step(7), axis.edges(7)) == ("parameter", 1, (0.5, 7.5))
    np.testing.assert_array_equal(axis.positions(3), [1, 2, 3])
    assert ds.Axis("frequency", "kHz").frequency_label == "reciprocal frequency (1/kHz)"
    with pytest.raises(ValueError, match="stop must be above start"):
        ds.Axis("time", "s", 2, 1)


def test_bars_are_those_of_the_place():
    """Of text where there is no notebook, without a word on missing widgets."""
    from tqdm.std import tqdm

    from descrambler._util.progress import _bar

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert issubclass(_bar(), tqdm)


def test_a_report_is_not_replaced_unasked(study, tmp_path):
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(FileExistsError, match="is there already: .* overwrite=True"):
        study.report(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == "mine"


def test_pyplot_is_not_loaded_without_a_plot():
    code = "import descrambler, sys; assert 'matplotlib.pyplot' not in sys.modules; assert 'pandas' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("unit", "inverse"),
    [
        ("s", "1/s"),
        ("1/cm", "cm"),
        ("cm^-1", "cm"),
        ("cm⁻¹", "cm"),
        ("1/(cm s)", "cm s"),
        ("1/cm/s", "cm s"),
        ("cm s", "1/(cm s)"),
        ("(cm s)", "1/(cm s)"),
        ("m/s", "s/m"),
        ("mol/(L s)", "L s/mol"),
        ("kg m/s", "s/(kg m)"),
        ("V/sqrt(Hz)", "sqrt(Hz)/V"),
        ("", "cycles per point"),
    ],
)
def test_frequencies_have_the_inverse_unit(unit, inverse):
    assert ds.Axis("quantity", unit).frequency_label == f"quantity frequency ({inverse})"
