"""Other systems, simulated: names that they lack are removed in a child process, by `without.py`."""

import io
import math
import ntpath
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

import descrambler as ds
from descrambler._util.platform import console, cpus, memory, paths, processes
from descrambler.readers import _isolated, _process
from descrambler.readers._onnx_child import is_name

HELPERS = Path(__file__).parent.parent / "helpers"
ACTIVATIONS = ["tanh", "logistic"]

needs_shell = pytest.mark.skipif(os.name == "nt", reason="wraps Python in a shell script")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny network in files of several formats, and inputs."""
    made = tmp_path_factory.mktemp("tiny")
    draw = np.random.default_rng(0).standard_normal
    weights = {"W1": draw((5, 6)), "W2": draw((4, 5))}
    np.savez(made / "net.npz", **weights)
    savemat(made / "net.mat", weights)
    np.save(made / "x.npy", draw((60, 6)))
    return made


def reading_python(folder, system):
    """Return a Python, for DESCRAMBLER_PYTHON, that runs its script on a simulated system."""
    script = folder / f"python-{system}"
    code = (
        f"import sys, runpy; sys.path.insert(0, {str(HELPERS)!r}); import without; "
        f"without.{system}(); runpy.run_path(sys.argv[-1], run_name='__main__')"
    )
    script.write_text(f'#!/bin/sh\nexec \'{sys.executable}\' -I -c "{code}" "$@"\n')
    script.chmod(0o755)
    return str(script)


def run(folder, system, code, **environment):
    """Run code on a simulated system, its readers too; return what it prints."""
    child = subprocess.run(
        [sys.executable, "-c", f"import without\nwithout.{system}()\n{code}"],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join([str(HELPERS), *filter(None, sys.path)])}
        | {"DESCRAMBLER_PYTHON": reading_python(folder, system), "MPLBACKEND": "agg"}
        | environment,
        capture_output=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr.decode(errors="replace")
    return child.stdout.decode("ascii" if environment else "utf-8")


@needs_shell
@pytest.mark.slow
@pytest.mark.parametrize("system", ["windows", "macos"])
class TestSimulated:
    def test_files_and_starts(self, folder, system):
        told = run(
            folder,
            system,
            f"""
from concurrent.futures import ProcessPoolExecutor
import numpy as np, descrambler as ds
nets = [ds.load(f"net.{{kind}}", activations={ACTIVATIONS}) for kind in ("npz", "mat")]
x = np.load("x.npy")
assert (nets[0](x) == nets[1](x)).all()
method = {{"method": "riemannian-lbfgs", "random_state": 0}}
several = ds.descramble(nets[0].signals(x, 1), n_starts=2, threads=None, **method)
with ProcessPoolExecutor(2) as pool:  # by spawn
    elsewhere = ds.descramble(nets[0].signals(x, 1), n_starts=2, executor=pool, **method)
assert elsewhere.objective == several.objective
print(several.status, len(ds.interpret(nets[0], x, nulls=20).findings) > 0)
""",
        )
        assert told.split() == ["converged", "True"]

    def test_command_line(self, folder, system):
        told = run(
            folder,
            system,
            f"""
from descrambler.cli._main import main
named = ["--activations", *{ACTIVATIONS}]
assert main(["inspect", "net.mat", *named]) == 0
assert main(["info"]) == 0
out = ["-o", "out-{system}", "--nulls", "0", "--inputs", "x.npy"]
assert main(["interpret", "net.npz", *named, *out]) == 0
""",
        )
        assert "6 -> 4" in told
        assert "CPU variant" in told
        assert (folder / f"out-{system}" / "layer1.png").stat().st_size > 0


@needs_shell
def test_onnx_without_flags_of_open(folder):
    onnx = pytest.importorskip("onnx")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)],
        "tiny",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 2])],
        [onnx.numpy_helper.from_array(np.arange(6, dtype="f4").reshape(2, 3), "w")],
    )
    model = onnx.helper.make_model(graph)
    options = {"save_as_external_data": True, "size_threshold": 0, "location": "w.bin"}
    onnx.save_model(model, folder / "net.onnx", **options)
    linked = folder / "linked"
    linked.mkdir()
    (linked / "net.onnx").write_bytes((folder / "net.onnx").read_bytes())
    (linked / "w.bin").symlink_to(folder / "w.bin")
    told = run(
        folder,
        "windows",
        """
