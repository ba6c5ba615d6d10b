"""Files of DeerAnalysis, DeerLab and MATLAB: written for them, read from them."""

import json

import numpy as np
import pytest
import scipy.io

from descrambler import deer

TIME = np.arange(300) * 0.008
FORM = deer.kernel(TIME, [35.0])[:, 0]
NOISE = 0.003 * np.random.default_rng(0).standard_normal((2, 300))
REAL = (0.6 + 0.4 * FORM) * np.exp(-0.25 * TIME) + NOISE[0]
SIGNAL = REAL + 1j * NOISE[1]


@pytest.fixture(scope="module")
def found():
    networks = [deer.pretrained(*kind) for kind in deer.PRETRAINED if kind.n_layers == 2]
    trace = deer.Trace(TIME, REAL)
    band = deer.shipped_calibration(networks, "deer")
    return trace, deer.predict_distances(networks, trace, calibration=band)


def test_deeranalysis(found, tmp_path):
    trace, result = found
    names = [path.name for path in deer.save_deeranalysis(trace, result, tmp_path / "a.b")]
    assert names == ["a.b_distr.dat", "a.b_bckg.dat", "a.b_fit.dat"]
    nanometers = np.loadtxt(tmp_path / names[0])
    assert nanometers.shape == (256, 4)
    assert nanometers[nanometers[:, 1].argmax(), 0] == pytest.approx(3.5, abs=0.1)
    read = deer.load_distribution(tmp_path / names[0])
    np.testing.assert_allclose(read.distance, result.distance, rtol=1e-6)
    np.testing.assert_allclose(read.density, result.density, rtol=1e-3)
    np.testing.assert_allclose(read.upper, result.upper, rtol=1e-3)
    bckg = deer.load_background(tmp_path / names[1])
    np.testing.assert_allclose(bckg.time, trace.time, atol=1e-6)
    np.testing.assert_allclose(bckg.background, 0.6 * np.exp(-0.25 * TIME), atol=0.03)
    _, form, fit = np.loadtxt(tmp_path / names[2]).T
    np.testing.assert_allclose(fit, 0.6 + 0.4 * FORM, atol=0.05)
    left = (trace.signal - result.fit.model) / result.fit.scale
    np.testing.assert_allclose((form - fit) * result.fit.background, left, atol=1e-6)


def test_deerlab(found, tmp_path):
    trace, result = found
    path = tmp_path / "fit.json"
    deer.save_deerlab(trace, result, path)
    read = deer.load_distribution(path)
    np.testing.assert_allclose(read.density, result.density, rtol=1e-3)  # trapezoids, not a sum
    np.testing.assert_allclose(read.lower, result.lower, rtol=1e-3)
    content = json.loads(path.read_text())
    # As DeerLab itself writes: no distances, and a covariance.
    for name in ("r", "P_lower", "P_upper"):
        del content[name]
    ones = np.ones(256).tolist()
    content["PUncert"] = {"type": "moment", "mean": content["P"], "std": {"__ndarray__": True, "data": ones}}  # fmt: skip
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="give distance=, in Angstrom"):
        deer.load_distribution(path)
    read = deer.load_distribution(path, result.distance)
    np.testing.assert_allclose(read.upper - read.density, 0.196, rtol=1e-3)
    with pytest.raises(ValueError, match="must have 256 points as P, got 3"):
        deer.load_distribution(path, [1, 2, 3])


@pytest.mark.filterwarnings("ignore")
def test_deerlab_loads_what_is_written_for_it(found, tmp_path):
    deerlab = pytest.importorskip("deerlab", reason="DeerLab is not installed")
    trace, result = found
    deer.save_deerlab(trace, result, tmp_path / "fit.json")
    fit = deerlab.load(tmp_path / "fit.json")
    np.testing.assert_allclose(fit.P, 10 * result.density)
    assert fit.mod == result.fit.depth


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a_distr.dat", "1 2 3\n2 3 4\n", "2 or 4 columns, found 3"),
        ("a_distr.dat", "15 0\n35 1\n", "must be in nanometers, got 15 at first"),
        ("a_distr.dat", "2 1\n1 1\n", "positive and ascending"),
        ("a_distr.dat", "1 0\n2 0\n", "positive integral"),
        ("a_distr.dat", "1 x\n2 1\n", "line"),
        ("a.json", "{", "is not a distance distribution"),
        ("a.json", "[]", "no file of DeerLab"),
        ("a.json", '{"__format__": "deerlab", "__object_class__": "UQResult"}', "FitResult"),
        ("a.json", '{"__format__": "deerlab", "__object_class__": "FitResult"}', "'P' is missing"),
    ],
)
def test_other_files(name, text, message, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        deer.load_distribution(tmp_path / name)


def test_backgrounds_that_are_none(tmp_path):
    (tmp_path / "a_bckg.dat").write_text("0 1\n1 1\n")
    with pytest.raises(ValueError, match="3 or 4 columns, found 2"):
        deer.load_background(tmp_path / "a_bckg.dat")


@pytest.mark.parametrize(
    ("variables", "options"),
    [
        ({"t": TIME, "V": SIGNAL}, {}),
        ({"t_ns": TIME[:, None] * 1000, "V": SIGNAL[:, None], "scans": 20.0}, {}),
        ({"data": {"t": TIME, "V": SIGNAL}}, {}),
        ({"t": TIME * 1e-6, "V": SIGNAL}, {"unit": "s"}),
        ({"t": TIME, "V": SIGNAL, "B": np.exp(-TIME)}, {"columns": ("t", "V")}),
        ({"t": TIME, "re": SIGNAL.real, "im": SIGNAL.imag}, {"columns": ("t", "re", "im")}),
        ({"trace": np.stack([TIME + 0j, SIGNAL], axis=1).real}, {"real": True}),
    ],
)
def test_matlab(variables, options, tmp_path):
    path = tmp_path / "trace.mat"
    scipy.io.savemat(path, variables)
    expected = SIGNAL.real if options.pop("real", False) else SIGNAL
    trace = deer.load_trace(path, **options)
    np.testing.assert_allclose(trace.time, TIME, atol=1e-12)
    np.testing.assert_array_equal(trace.signal, expected)


def test_matlab_that_leaves_it_open(tmp_path):
    path = tmp_path / "trace.mat"
    scipy.io.savemat(path, {"t": TIME, "V": SIGNAL, "B": np.exp(-TIME)})
    with pytest.raises(
        ValueError, match=r"cannot be told: name the variables .*it has t 300, V 300"
    ):
        deer.load_trace(path)
    with pytest.raises(ValueError, match="got 'W'"):
        deer.load_trace(path, columns=("t", "W"))
    scipy.io.savemat(path, {"t": TIME, "V": np.stack([SIGNAL, 2 * SIGNAL], axis=1)})
    assert [trace.name for trace in deer.load_traces(path)] == ["trace.mat, slice 1", "trace.mat, slice 2"]  # fmt: skip
