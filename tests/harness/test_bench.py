"""The benchmark harness: its races, its tables, the command."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from benchmarks.harness import critical_path, limits, performance, run, threads
from benchmarks.harness.command import main
from benchmarks.harness.measure import SCALES, Row, cost_exponent, side_by_side
from benchmarks.harness.peers import PEERS
from benchmarks.harness.problems import NormSquare, Smoothness, weight_families
from benchmarks.harness.race import Watch
from benchmarks.harness.tables import Line, markdown, summary

import descrambler as ds

ROOT = Path(__file__).parents[2]
TINY = SCALES["tiny"]


def problems():
    w = weight_families(5)["random"]
    return [Smoothness(5, 2), NormSquare(w, ds.diagonalize(w, "norm_square").objective)]


@pytest.mark.parametrize("problem", problems(), ids=["smoothness", "norm square"])
def test_problem_derivatives(problem):
    generator = np.random.default_rng(0)
    p = ds.group.random_rotation(problem.n, generator)
    u = generator.standard_normal(p.shape)
    step = 1e-5
    (after, g_after), (before, g_before) = (
        problem.value_and_gradient(p + s * u) for s in (step, -step)
    )
    gradient = problem.value_and_gradient(p)[1]
    assert abs((after - before) / (2 * step) - np.vdot(gradient, u)) < 1e-7
    np.testing.assert_allclose((g_after - g_before) / (2 * step), problem.hessian(p, u), atol=1e-7)


@pytest.mark.parametrize("problem", problems(), ids=["smoothness", "norm square"])
def test_problem_in_torch(problem):
    torch = pytest.importorskip("torch")
    p = ds.group.random_rotation(problem.n, 1)
    value = float(problem.torch_value(torch.tensor(p)))
    assert value == pytest.approx(problem.value_and_gradient(p)[0], rel=1e-12)


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_peer_reaches_the_optimum(peer):
    if peer.missing:
        pytest.skip(f"not installed: {peer.missing}")
    watch = peer.run(Smoothness(5, 1), 1e-3, cap=20)
    assert 0 <= watch.best <= 1e-3
    assert watch.seconds_to(1e-3)[1]


def test_watch_ends_at_the_cap_and_keeps_the_best():
    def crawl(watch):
        while True:
            watch.saw(3.0)
            watch.saw(2.0)
            time.sleep(0.01)

    watch = Watch(optimum=1, goal=1e-6, cap=0.05).time(crawl)
    assert 0.05 < watch.elapsed < 1
    assert watch.best == 1
    assert watch.seconds_to(0.5) == (watch.elapsed, False)
    assert watch.seconds_to(1.5)[1]
    assert [gap for _, gap in watch.drawn()] == [2, 1]


def test_side_by_side_tells_which_is_slower():
    fast, slow, ratio = side_by_side(lambda: None, lambda: time.sleep(0.01), 0)
    assert fast < 0.005 < slow and ratio < 0.5


def test_target_and_arrival():
    row = Row("x", "ours", "theirs", 1.0, 3.0, 1 / 3, 0.1)
    assert row.met is False
    assert Row("x", value=0.1, limit=0.1).met is True
    assert Row("x", value=0.1, limit=0.1, good=False).met is False
    assert Row("x", value=0.1).met is None
    late = {"theirs_arrived": False, "arrival_counts": True}
    assert Row("x", value=0.5, limit=0.1, **late).met is True
    assert Row("x", value=0.5, limit=0.1, ours_arrived=False, **late).met is False
    assert "> 3 s" in markdown(Line("s", 1, Row("x", "a", "b", 1.0, 3.0, 1 / 3, **late)))
    assert "0 of 1 targets met. Missed:" in summary([Line("s", 1, row)])


def test_power_law():
    exponent, offset = cost_exponent([(n, 2e-9 * n**2.5) for n in (80, 256, 512)])
    assert exponent == pytest.approx(2.5) and np.exp(offset) == pytest.approx(2e-9)


@pytest.mark.parametrize("name", run.SECTIONS)
def test_section(name):
    """Each section yields lines whose numbers are numbers; a missing peer is a line that says so."""
    rows = [row for case in run.cases(name, TINY) for row in case.rows(TINY)]
    assert rows or name == "reader"
    for row in rows:
        assert row.value is None or np.isfinite(row.value)
        assert row.ours_seconds is None or row.ours_seconds > 0
        if row.theirs:
            assert (row.theirs_seconds is None) == ("not installed" in row.note)


def test_command(tmp_path, capsys):
    out = tmp_path / "bench"
    arguments = ["exact", "--quick", "--cap", "0.1", "--threads", "1", "-o", str(out)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "BLAS kernels" in printed and "| 1 | n = 256 | exact " in printed
    kept = json.loads((out / "bench.json").read_text())
    rows = list(csv.DictReader((out / "bench.csv").read_text().splitlines()))
    assert [row["case"] for row in rows] == [row["case"] for row in kept["rows"]]
    assert "Processor" in kept["machine"]
    page = (out / "bench.md").read_text()
    assert "| 1 | n = 256 |" in page and "![Time against size" in page
    assert (out / "bench_costs.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "SECTION must be one of smoothness"),
        (["exact", "--cap", "-1"], "cap must be positive, got -1"),
        (["exact", "--threads", "0"], "threads must be positive, got 0"),
    ],
)
def test_users_errors(arguments, message, capsys):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_interrupted(tmp_path):
    """Ctrl-C ends it, and leaves the files of the sections that were done, whole."""
    command = ["exact", "smoothness", "--quick", "--cap", "60", "--threads", "1", "-o"]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", *command, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs this in the background has had it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not (tmp_path / "bench.md").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted" in errors
    assert len(json.loads((tmp_path / "bench.json").read_text())["rows"]) == 4
    assert not list(tmp_path.glob("*.part"))


def test_table_of_threads(capsys):
    assert main(["threads", "polar, n = 80", "--pairs", "1", "--seconds", "0"]) == 0
    name, default, one, *_ = capsys.readouterr().out.splitlines()[-1].strip("| ").split(" | ")
    assert name == "polar, n = 80"
    assert default.endswith(" ms") and one.endswith(" ms")
    assert main(["threads", "no such call"]) == 2


def test_table_of_limits(capsys, monkeypatch):
    monkeypatch.setattr(limits, "ROWS", {"limit, eigh, n = 40": ("eigh", 40)})
    assert main(["threads", "limit", "--seconds", "0"]) == 0
    *_, header, _, row = capsys.readouterr().out.splitlines()
    assert header == limits.HEADER.splitlines()[0]
    name, one, _, allowed, value, *_ = row.strip("| ").split(" | ")
    assert name == "limit, eigh, n = 40" and one.endswith(" ms")
    assert allowed == "1, 1" and float(value.split(", ")[0]) >= 1
    assert limits.SIZES == [512, 1024, 2048]


def test_limits_are_measured_with_all_processors_and_what_the_table_allows(monkeypatch):
    monkeypatch.setattr(limits, "processors", lambda: 12)
    assert limits.counts([1, 11]) == [1, 2, 4, 8, 11, 12]
    monkeypatch.setattr(limits, "blas_limit", lambda n: 1 if n < 1024 else 4)
    monkeypatch.setattr(limits, "measure", lambda *given: {1: 1.0, 2: 0.9, 4: 0.8})
    (row,) = limits.lines(["limit, svd, n = 1024"], 0)
    measured = "1e+03 ms | 0.90 (2), 0.80 (4) | 1, 4 | 1.25, 1.00 | 1.1 | **no**"
    assert row == f"| limit, svd, n = 1024 | {measured} |"


def test_interval_of_a_median_by_its_ranks():
    # Of 15 numbers the 4th and the 12th bound it: 96.5 %; of 5 all of them, 94 %, is the best there is.
    assert [threads._interval(count) for count in (1, 5, 6, 15)] == [0, 0, 0, 3]


def test_replay_of_tasks():
    """A free thread takes the next task; what is outside of loops stays as it is."""
    assert critical_path.makespan([3, 1, 1, 1], 2) == 3
    assert critical_path.makespan([1, 1, 1, 3], 2) == 4
    assert critical_path.makespan([1, 2], 16) == 2
    work = critical_path.Work(
        "Cayley value and gradient", 256, 1.0, [[0.3, 0.3], [0.1] * 3], "float64"
    )
    assert work.serial == pytest.approx(0.1)
    assert work.at(1) == 1
    assert work.at(2) == pytest.approx(0.1 + 0.3 + 0.2, abs=1e-4)
    assert work.at(16) == pytest.approx(0.1 + 0.3 + 0.1, abs=1e-4)
    # Within the caches of a core bandwidth does not matter; beyond them it does.
    assert work.on(16, 1.0) == work.at(16)
    larger = critical_path.Work(work.work, 4096, 1.0, work.loops, "float64")
    assert larger.on(16, 1.0) == pytest.approx(larger.traffic / 8)


def test_missed_targets_have_reasons():
    missed = [("varimax step, n = 256, float32", "19.7 % serial", "10 %"), ("x", "2", "1")]
    part = performance.Part("Title", "About.", ["| a |"], missed)
    page = performance.page({"Processor": "p"}, [part, part], "a command")
    assert page.index("## Title") < page.index("## Missed targets") < page.index("## Machine")
    assert "| 19.7 % serial | 10 % | the singular value decomposition, by LAPACK" in page
    assert "| x | 2 | 1 | not known |" in page
    assert "Written by `a command`" in page
    assert performance.missed_table([]) == ["All targets are met."]


def test_table_of_the_critical_path():
    rates = critical_path.Machine({"float64": 4e9}, 1e10)
    work = critical_path.Work("Cayley value and gradient", 1000, 4.0, [[1.0] * 3], "float64")
    signals = critical_path.Work("varimax step", 256, 1.0, [[0.95, 0.03]], "float64", 1000)
    first, second = (
        line.strip("| ").split(" | ") for line in critical_path.lines([work, signals], rates)
    )
    names = critical_path.HEADER.splitlines()[0].strip("| ").split(" | ")
    cells = dict(zip(names, first, strict=True))
    assert cells["serial share"] == "25.0 %" and cells["met"] == ""
    # 8 n^3 operations within 4 s, on a core that is capable of 4e9 a second.
    assert cells["peak"] == "50 %"
    assert cells["2 threads"] == "1.33" and cells["4 threads"] == "2.00"
    assert dict(zip(names, second, strict=True))["met"] == "yes"


def test_speed_page_of_a_section_alone(monkeypatch, tmp_path, capsys):
    asked = []

    def measured(scale, pairs):
        asked.append(pairs)
        return performance.Part("Only these", "About.", ["| a |"], [])

    monkeypatch.setattr(performance, "_defaults", measured)
    monkeypatch.setattr(performance, "_ratios", None)
    assert performance.main(["defaults", "--pairs", "2", "-o", str(tmp_path / "out")]) == 0
    assert asked == [2]
    assert "## Only these" in capsys.readouterr().out
    page = (tmp_path / "out" / "performance.md").read_text()
    assert "## Only these" in page
    assert f"performance defaults --pairs 2 -o {tmp_path / 'out'}`" in page
    assert performance.main(["default"]) == 2
    assert (
        "SECTION must be of ratios, peers, critical-path, defaults, got default"
        in capsys.readouterr().err
    )


@pytest.mark.skipif(os.name != "posix", reason="a script in place of the program")
def test_program_of_the_critical_path_that_fails(monkeypatch, tmp_path, capsys):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho out of memory >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(critical_path, "_compile", lambda scalar, folder: str(program))
    assert performance.main(["critical-path", "--quick"]) != 0
    printed = capsys.readouterr().err
    assert "compiled in float64, ended with exit code 3: out of memory" in printed
    assert "Traceback" not in printed