import descrambler as ds
print(ds.load("net.onnx").linears[0].weight.sum())
try:
    ds.load("linked/net.onnx")
except ds.WeightFileError as error:
    print(error)
""",
    )
    assert told.startswith("15.0\n")
    assert "which is a link" in told


@needs_shell
def test_a_console_of_ascii(folder):
    code = f"""
import numpy as np, descrambler as ds
from descrambler.cli._main import main
net, x = ds.load("net.npz", activations={ACTIVATIONS}), np.load("x.npy")
found = ds.interpret(net, x, nulls=20)
print(found, found.findings[0])
print(ds.descramble(x), ds.ensemble([net, net], x), net)
ds.show_config()
main(["inspect", "net.npz", "--activations", *{ACTIVATIONS}])
main(["inspect", "\\N{{GREEK SMALL LETTER ALPHA}}.npz"])
"""
    assert "+-" in run(folder, "spawn_only", code, PYTHONIOENCODING="ascii", PYTHONUTF8="0")


@needs_shell
class TestMemory:
    @pytest.fixture
    def read(self, tmp_path, monkeypatch):
        monkeypatch.setenv("DESCRAMBLER_READ_MEGABYTES", "200")
        monkeypatch.setenv("DESCRAMBLER_READ_SECONDS", "50")
        python = reading_python(tmp_path, "refuse_address_space")
        monkeypatch.setenv("DESCRAMBLER_PYTHON", python)
        _process.warn_unlimited.cache_clear()

        def run(body):
            reader = tmp_path / "reader.py"
            lines = f"import time\nimport numpy as np\ndef contents(path):\n    {body}\n"
            reader.write_text(lines)
            return _isolated.read(Path("net.mat"), ".mat", reader)

        yield run
        _process.warn_unlimited.cache_clear()

    BOMB = "kept = []\n    while True: kept.append(np.ones(2**20)); time.sleep(0.01)"

    @pytest.mark.parametrize("source", ["_psutil", "_proc", "_ps"])
    def test_is_watched_where_the_system_limits_nothing(self, read, monkeypatch, source):
        if source == "_psutil":
            pytest.importorskip("psutil")
        for other in {"_psutil", "_proc", "_ps"} - {source}:
            monkeypatch.setattr(memory, other, lambda pid: None)
        if memory.meter(os.getpid()) is None:
            pytest.skip(f"{source} tells nothing on this system")
        assert read("return {'a': np.ones(3)}")["a"].tolist() == [1, 1, 1]
        with pytest.raises(ds.WeightFileError, match="takes more than 200 MB"):
            read(self.BOMB)

    def test_warns_once_where_it_cannot_be_seen(self, read, monkeypatch):
        for source in ("_psutil", "_proc", "_ps"):
            monkeypatch.setattr(memory, source, lambda pid: None)
        with pytest.warns(ds.UnlimitedMemoryWarning, match="only its time is limited"):
            assert read("return {'a': np.ones(3)}")["a"].tolist() == [1, 1, 1]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read("return {'a': np.ones(3)}")

    def test_meters_agree(self):
        told = [make(os.getpid()) for make in (memory._psutil, memory._proc, memory._ps)]
        sizes = [size for measure in told if measure and (size := measure()) > 0]
        assert sizes
        assert max(sizes) < 1.2 * min(sizes)

    def test_a_reader_that_is_done_at_once_gives_no_warning(self):
        child = subprocess.Popen([sys.executable, "-c", ""])
        child.wait()
        with _process.Process(Path(__file__), 60) as process:
            process.watch_memory(child.pid, 1)

    def test_a_process_that_is_gone_takes_nothing(self):
        child = subprocess.Popen([sys.executable, "-c", ""])
        child.wait()
        assert memory.meter(child.pid) is None


class TestProcessors:
    def quota(self, tmp_path, own, files):
        (tmp_path / "own").write_text(own)
        for name, content in files.items():
            path = tmp_path / "sys" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return cpus.cgroup_quota(tmp_path / "own", tmp_path / "sys")

    def test_v2(self, tmp_path):
        files = {"cpu.max": "max 100000\n", "a/cpu.max": "150000 100000", "a/b/cpu.max": "max 1000"}
        assert self.quota(tmp_path, "0::/a/b\n", files) == 1.5

    def test_v1(self, tmp_path):
        files = {"cpu/a/cpu.cfs_quota_us": "-1", "cpu/a/cpu.cfs_period_us": "100000"}
        assert self.quota(tmp_path, "3:cpu,cpuacct:/a\n4:memory:/a\n", files) is None
        files = {"cpu/a/cpu.cfs_quota_us": "50000", "cpu/a/cpu.cfs_period_us": "100000"}
        assert self.quota(tmp_path, "3:cpu,cpuacct:/a\n0::/\n", files) == 0.5

    def test_a_path_of_the_host_inside_a_container(self, tmp_path):
        files = {
            "cpu,cpuacct/cpu.cfs_quota_us": "200000",
            "cpu,cpuacct/cpu.cfs_period_us": "100000",
        }
        assert self.quota(tmp_path, "3:cpu,cpuacct:/docker/77aa\n", files) == 2

    @pytest.mark.parametrize("content", ["", "max", "a b", "0 100000", "100000 0"])
    def test_what_is_no_quota_limits_nothing(self, tmp_path, content):
        assert self.quota(tmp_path, "0::/\nnonsense\n:\n", {"cpu.max": content}) is None

    def test_no_linux(self, tmp_path):
        assert cpus.cgroup_quota(tmp_path / "none", tmp_path) is None

    @pytest.mark.parametrize("quota", [0.2, 1.0, 1.5, 1e6, None])
    def test_at_least_one_and_no_more_than_there_are(self, monkeypatch, quota):
        monkeypatch.setattr(cpus, "_own_quota", lambda: quota)
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
        monkeypatch.setattr(os, "process_cpu_count", lambda: 8, raising=False)
        assert cpus.processors() == (8 if quota is None else min(8, math.ceil(quota)))

    @pytest.mark.parametrize("known", [6, None])
    def test_without_affinity(self, monkeypatch, known):
        monkeypatch.delattr(os, "sched_getaffinity", raising=False)
        monkeypatch.delattr(os, "process_cpu_count", raising=False)
        monkeypatch.setattr(os, "cpu_count", lambda: known)
        monkeypatch.setattr(cpus, "_own_quota", lambda: None)
        assert cpus.processors() == (known or 1)


class TestConsole:
    @pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "cp932", "latin-1", "utf-8"])
    def test_shown_is_what_print_can_write(self, monkeypatch, encoding):
        text = "1.0 ± 0.1 µs, 3 Å, ≥ 2, Uᵀ, é, щ, 数, \ud800"
        stream = io.TextIOWrapper(io.BytesIO(), encoding)
        monkeypatch.setattr(sys, "stdout", stream)
        if encoding == "utf-8":
            text = text[:-1]  # a lone surrogate is no character
            assert console.shown(text) == text
        print(console.shown(text), flush=True)
        assert stream.buffer.getvalue().decode(encoding).startswith("1.0 ")

    def test_plain_characters(self, monkeypatch):
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
        assert console.shown("± µs Å ≥ s² Uᵀ é 数") == "+- us A >= s^2 U^T e ?"

    @pytest.mark.parametrize("stream", [None, io.StringIO()])
    def test_no_console(self, monkeypatch, stream):
        monkeypatch.setattr(sys, "stdout", stream)
        assert console.shown("±") == "±"
        console.adapt(stream)

    def test_an_adapted_stream_does_not_raise(self):
        stream = io.TextIOWrapper(io.BytesIO(), "cp1252", newline="\n")
        console.adapt(stream)
        print("± ≥ 数", file=stream, flush=True)
        assert stream.buffer.getvalue() == b"\xb1 >= ?\n"


class TestPaths:
    LONG = "C:\\" + "\\".join(["folder"] * 50) + "\\net.npz"

    def test_long_names_get_the_prefix(self, monkeypatch):
        monkeypatch.setattr(paths, "_WINDOWS", True)
        monkeypatch.setattr(ntpath, "abspath", ntpath.normpath)
        assert paths.usable("C:\\short.npz") == "C:\\short.npz"
        assert paths.usable(self.LONG) == f"\\\\?\\{self.LONG}"
        assert paths.usable(f"\\\\?\\{self.LONG}") == f"\\\\?\\{self.LONG}"
        share = f"\\\\server\\share\\{self.LONG[3:]}"
        assert paths.usable(share) == f"\\\\?\\UNC\\{share[2:]}"

    def test_a_target_in_use_is_tried_again(self, tmp_path, monkeypatch):
        monkeypatch.setattr(paths, "_WINDOWS", True)
        refusals = iter([PermissionError(), PermissionError()])
        real = Path.replace

        def replace(source, target):
            if error := next(refusals, None):
                raise error
            return real(source, target)

        monkeypatch.setattr(Path, "replace", replace)
        (tmp_path / "new").write_text("new")
        (tmp_path / "old").write_text("old")
        paths.replace(tmp_path / "new", tmp_path / "old")
        assert (tmp_path / "old").read_text() == "new"

    def test_a_target_in_use_for_long_is_an_error(self, tmp_path, monkeypatch):
        def refuse(source, target):
            raise PermissionError(13, "in use")

        monkeypatch.setattr(paths, "_WINDOWS", True)
        monkeypatch.setattr(paths, "_PAUSE", 0)
        monkeypatch.setattr(Path, "replace", refuse)
        with pytest.raises(PermissionError, match="in use"):
            paths.replace(tmp_path / "new", tmp_path / "old")

    def test_names_that_lead_out_of_a_folder(self):
        assert all(is_name(name, windows=True) for name in ("w.bin", "..w", "w 1"))
        outside = ("", ".", "..", "/w", "a/w", "a\\w", "\\w", "C:\\w", "w\0")
        assert not any(is_name(name, windows=False) for name in outside)
        assert not any(is_name(name, windows=True) for name in (*outside, "C:w", "w:stream"))
        assert is_name("a:b", windows=False)


class TestProcesses:
    @pytest.mark.parametrize("timer", [True, False])
    def test_an_interrupt_comes_later(self, monkeypatch, timer):
        if not timer:
            monkeypatch.delattr(signal, "setitimer", raising=False)
        later = processes.Later()
        # A shell that runs this in the background has had SIGINT ignored.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with processes.interrupted(), pytest.raises(KeyboardInterrupt):
                later.interrupt(0.01)
                end = time.monotonic() + 20
                while time.monotonic() < end:
                    time.sleep(0.01)
        finally:
            signal.signal(signal.SIGINT, before)
        later.cancel()

    def test_cancelled_it_does_not_come(self, monkeypatch):
        monkeypatch.delattr(signal, "setitimer", raising=False)
        before = threading.active_count()
        later = processes.Later()
        later.interrupt(30)
        later.cancel()
        later._timer.join(20)
        assert threading.active_count() == before

    def test_handlers_are_what_they_were(self):
        before = [signal.getsignal(number) for number in processes.INTERRUPTS]
        with processes.interrupted():
            assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
        assert [signal.getsignal(number) for number in processes.INTERRUPTS] == before

    def test_a_process_without_groups_is_killed(self, monkeypatch):
        monkeypatch.delattr(os, "killpg", raising=False)
        wait = [sys.executable, "-c", "import time; time.sleep(60)"]
        child = subprocess.Popen(wait, **processes.APART)
        processes.kill(child)
        assert child.wait(20) != 0
        processes.kill(child)  # once more, which is nothing

    def test_the_parent_of_a_process(self):
        assert not processes.is_gone(os.getppid())
        assert processes.is_gone(2**30)
