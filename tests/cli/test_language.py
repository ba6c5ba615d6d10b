"""The command line speaks its own language: help, errors, completion, and the commands in the docs."""

import argparse
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import descrambler as ds
from descrambler.cli._axes import axes_of, axis_arguments
from descrambler.cli._completion import script
from descrambler.cli._main import main, parser
from descrambler.cli._paths import input_file, input_folder
from descrambler.cli._words import spoken

ROOT = Path(__file__).parents[2]


def commands():
    (found,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    for name, n in [("net", 9), ("wider", 10)]:
        layers = [
            ds.Linear(rng.standard_normal((n, 12))),
            ds.Activation("tanh"),
            ds.Linear(rng.standard_normal((5, n))),
        ]
        ds.Network(layers).save(folder / f"{name}.npz")
    np.savez(folder / "weights.npz", W1=np.ones((9, 12)), W2=np.ones((5, 9)))
    x = rng.standard_normal((40, 12))
    for name, array in {
        "x": x,
        "flat": x.T,
        "wide": np.hstack([x, x[:, :1]]),
        "same": np.ones_like(x),
        "few": x[:9],
        "complex": x + 1j,
        "short": x[:7, :5],
    }.items():
        np.save(folder / f"{name}.npy", array)
    x[17, 3] = np.nan
    np.save(folder / "holes.npy", x)
    return folder


INTERPRET = "interpret net.npz --inputs {} -o out"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("inspect ney.npz", "No such file: ney.npz; did you mean net.npz?"),
        ("inspect nowhere/net.npz", "No such file: nowhere/net.npz (nor is there a folder nowhere)"),
        ("inspect https://example.com/net.onnx", "https://example.com/net.onnx is a URL: download"),
        ("inspect .", ". is a folder: give a file in it"),
        ("report nowhere", "No such folder: nowhere"),
        ("report x.npy", "x.npy is a file: give the folder"),
        ("report .", ". has no report.npz: give the folder that 'descrambler interpret -o' wrote"),
        ("interpret x.npy --inputs net.npz -o out", "are NET and --inputs (net.npz) swapped?"),
        (INTERPRET.format("wider.npz"), "which are weights: it is a network"),
        (INTERPRET.format("flat.npy"), "it seems to be transposed; one sample per row"),
        (INTERPRET.format("wide.npy"), "one column too many, such as an index or a target"),
        (INTERPRET.format("holes.npy"), "found nan in row 18, column 4 (counted from 1)"),
        (INTERPRET.format("complex.npy"), "entries of type complex128 are no real numbers"),
        (INTERPRET.format("few.npy"), "--inputs few.npy must have at least 30 distinct rows, got 9"),
        (INTERPRET.format("same.npy"), "--inputs same.npy must vary, but all rows are the same"),
        (INTERPRET.format("same.npy --nulls 0"), "--inputs same.npy must vary"),
        (INTERPRET.format("x.npy --nulls 5"), "--nulls must be at least 20"),
        (INTERPRET.format("x.npy --initial wider.npz"), "--initial must have the layers"),
        (INTERPRET.format("x.npy --initial net.npz net.npz"), "one network, or one for each of 1 NET"),
        (INTERPRET.format("x.npy --nuisance x.npy"), "--nuisance needs --wanted"),
        (INTERPRET.format("x.npy --wanted x.npy"), "--wanted needs --nuisance"),
        (INTERPRET.format("x.npy --targets short.npy"), "--targets short.npy must have shape (40, 5)"),
        (INTERPRET.format("x.npy --span 2 1"), "--span must have rising values, got 2 and 1"),
        (INTERPRET.format("x.npy --span 2"), "--span must have two values (inputs), or four"),
        ("interpret net.npz --inputs x.npy -o x.npy", "x.npy is a file: -o takes a folder"),
        ("inspect weights.npz", "as in --activations tanh identity"),
        ("inspect weights.npz --activations tanh tahn", "got 'tahn': did you mean 'tanh'?"),
        ("inspect weights.npz --activations tanh", "got tanh"),
        ("ensemble net.npz wider.npz --inputs x.npy -o out", "NET must be alike, but wider.npz has"),
        ("ensemble net.npz --inputs x.npy -o out", "NET must hold at least two networks, got 1"),
        ("inspct net.npz", "did you mean inspect?"),
        ("inspect net.npz --jsn", "unrecognized arguments: --jsn; did you mean --json?"),
        (INTERPRET.format("x.npy --axis time"), "expected 2 arguments; write --axis NAME UNIT"),
        ("interpret net.npz --inputs x.npy --outpt out", "required: -o/--output; did you mean --output"),
    ],
)  # fmt: skip
def test_mistakes_are_one_plain_line(folder, monkeypatch, capsys, line, message):
    monkeypatch.chdir(folder)
    try:
        code = main(shlex.split(line))
    except SystemExit as ended:
        code = ended.code
    error = capsys.readouterr().err
    assert (code, error.count("\n")) == (2, 1)
    assert error.startswith("descrambler") and message in error, error
    assert "Errno" not in error and "=[" not in error


