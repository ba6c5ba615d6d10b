"""Bruker files of other kinds: time axes of their own, several slices, headers that others wrote."""

import csv

import numpy as np
import pytest

from descrambler import deer
from descrambler.cli._main import main

TIME = np.delete(24.0 * np.arange(120), [3, 10, 11, 40, 77])  # ns, points left out
FORM = deer.kernel(TIME / 1000, [35.0])[:, 0]
NOISE = np.random.default_rng(2).standard_normal((2, TIME.size)) * 0.003
SIGNAL = (0.6 + 0.4 * FORM) * np.exp(-0.2 * TIME / 1000) + NOISE[0] + 1j * NOISE[1]
KEYS = {
    "BSEQ": "BIG", "IKKF": "CPLX", "XTYP": "IGD", "YTYP": "NODATA", "ZTYP": "NODATA", "IRFMT": "D",
    "XFMT": "D", "XPTS": str(TIME.size), "XMIN": "-1055283328.0", "XWID": "2149013146.0", "XUNI": "'ns'",
}  # fmt: skip


def write(folder, signal=SIGNAL, axis=TIME, form=">f8", between="\t", **changes):
    keys = KEYS | changes
    text = "\n".join(f"{key}{between}{value}" for key, value in keys.items() if value is not None)
    (folder / "trace.DSC").write_text("#DESC\t1.2\n" + text + "\n", encoding="latin-1")
    if np.iscomplexobj(signal):
        signal = np.stack([signal.real, signal.imag], axis=-1)
    (folder / "trace.DTA").write_bytes(np.ascontiguousarray(signal).astype(">f8").tobytes())
    if axis is not None:
        (folder / "trace.XGF").write_bytes(axis.astype(form).tobytes())
    return folder / "trace.DTA"


@pytest.mark.parametrize(
    ("signal", "options"),
    [
        (SIGNAL, {}),
        (SIGNAL, {"XUNI": None}),
        (SIGNAL, {"XUNI": "''"}),
        (SIGNAL, {"XUNI": "' '", "between": "   "}),
        (SIGNAL, {"XUNI": "'us'", "axis": TIME / 1000}),
        (SIGNAL, {"XFMT": "F", "form": ">f4"}),
        (SIGNAL, {"XFMT": None}),
        (SIGNAL, {"XTYP": "igd", "IKKF": "cplx"}),
        (SIGNAL.real, {"IKKF": "REAL"}),
        (SIGNAL.real, {"IKKF": None}),
    ],
)
def test_times_of_their_own(signal, options, tmp_path):
    trace = deer.load_trace(write(tmp_path, signal, **options))
    np.testing.assert_allclose(trace.time, TIME / 1000, rtol=1e-12)
    np.testing.assert_array_equal(trace.signal, signal)
    assert trace.notes == ()


@pytest.mark.parametrize("form", ["<f8", ">f8"])
def test_little_endian_data(form, tmp_path):
    """The time axis may be big-endian all the same: in one order alone it holds times."""
    write(tmp_path, form=form, BSEQ="LIT")
    pairs = np.stack([SIGNAL.real, SIGNAL.imag], axis=1).astype("<f8")
    (tmp_path / "trace.DTA").write_bytes(pairs.tobytes())
    trace = deer.load_trace(tmp_path / "trace.XGF")
    np.testing.assert_allclose(trace.time, TIME / 1000, rtol=1e-12)
    np.testing.assert_array_equal(trace.signal, SIGNAL)


def test_runs_of_absurd_times_are_left_out_and_said(tmp_path):
    axis = TIME.copy()
    axis[20:24] = [0.0, 1.0937e9, 0.0, -1.0551e9]
    axis[60] = np.nan
    trace = deer.load_trace(write(tmp_path, axis=axis))
    kept = np.delete(np.arange(TIME.size), [20, 21, 22, 23, 60])
    np.testing.assert_allclose(trace.time, TIME[kept] / 1000, rtol=1e-12)
    np.testing.assert_array_equal(trace.signal, SIGNAL[kept])
    assert trace.notes == ("5 of 115 points left out: trace.XGF has no time for them",)
    assert deer.prepare(trace).notes == trace.notes


