"""Measured traces: files, preparation, the test for modulation, distances."""

import os
import warnings
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descrambler as ds
from descrambler import deer
from descrambler.cli._main import main
from descrambler.deer._traces import box, resample

pytestmark = pytest.mark.usefixtures("one_thread")

DATA = os.environ.get("DESCRAMBLER_TEST_DATA")
needs_data = pytest.mark.skipif(
    DATA is None, reason="DESCRAMBLER_TEST_DATA is not set: no measured traces"
)
HEADER = {
    "BSEQ": "BIG", "IKKF": "CPLX", "XTYP": "IDX", "YTYP": "NODATA", "ZTYP": "NODATA",
    "IRFMT": "D", "XPTS": "16", "XMIN": "-40.000000", "XWID": "120.000000", "XUNI": "'ns'",
}  # fmt: skip


def write_pair(folder, values, name="trace", suffixes=(".DSC", ".DTA"), **changes):
    """Write a Bruker pair; a change to None removes the key."""
    keys = {key: value for key, value in (HEADER | changes).items() if value is not None}
    lines = ["#DESC\t1.2 * DESCRIPTOR INFORMATION ***", "*"]
    lines += [f"{key}\t{value}" for key, value in keys.items()]
    (folder / f"{name}{suffixes[0]}").write_text("\n".join(lines), encoding="latin-1")
    (folder / f"{name}{suffixes[1]}").write_bytes(values.tobytes())
    return folder / f"{name}{suffixes[1]}"


def interleaved(signal, dtype=">f8"):
    return np.stack([signal.real, signal.imag], axis=1).ravel().astype(dtype)


SIGNAL = np.exp(-np.arange(16) / 5) + 1j * np.arange(16)


def test_bruker_pair(tmp_path):
    path = write_pair(tmp_path, interleaved(SIGNAL))
    for given_path in (path, path.with_suffix(".DSC")):
        trace = deer.load_trace(given_path)
        np.testing.assert_array_equal(trace.signal, SIGNAL)
        np.testing.assert_allclose(trace.time, np.arange(-40, 81, 8) / 1000, atol=1e-15)
    assert trace.name == "trace.DTA"


@pytest.mark.parametrize(
    ("changes", "values"),
    [
        ({"BSEQ": "LIT"}, interleaved(SIGNAL, "<f8")),
        ({"IRFMT": "F", "IIFMT": "F"}, interleaved(SIGNAL.round(), ">f4")),
        ({"IRFMT": "I"}, interleaved(SIGNAL.round(), ">i4")),
        ({"IKKF": "REAL"}, SIGNAL.real.astype(">f8")),
        ({"XUNI": "'us'", "XMIN": "-0.04", "XWID": "0.12"}, interleaved(SIGNAL)),
        ({"YTYP": "IDX", "YPTS": "1"}, interleaved(SIGNAL)),
    ],
)
def test_bruker_variants(tmp_path, changes, values):
    trace = deer.load_trace(write_pair(tmp_path, values, **changes))
    expected = SIGNAL if values.dtype.itemsize == 8 else SIGNAL.round()
    np.testing.assert_array_equal(trace.signal.real, expected.real)
    np.testing.assert_allclose(trace.time[[0, -1]], [-0.04, 0.08], atol=1e-15)
    assert np.iscomplexobj(trace.signal) == (changes.get("IKKF") != "REAL")