def test_words_that_are_no_options_stay_as_they_are():
    given = {"tap": "after", "networks": [Path("a.npz"), Path("b.npz")], "seed": 0}
    assert spoken("tap='after', verify=True", given) == "--tap after, verify=True"
    assert spoken("networks[1] has 3, networks[7] none", given) == "b.npz has 3, networks[7] none"
    assert spoken("random_state must be an int", given) == "--seed must be an int"
    assert spoken("inputs must vary", given) == "inputs must vary"


@pytest.mark.parametrize("name", sorted(commands().choices))
def test_every_command_says_what_it_does_writes_and_takes(name):
    shown = commands().choices[name].format_help()
    assert len(commands().choices[name].description) > 40
    for title in ("writes: ", "time: ", "exit codes: 0 done; 2 an error", "example: "):
        assert f"\n{title}" in shown
    row = f"| `{name}"
    assert name == "bench" or row in (ROOT / "docs" / "cli.md").read_text()


def lines_in_docs():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    for page in pages:
        for found in re.findall(r"^(?: {4})?(descrambler [a-z]+ .*)$|`(descrambler [a-z]+ -[^`]*|"
                                r"descrambler interpret [^`]*)`", page.read_text(), re.M):  # fmt: skip
            yield next(filter(None, found)).partition("#")[0]
    for command in commands().choices.values():
        yield command.epilog.rpartition("example: ")[2]


def test_commands_in_docs_and_help_are_understood(monkeypatch):
    lines = [line for line in lines_in_docs() if line.split()[1] in commands().choices]
    lines = [line for line in lines if "-o" in line or "report" in line]
    assert len(lines) > 12
    root = parser()
    for command in next(a for a in root._actions if a.dest == "command").choices.values():
        for action in command._actions:
            if action.type in (input_file, input_folder):
                action.type = Path
    for line in lines:
        root.parse_args(shlex.split(line)[1:])


def test_axes_of_the_command_line():
    options = argparse.ArgumentParser()
    axis_arguments(options)
    network = ds.Network([ds.Linear(np.ones((3, 5)))])
    given = [
        "--axis",
        "time",
        "us",
        "--axis",
        "distance",
        "A",
        "--span",
        "0",
        "2",
        "15",
        "60",
        "--unordered",
        "outputs",
    ]
    inputs, outputs = axes_of(options.parse_args(given), network)
    assert (inputs.label, inputs.step(5), inputs.ordered) == ("time (us)", 0.5, True)
    assert (outputs.label, outputs.start, outputs.ordered) == ("distance (A)", 15, False)
    inputs, outputs = axes_of(options.parse_args(["--axis", "time", ""]), network)
    assert (inputs.label, inputs.stop, outputs.name) == ("time", 5, "output index")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["insp"], {"inspect"}),
        (["inspect", "--js"], {"--json"}),
        (["ensemble", "--tap", ""], {"before", "after"}),
        (["interpret", "net"], {"network.npz"}),
    ],
)
def test_completion_in_bash(tmp_path, words, expected):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash")
    (tmp_path / "network.npz").touch()
    (tmp_path / "completion").write_text(script("bash", commands()))
    line = " ".join(f'"{word}"' for word in ["descrambler", *words])
    ask = f"source ./completion; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _descrambler; "
    run = subprocess.run(
        [bash, "-c", ask + 'printf "%s\\n" "${COMPREPLY[@]}"'],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert set(run.stdout.split()) == expected
