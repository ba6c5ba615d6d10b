"""Traces in the text of others: read as meant, or refused with the line and what to name."""

import os
import stat

import numpy as np
import pytest

from descrambler import deer
from descrambler.cli._main import main

RNG = np.random.default_rng(3)
TIME = 8.0 * np.arange(250) - 80  # ns
FORM = deer.kernel(TIME / 1000, [30.0])[:, 0]
BACKGROUND = 0.6 * np.exp(-0.3 * np.abs(TIME) / 1000)
NOISE = RNG.standard_normal((2, 250)) * 0.004
REAL = (BACKGROUND * (1 + 0.6 * FORM) + NOISE[0]).round(6)
IMAGINARY = NOISE[1].round(6)


def lines(*columns, form="{:.6f}", between=" ", time=TIME):
    rows = zip(time, *columns, strict=True)
    return [between.join(form.format(value) for value in row) for row in rows]


def read(tmp_path, rows, encoding="utf-8", **options):
    path = tmp_path / "trace.dat"
    text = rows if isinstance(rows, str) else "\n".join(rows) + "\n"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return deer.load_trace(path, **options)


def is_right(trace, imaginary=None):
    np.testing.assert_allclose(trace.time, TIME / 1000, atol=1e-9)
    np.testing.assert_array_equal(trace.signal.real, REAL)
    np.testing.assert_array_equal(
        trace.signal.imag, np.zeros(250) if imaginary is None else imaginary
    )


def decimal_commas(rows):
    return [row.replace(".", ",") for row in rows]


@pytest.mark.parametrize(
    "rows",
    [
        lines(REAL, IMAGINARY),
        lines(REAL, IMAGINARY, between="\t"),
        lines(REAL, IMAGINARY, between=", "),
        lines(REAL, IMAGINARY, between=","),
        lines(REAL, IMAGINARY, between=" , "),
        lines(REAL, IMAGINARY, between=";"),
        lines(REAL, IMAGINARY, form="{:.8e}"),
        [row.replace("e", "D") for row in lines(REAL, IMAGINARY, form="{:.8e}")],
        [row.replace("-", "\N{MINUS SIGN}") for row in lines(REAL, IMAGINARY)],
        decimal_commas(lines(REAL, IMAGINARY, between="\t")),
        decimal_commas(lines(REAL, IMAGINARY, between="   ")),
        decimal_commas(lines(REAL, IMAGINARY, between=";")),
        decimal_commas(lines(REAL, IMAGINARY, between=" ", form="{:.8e}")),
        [
            "% DEER at 50 K",
            "",
            "# 251 scans",
            "time/ns  re  im",
            *lines(REAL, IMAGINARY),
            "",
            "# end",
        ],
        ["t [ns],real,imag", *lines(REAL, IMAGINARY, between=",")],
        ["time (us)\tre\tim", *lines(REAL, IMAGINARY, between="\t", time=TIME / 1000)],
        ["time (s),re,im", *lines(REAL, IMAGINARY, between=",", form="{:.12f}", time=TIME * 1e-9)],
        lines(REAL, IMAGINARY, form="{:.9f}", time=TIME / 1000),
    ],
)
@pytest.mark.parametrize(
    ("encoding", "end"), [("utf-8", "\n"), ("utf-8-sig", "\r\n"), ("utf-16", "\r")]
)
def test_text_as_people_write_it(rows, encoding, end, tmp_path):
    is_right(read(tmp_path, end.join(rows), encoding), IMAGINARY)


def test_two_columns(tmp_path):
    is_right(read(tmp_path, lines(REAL)))


def test_phase_left_in_an_imaginary_part(tmp_path):
    """It has the shape of the real part then, and noise of its own."""
    turned = ((REAL + 1j * IMAGINARY) * np.exp(0.7j)).round(6)
    trace = read(tmp_path, lines(turned.real, turned.imag))
    np.testing.assert_array_equal(trace.signal, turned)


@pytest.mark.parametrize(
    "third",
    [
        BACKGROUND,
        BACKGROUND * (1 + 0.6 * FORM),
        REAL / BACKGROUND,
        REAL / REAL.max(),
        np.full(250, 0.004),
        0.004 + 0.001 * RNG.random(250),
        np.linspace(0.5, -0.1, 250),
    ],
    ids=["background", "fit", "form factor", "scaled", "one error", "errors", "slope"],
)
def test_third_columns_that_are_no_imaginary_part(third, tmp_path):
    rows = lines(REAL, third)
    with pytest.raises(ValueError, match=r"third column .*columns= or --columns"):
        read(tmp_path, rows)
    is_right(read(tmp_path, rows, columns=(1, 2)))
    is_right(read(tmp_path, rows, columns=(1, 2, 3)), third.round(6))


@pytest.mark.parametrize("title", ["background", "t_bckg", "fit", "std err", "residual"])
def test_titles_tell_what_a_column_is(title, tmp_path):
    rows = ["time_ns\tsignal\t" + title, *lines(REAL, IMAGINARY, between="\t")]
    with pytest.raises(ValueError, match="third column"):
        read(tmp_path, rows)
    is_right(read(tmp_path, rows, columns=("time_ns", "signal"), unit="ns"))