def swapped():
    axis = TIME.copy()
    axis[[30, 31]] = axis[[31, 30]]
    return axis


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        (None, r"trace\.XGF is missing: a header with XTYP IGD has its times in it"),
        (TIME[:-1], "must have 920 bytes for the 115 numbers"),
        (TIME.astype("f4"), "must have 920 bytes"),
        (TIME[::-1], "times must be ascending, got 2832 as number 2 after 2856"),
        (swapped(), "times must be ascending, got 792 as number 32 after 816"),
        (np.where(np.arange(TIME.size) % 2, 1e12, TIME), "no times of a trace"),
    ],
)
def test_times_that_are_wrong(axis, message, tmp_path):
    form = ">f4" if axis is not None and axis.dtype == np.float32 else ">f8"
    path = write(tmp_path, axis=axis, form=form)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        deer.load_trace(path)


def test_slices(tmp_path):
    signals = np.stack([SIGNAL, 2 * SIGNAL, 3 * SIGNAL])
    path = write(tmp_path, signals, YTYP="IDX", YPTS="3")
    with pytest.raises(ValueError, match=r"holds 3 traces: name one, slice= or --slice"):
        deer.load_trace(path)
    with pytest.raises(ValueError, match="slice must be from 1 to 3"):
        deer.load_trace(path, slice=4)
    np.testing.assert_array_equal(deer.load_trace(path, slice=2).signal, 2 * SIGNAL)
    traces = deer.load_traces(path)
    assert [trace.name for trace in traces] == [f"trace.DTA, slice {k}" for k in (1, 2, 3)]
    np.testing.assert_array_equal([trace.signal for trace in traces], signals)


def test_delays_of_the_pulse_program(tmp_path):
    path = write(tmp_path)
    header = tmp_path / "trace.DSC"
    program = ["PlsSPELGlbTxt \\", "d0   = 482     ; constant\\n\\", "d4 = 8000\\n\\", "d4 = d4 + 8\\n\\", "d4 = 9\\n\\"]  # fmt: skip
    header.write_text(header.read_text() + "\n".join(program))
    assert deer.load_trace(path).delays == {"d0": 0.482, "d4": 8.0}


def test_sparse_sampling_is_predicted_or_refused(tmp_path):
    networks = [deer.pretrained()]
    trace = deer.prepare(deer.load_trace(write(tmp_path)))
    found = deer.predict_distances(networks, trace)
    assert found.peaks[0].position == pytest.approx(35, abs=1)
    assert not found.sampling.even
    assert found.sampling.gap == pytest.approx(0.072)
    # (4 * 52.04 MHz nm^3 * step)^(1/3)
    assert found.sampling.shortest == pytest.approx(
        10 * (4 * 52.04 * found.sampling.step) ** (1 / 3), rel=1e-3
    )
    with pytest.raises(ValueError, match=r"mean step of .* shortest= or --shortest"):
        deer.predict_distances(networks, trace, shortest=15)
    coarse = deer.Trace(trace.time * 4, trace.signal)
    with pytest.raises(ValueError, match="Nyquist"):
        deer.predict_distances(networks, coarse)
    inner = (trace.time < 1) | (trace.time > 1.7)
    with pytest.raises(ValueError, match="no gap longer than 0.2 of its duration"):
        deer.predict_distances(networks, deer.Trace(trace.time[inner], trace.signal[inner]))


def test_command_on_slices(tmp_path, capsys):
    signals = np.stack([SIGNAL, 2 * SIGNAL])
    path = write(tmp_path, signals, YTYP="IDX", YPTS="2")
    out = tmp_path / "out"
    assert main(["deer", str(path), "-o", str(out)]) == 2
    assert "--slice" in capsys.readouterr().err
    assert main(["deer", str(path), "--slice", "x", "-o", str(out)]) == 2
    assert "--slice must be a number from 1, or all" in capsys.readouterr().err
    command = ["deer", str(path), "--slice", "all", "--shared-background", "-o", str(out)]
    assert main(command) == 0
    with (out / "results.csv").open() as file:
        table = list(csv.DictReader(file))
    assert len({row["background_rate_per_us"] for row in table}) == 1
    places = [float(row["position_angstrom"]) for row in table]
    assert places == pytest.approx([35, 35], abs=1)
    assert (out / "trace_2" / "distribution.csv").exists()