def test_bruker_suffixes_in_lower_case(tmp_path):
    path = write_pair(tmp_path, interleaved(SIGNAL), suffixes=(".dsc", ".dta"))
    np.testing.assert_array_equal(deer.load_trace(path).signal, SIGNAL)
    path.with_suffix(".dsc").unlink()
    with pytest.raises(FileNotFoundError, match=r"a pair of a \.DSC and a \.DTA"):
        deer.load_trace(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"XPTS": None}, "XPTS: missing"),
        ({"XPTS": "1e12"}, "XPTS: must be between 8 and 1000000"),
        ({"XPTS": "-16"}, "XPTS: must be between"),
        ({"XPTS": "15.5"}, "XPTS: must be between"),
        ({"XPTS": "many"}, "XPTS: could not convert"),
        ({"XPTS": "17"}, "must have 272 bytes for the 34 numbers of its header, found 256"),
        ({"XWID": "nan"}, "XWID: must be finite"),
        ({"XWID": "0"}, "time must be ascending"),
        ({"BSEQ": "MIXED"}, "BSEQ must be one of 'BIG', 'LIT'"),
        ({"IRFMT": "A"}, "IRFMT must be one of"),
        ({"XUNI": "''", "XMIN": "0", "XWID": "1e-6"}, "XUNI: no unit, and its times reach"),
        ({"YTYP": "IDX", "YPTS": "20"}, "5120 bytes for the 640 numbers"),
        ({"ZTYP": "IDX", "ZPTS": "2"}, "ZPTS: must be 1"),
        ({"XTYP": "NTUP"}, "XTYP must be one of"),
        ({"XUNI": "'G'"}, "XUNI must be one of"),
    ],
)
def test_bruker_headers_that_are_wrong(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        deer.load_trace(write_pair(tmp_path, interleaved(SIGNAL), **changes))


def test_bruker_values_that_are_not_finite(tmp_path):
    with pytest.raises(ValueError, match="finite"):
        deer.load_trace(write_pair(tmp_path, interleaved(SIGNAL * np.nan)))


@given(st.dictionaries(st.sampled_from(sorted(HEADER)), st.text(max_size=8)))
def test_any_header_gives_a_trace_or_one_error(tmp_path_factory, changes):
    changes = {key: value.replace("\n", " ") for key, value in changes.items()}
    try:
        changes = {k: v.encode("latin-1", "ignore").decode("latin-1") for k, v in changes.items()}
        trace = deer.load_trace(
            write_pair(tmp_path_factory.mktemp("pair"), interleaved(SIGNAL), **changes)
        )
    except ValueError:
        return
    assert trace.time.size == 16


def simulated(zero=0.1, phase=0.7, step=0.008, n=300, width=0.25, seed=0):
    """A noisy trace with a zero time and a phase, one distance."""
    time = step * np.arange(n)
    form = deer.kernel(time - zero, [35.0])[:, 0]
    signal = (0.6 + 0.4 * form) * np.exp(-width * np.abs(time - zero))
    noise = np.random.default_rng(seed).standard_normal((2, n)) * 0.003
    return deer.Trace(time, 5e5 * (signal + noise[0] + 1j * noise[1]) * np.exp(1j * phase))


@pytest.mark.parametrize("phase", [0.0, 0.7, 2.5, -2.0, np.pi])
def test_phase_and_zero_time(phase):
    trace = deer.prepare(simulated(phase=phase))
    raw = simulated(phase=phase)
    found = raw.time[-trace.time.size] - trace.time[0]
    assert found == pytest.approx(0.1, abs=0.008)
    assert trace.signal.max() == pytest.approx(5e5, rel=0.02)
    assert trace.time[0] <= 0 < trace.time[1]
    assert trace.signal.dtype == np.float64


def test_cuts():
    raw = simulated(zero=0.0)
    spoilt = raw.signal.copy()
    spoilt[:3] *= 10
    raw = deer.Trace(raw.time, spoilt)
    trace = deer.prepare(raw, start=0.02, stop=1.5, zero=0.03)
    np.testing.assert_allclose(trace.time[-1], 1.5 - 0.03, atol=0.008)
    assert trace.signal.max() < 6e5
    with pytest.raises(ValueError, match="start and stop must leave"):
        deer.prepare(raw, start=5.0)
    with pytest.raises(ValueError, match="zero must leave"):
        deer.prepare(raw, zero=2.39)


def test_resampling_keeps_a_smooth_trace():
    trace = deer.prepare(
        deer.Trace(*np.array([[0.01 * k, np.exp(-0.01 * k)] for k in range(200)]).T)
    )
    duration, signal = resample(trace, 512)
    np.testing.assert_allclose(
        signal, np.exp(-np.linspace(0, duration, 512) - 1.99 + duration), atol=1e-4
    )
    assert box(signal[None]).max() == 1
    assert box(signal[None]).min() == 0
    with pytest.raises(ValueError, match="constant"):
        box(np.ones((1, 5)))


def test_backgrounds_alone_are_rarely_called_modulated():
    rng = np.random.default_rng(1)
    time = np.linspace(0, 2, 256)
    calls = []
    for _ in range(100):
        decay = np.exp(-((rng.uniform(0, 0.5) * time) ** (rng.uniform(2, 3.5) / 3)))
        noise = rng.uniform(0.001, 0.05) * rng.standard_normal(256)
        calls.append(deer.modulation(deer.Trace(time, decay + noise)).found)
    # Expected are 0.1; more than 3 has a probability below 1e-5.
    assert sum(calls) <= 3


def test_modulation_is_found_where_it_is():
    data = deer.simulate(60, 5)
    calls = [deer.modulation(deer.Trace(data.time, trace)).found for trace in data.traces]
    assert sum(calls) >= 59


def test_no_noise_at_all():
    time = np.linspace(0, 2, 256)
    assert deer.modulation(deer.Trace(time, deer.kernel(time, [35.0])[:, 0] + 2)).found
    with pytest.raises(ValueError, match="at least 64 points"):
        deer.modulation(deer.Trace(time[:40], time[:40]))


@pytest.mark.parametrize("experiment", ["deer", "ridme"])
def test_fit_recovers_what_made_the_trace(experiment):
    time = np.linspace(0, 3, 300)
    form = deer.kernel(time, [30.0])[:, 0]
    s = time / 3
    decay = np.exp(-(0.8 * s)) if experiment == "deer" else np.exp(-(0.5 * s + 0.4 * s**2))
    trace = deer.Trace(time, 40.0 * (0.7 + 0.3 * form) * decay)
    fit = deer.fit_trace(trace, form, experiment)
    assert fit.depth == pytest.approx(0.3, abs=1e-3)
    assert fit.scale == pytest.approx(40, rel=1e-3)
    np.testing.assert_allclose(fit.model, trace.signal, rtol=1e-3)


def test_prediction_of_a_simulated_trace():
    trace = deer.prepare(simulated())
    networks = [deer.pretrained(*kind) for kind in deer.PRETRAINED if kind.n_layers == 2]
    result = deer.predict_distances(networks, trace)
    step = result.distance[1] - result.distance[0]
    assert result.density.sum() * step == pytest.approx(1, abs=1e-9)
    assert result.members.shape == (5, 256)
    np.testing.assert_allclose(result.members.mean(axis=0), result.density)
    assert len(result.peaks) == 1
    assert result.peaks[0].position == pytest.approx(35, abs=1)
    assert result.peaks[0].share == pytest.approx(1)
    assert result.fit.depth == pytest.approx(0.4, abs=0.03)


def test_predictions_that_cannot_be_made():
    trace = deer.prepare(simulated())
    network = deer.pretrained()
    with pytest.raises(ValueError, match="one shape, got \\[\\]"):
        deer.predict_distances([], trace)
    narrow = ds.Network([ds.Linear(np.ones((3, 5)))])
    with pytest.raises(ValueError, match="one shape"):
        deer.predict_distances([network, narrow], trace)
    with pytest.raises(ValueError, match="320 inputs and 512 outputs"):
        deer.predict_distances([narrow], trace)
    time = np.linspace(0, 2, 256)
    noise = 0.01 * np.random.default_rng(0).standard_normal(256)
    with pytest.raises(ds.NoModulationError, match="no dipolar modulation"):
        deer.predict_distances([network], deer.Trace(time, np.exp(-0.2 * time) + noise))


def test_command(tmp_path, capsys):
    raw = simulated()
    path = tmp_path / "trace.csv"
    np.savetxt(path, np.stack([raw.time, raw.signal.real, raw.signal.imag], axis=1), delimiter=",")
    assert main(["deer", str(path), "-o", str(tmp_path / "out")]) == 0
    assert "5 networks" in capsys.readouterr().out
    table = np.genfromtxt(tmp_path / "out" / "distribution.csv", delimiter=",", names=True)
    assert table.dtype.names[0] == "distance_angstrom"
    assert table["distance_angstrom"][table["density_per_angstrom"].argmax()] == pytest.approx(
        35, abs=1
    )
    picture = matplotlib.image.imread(tmp_path / "out" / "distribution.png")
    assert picture[..., :3].std() > 0.05
    assert main(["deer", str(tmp_path / "none.DTA"), "-o", str(tmp_path / "out2")]) == 2
    assert not (tmp_path / "out2").exists()


# Measured traces, released networks.


@pytest.fixture(scope="module")
def released():
    return [ds.load(Path(DATA) / "nets" / f"deer64_net0{k}.mat") for k in (1, 2)]


def measured(name, **cuts):
    return deer.prepare(deer.load_trace(Path(DATA) / "traces" / name), **cuts)


@needs_data
def test_biradical(released):
    result = deer.predict_distances(released, measured("deer_bi_36_50K.DTA"))
    assert len(result.peaks) == 1
    assert result.peaks[0].position == pytest.approx(36, abs=1.5)


@needs_data
def test_mixture(released):
    result = deer.predict_distances(released, measured("CT_DEER_mix_28_36.DSC"))
    assert [peak.position for peak in result.peaks] == pytest.approx([28, 36], abs=1.5)
    assert all(0.2 < peak.share < 0.8 for peak in result.peaks)


@needs_data
def test_known_answer(released):
    result = deer.predict_distances(released, measured("low_noise_1.dat"))
    nanometres, density = np.loadtxt(Path(DATA) / "traces" / "noise_test_pcr_1.dat").T
    truth = np.interp(result.distance, 10 * nanometres, density)
    assert np.corrcoef(result.density, truth)[0, 1] > 0.97


@needs_data
def test_control_without_modulation(released, tmp_path, capsys):
    with pytest.raises(ds.NoModulationError):
        deer.predict_distances(released, measured("01_input.dat"))
    path = str(Path(DATA) / "traces" / "01_input.dat")
    assert main(["deer", path, "-o", str(tmp_path)]) == 0
    assert "no dipolar modulation" in capsys.readouterr().out
    assert sorted(file.name for file in tmp_path.iterdir()) == ["trace.png", "trace.svg"]


@needs_data
@pytest.mark.parametrize(
    ("name", "cuts", "experiment"),
    [
        ("sample2_labA.DTA", {"stop": 4.0}, "deer"),
        ("DEER_A1v33R1_K52C_S231C.dat", {}, "deer"),
        (
            "RIDME_MB1-2-dTOAC_1-50TriCon_200uMtri_200uMCu_25K_dglyc_51sc.DTA",
            {"start": -0.28},
            "ridme",
        ),
    ],
)
def test_other_traces_are_modulated(name, cuts, experiment):
    assert deer.modulation(measured(name, **cuts), experiment).found


@needs_data
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["deer_bi_36_50K.DTA", "CT_DEER_mix_28_36.DSC"])
def test_deerlab_sees_the_same_peaks(released, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        deerlab = pytest.importorskip("deerlab", reason="DeerLab is not installed")
    trace = measured(name)
    nanometres = np.linspace(1.5, 7, 111)
    model = deerlab.dipolarmodel(trace.time, nanometres, Bmodel=deerlab.bg_strexp)
    # Fixed, among what DeerLab's own rules choose: searching for it on the mixture, DeerLab stops where rounding leads it.
    fit = deerlab.fit(model, trace.signal / trace.signal.max(), regparam=0.03)
    assert fit.stats["chi2red"] < 10
    density = np.asarray(fit.P)
    density[nanometres > 6] = 0  # what its background leaves piles up at the end of the axis
    result = deer.predict_distances(released, trace)
    for peak in result.peaks:
        near = np.abs(10 * nanometres - peak.position) < 4
        theirs = 10 * nanometres[near][density[near].argmax()]
        assert theirs == pytest.approx(peak.position, abs=1)
        assert density[near].max() > 0.3 * density.max()
