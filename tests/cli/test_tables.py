"""Tables of inputs: every line of numbers is a sample, or the file is refused with its line."""

import codecs
import io

import numpy as np
import pytest

import descrambler as ds
from descrambler.cli._inputs import in_precision, read_inputs
from descrambler.cli._tables import read_table

RNG = np.random.default_rng(1)
X = RNG.standard_normal((9, 5)).round(4)
ROWS = [",".join(map(str, row)) for row in X.tolist()]
TITLES = "a,b,c,d,e"


def text(*rows, end="\n"):
    return end.join(rows)


@pytest.mark.parametrize(
    "content",
    [
        text(*ROWS),
        text(TITLES, *ROWS) + "\n\n",
        text(TITLES, *ROWS, end="\r\n"),
        text(*ROWS, end="\r"),
        text("# written by hand", "# a,b,c,d,e", *ROWS),
        text('"x, in ms","y",z,u,v', *ROWS),
        text(*(row.replace(",", " , ") for row in ROWS)),
        text(",".join(f'"{cell}"' for cell in ROWS[0].split(",")), *ROWS[1:]),
        text(*(row.replace("-", "\N{MINUS SIGN}") for row in ROWS)),
        text(*(",".join(f"{v:.6e}".replace("e", "D") for v in row) for row in X)),
        text(*(",".join(f"{v:+.4f}" for v in row) for row in X)),
        text("t in µs,b,c,d,e", *ROWS),
    ],
)
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"]
)
def test_tables_in_every_encoding(content, encoding):
    try:
        raw = content.encode(encoding)
        if encoding == "utf-16-le" and "\N{MINUS SIGN}" in content:
            raise UnicodeEncodeError(encoding, content, 0, 1, "needs a mark")
    except UnicodeEncodeError:
        pytest.skip("not a text of this encoding")
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    np.testing.assert_array_equal(read_table(mark + raw), X)


def changed(row, column, cell):
    cells = [list(map(str, values)) for values in X.tolist()]
    cells[row][column] = cell
    return text(*map(",".join, cells))


@pytest.mark.parametrize("row", [0, 4, 8])
@pytest.mark.parametrize("column", [0, 2, 4])
@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", "missing"), ("NA", "missing"), ("nan", "missing"), ("-inf", "missing"), ("?", "missing"),
        ("1 000", "groups: write 1000"), ("1'000.5", "groups: write 1000.5"), ("1_0", "groups"),
        ('"1,5"', "decimal comma"), ('"1,000,000"', "groups"), ("1.5.2", "no number"),
        ("0x10", "no number"), ("1e999", "no number"), ("1.5 # good", "no number"),
        ("1;2", "semicolons"), ("1\t2", "tabs"), ("1,2", "has 6 cells|has 5 cells"), ("1+2j", "no number"),
        ("true", "no number"), ('"1', "end of data|has . cells|no number"),
    ],
)  # fmt: skip
def test_cells_that_are_no_numbers(row, column, cell, message):
    with pytest.raises(ValueError, match=message) as error:
        read_table(changed(row, column, cell).encode())
    line = 2 if row == 0 and "cells, the" in str(error.value) else row + 1
    assert f"line {line}" in str(error.value)


def pandas_text(**options):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    stream = io.StringIO()
    pandas.DataFrame(X).to_csv(stream, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: pandas_text(), r"its first column the rows: .*header=False, index=False"),
        (lambda: pandas_text(index=False), "first line counts the columns"),
        (lambda: pandas_text(header=False), "index"),
        (lambda: pandas_text(header=["a", "b", "c", "d", "e"]), "index"),
        (lambda: text("0.0,0.5,1.0,1.5,2.0", *ROWS), "first line is in order"),
        (lambda: text("5,4,3,2,1", *ROWS), "first line is in order"),
        (lambda: text(*(f"{k},{row}" for k, row in enumerate(ROWS, 1))), "index"),
        (lambda: text("Unnamed: 0,b,c,d,e", *ROWS), "index"),
        (lambda: text(*(f"{k / 10},{row}" for k, row in enumerate(ROWS))), "index"),
        (lambda: text("1,25, 0,5", "3,053, 1,1"), "line 2: '053' begins with 0"),
        (lambda: text("1,25, -0,5", "3,53, 1,1"), "decimal commas, and those before blanks"),
        (lambda: text(*ROWS[:3], "#" + ROWS[3], *ROWS[4:]), "line 4 begins with #"),
        (lambda: text("# " + ROWS[0], *ROWS[1:]), "line 1 begins with #"),
        (lambda: text(TITLES, "ms,mV,mV,mV,mV", *ROWS), "line 2, column 1: 'ms' is no number"),
        (lambda: text("time,0.1,0.2,0.3,0.4", *ROWS), "line 1, column 1: 'time' is no number"),
        (lambda: text(TITLES), "titles alone"),
        (lambda: "", "no lines"),
        (lambda: "\n# nothing\n", "no lines"),
        (lambda: text(*ROWS, ROWS[0] + ","), "line 10 has 6 cells"),
        (lambda: text(*ROWS) + "\0", "zero bytes"),
    ],
)
def test_tables_that_may_be_something_else(content, message):
    with pytest.raises(ValueError, match=message):
        read_table(content().encode())


def test_samples_in_order_are_samples():
    """Where other lines are in order too, the first is no axis."""
    decays = np.exp(-np.outer(np.arange(1, 6), np.linspace(0, 1, 12)))
    content = text(*(",".join(map(repr, row)) for row in decays.tolist()))
    np.testing.assert_array_equal(read_table(content.encode()), decays)


@pytest.mark.parametrize("damage", ["header", "cut", "object", "bomb"])
def test_arrays_that_are_damaged(damage, tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, X.astype(object) if damage == "object" else X, allow_pickle=damage == "object")
    content = path.read_bytes()
    if damage == "header":
        path.write_bytes(content[:8] + (20).to_bytes(2, "little") + b"{'descr': ('<f8',\n" * 30)
    if damage == "cut":
        path.write_bytes(content[:150])
    if damage == "bomb":
        with path.open("r+b") as file:
            file.truncate(2**32)
    network = ds.Network([ds.Linear(np.eye(5))])
    with pytest.raises(ValueError, match=r"x\.npy is not a readable"):
        read_inputs(path, network)


def test_precision_is_chosen_on_the_command_line():
    """Signals over many decades: float64 certifies more of them than float32 does."""
    rng, layers = np.random.default_rng(0), []
    for n_in in (64, 24, 24):
        weights = (rng.standard_normal((24, n_in)) / np.sqrt(n_in)).astype(np.float32)
        layers += [ds.Linear(weights), ds.Activation("tanh")]
    network = ds.Network([*layers, ds.Linear(np.ones((2, 24), np.float32))])
    decays = np.exp(-np.linspace(0, 3, 64) / rng.uniform(0.1, 3, (400, 1))).astype(np.float32)

    def link(dtype):
        signals = network.signals(in_precision(decays, [network], dtype), 3, "after")
        return ds.descramble(signals)

    assert link(None).rotation.dtype == link("float32").rotation.dtype == np.float32
    wide = link("float64")
    assert wide.rotation.dtype == np.float64 and wide.optimality == "certified"
    assert wide.resolved.sum() > link(None).resolved.sum()
    network = ds.Network([ds.Linear(np.eye(64)), ds.Activation("tanh"), ds.Linear(np.eye(64))])
    with pytest.raises(ValueError, match="--dtype float32: the network's weights are float64"):
        in_precision(decays, [network], "float32")