def test_columns_by_name_and_number(tmp_path):
    rows = [",t,V,B,im", *(f"{k},{row}" for k, row in enumerate(lines(REAL, BACKGROUND, IMAGINARY, between=",")))]  # fmt: skip
    with pytest.raises(ValueError, match="it has 5 columns: name"):
        read(tmp_path, rows)
    for columns in (("t", "V", "im"), (2, 3, 5), ("2", "3", "5")):
        is_right(read(tmp_path, rows, columns=columns), IMAGINARY)
    for columns, message in (
        (("t", "W"), "got 'W': '', 't', 'V'"),
        ((0, 2), "from 1 to 5"),
        ((2, 6), "from 1 to 5"),
        ((2,), "two or three columns, got 1"),
    ):
        with pytest.raises(ValueError, match=message):
            read(tmp_path, rows, columns=columns)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([f"{k},{row}" for k, row in enumerate(lines(REAL, between=","))], "counts the points"),
        (lines(REAL, time=np.arange(250.0)), "counts the points"),
        (lines(REAL, IMAGINARY, time=np.arange(1.0, 251)), "counts the points"),
        (lines(REAL, form="{:.12f}", time=TIME * 1e-9), "Name the unit: unit= or --unit"),
        (lines(REAL, form="{:.12f}", time=TIME * 1e-6), "Name the unit"),
        (lines(REAL, time=TIME * 1e3), "Name the unit"),
        (["time/us  V", *lines(REAL)], "name the unit"),
        (lines(REAL, BACKGROUND, FORM), "it has 4 columns"),
        (decimal_commas(lines(REAL, between=",")), "4 columns"),
        ([row.split()[0] for row in lines(REAL)], "two or three columns"),
        (["time signal"], "no lines of numbers"),
        ("", "no lines of numbers"),
        ("\0\0\1" * 100, "no text"),
        (lines(REAL)[:5], "n >= 8"),
        ([*lines(REAL)[:20], *lines(REAL)[:20]], "ascending"),
    ],
)
def test_text_that_leaves_it_open(rows, message, tmp_path):
    with pytest.raises(ValueError, match=rf"trace\.dat.*{message}"):
        read(tmp_path, rows)


@pytest.mark.parametrize("unit", ["ns", "us", "ms", "s"])
def test_units_that_are_named(unit, tmp_path):
    in_unit = TIME * {"ns": 1, "us": 1e-3, "ms": 1e-6, "s": 1e-9}[unit]
    is_right(read(tmp_path, lines(REAL, form="{:.12f}", time=in_unit), unit=unit))


def damaged(row, text):
    rows = lines(REAL, IMAGINARY)
    return [*rows[:row], text.format(*rows[row].split()), *rows[row + 1 :]]


@pytest.mark.parametrize("row", [0, 100, 249])
@pytest.mark.parametrize(
    "text",
    ["{0} x {2}", "{0} {1}", "{0} {1} {2} 7", "{0}x {1} {2}", "x{0} {1} {2}", "{0} nan {2}", "{0} {1} inf",
     "# {0} {1} {2}", "{0} 1.000,5 {2}", "{0} {1} {2} # good", "{0} {1} 1e999", "{0} {1} 0x10",
     "{0} 1'000 {2}", "{0} {1} --"],
)  # fmt: skip
def test_a_damaged_line_is_named(row, text, tmp_path):
    """The first line may be told by the next, which differs from it."""
    with pytest.raises(ValueError, match=rf"line {row + 1}\b|line {row + 2} has . columns"):
        read(tmp_path, damaged(row, text))


def test_points_and_commas_are_not_mixed(tmp_path):
    rows = lines(REAL, between="\t")
    with pytest.raises(ValueError, match="line 4: decimal commas and decimal points"):
        read(tmp_path, [*rows[:3], *decimal_commas(rows[3:])])


def test_what_is_no_file(tmp_path):
    fifo, large = tmp_path / "fifo.dat", tmp_path / "large.dat"
    os.mkfifo(fifo)
    with large.open("wb") as file:
        file.truncate(2**32)
    for path, message in ((fifo, "regular file"), (large, "too large")):
        with pytest.raises(ValueError, match=message):
            deer.load_trace(path)
    assert stat.S_ISFIFO(fifo.stat().st_mode)


@pytest.mark.parametrize(("unit", "reach"), [("s", "A"), ("ms", "A"), ("us", "A")])
def test_distances_in_the_wrong_unit(unit, reach, tmp_path):
    trace = read(tmp_path, lines(REAL), unit=unit)
    with pytest.raises(
        ValueError, match=rf"got .* us: its distance axis .* {reach}\. Name the unit"
    ):
        deer.predict_distances([deer.pretrained()], deer.prepare(trace))


def test_command_names_columns_and_unit(tmp_path, capsys):
    path = tmp_path / "trace.csv"
    rows = [",t,V,B", *(f"{k},{row}" for k, row in enumerate(lines(REAL, BACKGROUND, between=",")))]
    path.write_text("\n".join(rows))
    line = ["deer", str(path), "-o", str(tmp_path / "out")]
    assert main(line) == 2
    assert "--columns" in capsys.readouterr().err
    assert main([*line, "--columns", "t", "V", "--unit", "ns"]) == 0
    assert "30" in capsys.readouterr().out
