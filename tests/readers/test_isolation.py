"""Files from strangers: crash, hang and memory bomb become one WeightFileError each."""

import json
import re
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import forked
import numpy as np
import pytest
from scipy.io import savemat

from descrambler._util import limits
from descrambler.errors import ReaderProcessError, WeightFileError
from descrambler.readers import _isolated, _process, load

RNG = np.random.default_rng(0)
W1, W2 = RNG.standard_normal((5, 3)), RNG.standard_normal((4, 5))
PATH = Path("net.mat")


@pytest.fixture
def read(tmp_path):
    """Read with a reader whose ``contents`` has the given body."""

    def run(body):
        reader = tmp_path / "reader.py"
        lines = ["import ctypes, os, sys, time", "import numpy as np", "def contents(path):"]
        reader.write_text("\n".join([*lines, *(f"    {line}" for line in body.splitlines())]))
        return _isolated.read(PATH, ".mat", reader)

    return run


@pytest.fixture
def receive(tmp_path, monkeypatch):
    """Read the answer of a child that runs the given code, whatever it was asked."""

    def run(code):
        child = tmp_path / "child.py"
        hello = r"pipe.write(b'descrambler' + bytes(sys.version_info[:2]) + b'\1')"
        imports = "import json, os, struct, sys, time\npipe = os.fdopen(1, 'wb')"
        child.write_text(f"{imports}\n{hello}\n{code}")
        monkeypatch.setattr(_isolated, "_CHILD", child)
        return _isolated.read(PATH, ".mat", Path("unused.py"))

    return run


class TestArrays:
    def test_come_back_as_they_were(self, read):
        arrays = read(
            """return {
    "matrix": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "single": np.array([[1.5]], "f4"),
    "big": np.array([1, 2], ">i2"),
    "complex": np.array([1 + 2j]),
    "boolean": np.array([True, False]),
    "text": np.array(["a", "longer \\u03b1"]),
    "scalar": np.array(7, "u1"),
    "empty": np.zeros((0, 3)),
}"""
        )
        expected = {
            "matrix": np.arange(6.0).reshape(2, 3),
            "single": np.array([[1.5]], "f4"),
            "big": np.array([1, 2], ">i2"),
            "complex": np.array([1 + 2j]),
            "boolean": np.array([True, False]),
            "text": np.array(["a", "longer \u03b1"]),
            "scalar": np.array(7, "u1"),
            "empty": np.zeros((0, 3)),
        }
        assert list(arrays) == list(expected)
        for name, value in expected.items():
            np.testing.assert_array_equal(arrays[name], value, strict=True)
            assert arrays[name].flags.writeable

    def test_of_no_kind_that_needs_pickle(self, read):
        with pytest.raises(WeightFileError, match="no list of arrays"):
            read("return {'a': np.array([[]], object)}")


class TestReader:
    """What the reader does in the child."""

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ("os.abort()", "its reader stopped with exit code -6"),
            ("ctypes.string_at(0)", "its reader stopped with exit code -11"),
            ("raise KeyError('x\\x1b[2J\\ny' * 400)", r"KeyError: 'x\\x1b\[2J\\ny"),
            ("return 3", "AttributeError"),
        ],
    )
    def test_that_fails(self, read, body, message, capfd):
        with pytest.raises(WeightFileError, match=message) as info:
            read(body)
        assert str(info.value).startswith("net.mat: a damaged .mat file (")
        assert str(info.value).isprintable()
        assert len(str(info.value)) < 400
        assert capfd.readouterr() == ("", "")

    def test_a_name_that_cannot_be_shown(self, read):
        with pytest.raises(
            WeightFileError, match=r"^net.mat: an array is called 'a\\n'; rename it"
        ):
            read("return {'a\\n': np.zeros(1)}")

    def test_that_prints(self, read, capfd):
        arrays = read("print('x' * 9)\nos.write(1, b'y')\nos.write(2, b'z')\nreturn {}")
        assert arrays == {}
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("hang", ["while True: pass", "time.sleep(1000)"])
    def test_that_hangs(self, read, hang, tmp_path, monkeypatch):
        monkeypatch.setenv(limits.SECONDS, "2")
        pid = tmp_path / "pid"
        message = "^net.mat: not read within 2 s .DESCRAMBLER_READ_SECONDS sets"
        with pytest.raises(WeightFileError, match=message):
            read(f"open({str(pid)!r}, 'w').write(str(os.getpid()))\n{hang}")
        assert not Path("/proc", pid.read_text()).exists()

    @pytest.mark.parametrize(
        "body",
        [
            "return {'a': np.ones(2**31)}",
            "return {'a': bytearray(2**34)}",
            "return {str(k): np.ones(2**24) for k in range(1000)}",
            "return {str(k): np.ones(2**24) for k in range(9)}",  # it may hold them, not return
        ],
    )
    def test_that_takes_too_much_memory(self, read, body):
        message = "^net.mat: reading it takes more than 2048 MB .DESCRAMBLER_READ_MEGABYTES sets"
        before = peak()
        with pytest.raises(WeightFileError, match=message):
            read(body)
        assert peak() - before < 20

    def test_memory_limit_is_adjustable(self, read, monkeypatch):
        body = "return {'a': np.ones(2**24)}"  # 128 MB
        monkeypatch.setenv(limits.MEGABYTES, "255")
        with pytest.raises(WeightFileError, match="takes more than 255 MB"):
            read(body)
        monkeypatch.setenv(limits.MEGABYTES, "512")
        assert read(body)["a"].all()

    def test_that_runs_out_of_memory_when_it_answers(self, read):
        body = """class Big:
    dtype, shape = np.dtype('f8'), (1,)
    def tobytes(self):
        raise MemoryError
return {'a': np.zeros(9), 'b': Big()}"""
        with pytest.raises(WeightFileError, match="takes more than 2048 MB"):
            read(body)

    def test_leaves_no_core_and_cannot_raise_its_limits(self, read):
        body = (
            "import resource\nreturn {'hard': np.array([resource.getrlimit(k)[1] for k in (%s)])}"
        )
        names = "resource.RLIMIT_CORE, resource.RLIMIT_AS, resource.RLIMIT_CPU"
        core, space, seconds = read(body % names)["hard"].tolist()
        assert (core, seconds) == (0, 65)
        assert 2**31 < space < 2**31 + 2**30  # from what Python and NumPy map

    @pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "soon", "9" * 7])
    @pytest.mark.parametrize("variable", [limits.SECONDS, limits.MEGABYTES])
    def test_limit_that_is_not_valid(self, read, monkeypatch, variable, text):
        monkeypatch.setenv(variable, text)
        with pytest.raises(ValueError, match=f"{variable} must be a whole number .* got '{text}'"):
            read("return {}")

    def test_interrupted(self, tmp_path):
        """Ctrl-C ends the child too, and leaves nothing behind."""
        pid, reader = tmp_path / "pid", tmp_path / "reader.py"
        reader.write_text(
            "import os, time\ndef contents(path):\n"
            "    print(os.getpid(), flush=True, file=open(path, 'w'))\n    time.sleep(1000)"
        )
        code = (
            "import pathlib, signal, sys\n"
            "from descrambler.readers import _isolated\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "_isolated.read(pathlib.Path(sys.argv[1]), '.mat', pathlib.Path(sys.argv[2]))"
        )
        command = [sys.executable, "-c", code, str(pid), str(reader)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as parent:
            while not (pid.exists() and pid.read_text().endswith("\n")):
                assert parent.poll() is None
                time.sleep(0.01)
            parent.send_signal(signal.SIGINT)
            error = parent.communicate(timeout=30)[1]
        assert error.endswith("KeyboardInterrupt\n")
        assert not Path("/proc", pid.read_text().strip()).exists()


def header(text, length=None):
    """Code that writes a header of a text that may be no JSON."""
    return f"pipe.write({struct.pack('<Q', len(text) if length is None else length) + text!r})"


def arrays(*entries, failure=None):
    named = {f"a{k}": entry for k, entry in enumerate(entries)}
    return header(json.dumps({"failure": failure, "arrays": named}).encode())


class TestAnswer:
    """What a child may send that is not ours any more."""

    @pytest.mark.parametrize(
        ("code", "message"),
        [
            ("pipe.write(b'x' * 100)", "names more than 16777216 bytes of arrays"),
            (header(b"{}", 2**63), "names more than"),
            *(
                (header(text), "no list of arrays")
                for text in (
                    b"",
                    b"\xff\xfe",
                    b"cos\nsystem\n(S'true'\ntR.",
                    b"[" * 100_000,
                    b"9" * 10_000,
                    b"[]",
                    b"3",
                    b"{}",
                    b'{"failure": null}',
                    b'{"failure": null, "arrays": []}',
                    b'{"failure": null, "arrays": {"a": null}}',
                    b'{"failure": null, "arrays": {"a": ["<f8"]}}',
                    b'{"failure": null, "arrays": {"a": ["<f8", null]}}',
                    b'{"failure": null, "arrays": {"a": ["<f8", [NaN]]}}',
                )
            ),
            *(
                (arrays(entry), "no list of arrays")
                for entry in (
                    ["|O", [1]],
                    ["O", [1]],
                    ["<f3", [1]],
                    ["<f8,<f8", [1]],
                    ["<U0", [2**60]],
                    ["<M8", [1]],
                    ["|V8", [1]],
                    ["<U999999999", [0, 2**40]],
                    [["<f8"], [1]],
                    ["<f8", [-1]],
                    ["<f8", [1.0]],
                    ["<f8", [True]],
                    ["<f8", "11"],
                    ["<f8", [0, 2**62]],
                    ["<f8", [2**80]],
                    ["<f8", [1] * 33],
                )
            ),
            (arrays(failure="\x1b[2J\u202e" + "x" * 10**5), r"\?\[2J\?x{200,300}\)"),
            (arrays(failure={"a": []}), r"\({'a': \[\]}\)"),
            (arrays(["|b1", [2]]) + r"; pipe.write(b'\x01\x02')", "neither 0 nor 1"),
            (arrays(["<U1", []]) + r"; pipe.write(b'\0\0\x11\0')", "not Unicode"),
            (arrays(["<U1", []]) + r"; pipe.write(b'\0\xd8\0\0')", "not Unicode"),
            (arrays(["<f8", [2**27]]) + "; pipe.close(); time.sleep(1000)", "not read within 3 s"),
            (arrays(["<f8", [2**27]]) + "; pipe.flush(); time.sleep(1000)", "not read within 3 s"),
            (arrays(["<f8", [2**27 + 1]]), "takes more than 2048 MB"),
            (arrays(["<f8", [2**26]], ["<f8", [2**26, 2]]), "takes more than 2048 MB"),
        ],
    )
    def test_refused(self, receive, monkeypatch, code, message):
        monkeypatch.setenv(limits.SECONDS, "3")
        before = peak()
        with pytest.raises(WeightFileError, match=message) as info:
            receive(code)
        assert str(info.value).startswith("net.mat: ")
        assert str(info.value).isprintable()
        assert peak() - before < 20

    @pytest.mark.parametrize(
        "code",
        [
            "",
            "pipe.write(b'abc')",
            header(b"{}", 1000),
            arrays(["<f8", [10]]) + "; pipe.write(bytes(79))",
        ],
    )
    def test_that_ends_early(self, receive, code):
        message = "^net.mat: not read, since the process that reads it stopped with exit code 0; "
        with pytest.raises(ReaderProcessError, match=message):
            receive(code)

    def test_no_more_is_taken_than_announced(self, receive):
        code = arrays(["<f8", [2]]) + "\nwhile True: pipe.write(bytes(2**20))"
        np.testing.assert_array_equal(receive(code)["a0"], [0, 0])


def peak():
    """Peak resident memory of this process in MB."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024


def element(kind, content):
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def announced(name, rows, columns, mx_class=6):
    """The start of a variable that claims to be a double matrix (6) or a cell array (1)."""
    parts = [
        element(6, struct.pack("<II", mx_class, 0)),
        element(5, struct.pack("<ii", rows, columns)),
    ]
    parts.append(element(1, name))
    size = 8 * rows * columns % 2**32
    parts.append(struct.pack("<II", 9 if mx_class == 6 else 14, size))
    head = b"".join(parts)
    return struct.pack("<II", 14, min(len(head) + size, 2**32 - 1)) + head


def bomb(name, side):
    """A compressed variable of side x side zeros, made without compressing them all."""
    packer, start = zlib.compressobj(9), announced(name, side, side)
    content = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(2**24)) + packer.flush(zlib.Z_FULL_FLUSH)
    last_block = b"\x03\0"
    low = zlib.adler32(start) & 0xFFFF  # zeros leave it as it is
    high = ((zlib.adler32(start) >> 16) + 8 * side * side * low) % 65521
    content += block * (side * side // 2**21) + last_block + struct.pack(">HH", high, low)
    return struct.pack("<II", 15, len(content)) + content


HEADER = b"MATLAB 5.0 MAT-file".ljust(116) + bytes(8) + b"\x00\x01IM"


class TestEnvironment:
    """What is not the fault of the file is not blamed on it, and names the variable to set."""

    @pytest.fixture
    def refused(self, tmp_path):
        savemat(tmp_path / "net.mat", {"W1": W1})

        def check(message):
            with pytest.raises(ReaderProcessError, match=message) as info:
                load(tmp_path / "net.mat", ["tanh"])
            assert str(info.value).startswith(f"{tmp_path / 'net.mat'}: not read, since ")
            assert "damaged" not in str(info.value)
            assert "DESCRAMBLER_" in str(info.value)

        return check

    @pytest.mark.parametrize("value", [None, ""])
    def test_no_executable(self, refused, monkeypatch, value):
        monkeypatch.setattr(sys, "executable", value)
        refused("the Python interpreter is not known.* set DESCRAMBLER_PYTHON")

    def test_executable_of_an_application(self, refused, monkeypatch, tmp_path):
        """It is not started: it would read the file again."""
        application = tmp_path / "application"
        application.write_text(f"#!/bin/sh\ntouch {tmp_path / 'started'}\n")
        application.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(application))
        refused(f"the application {application} is no Python .* set DESCRAMBLER_PYTHON")
        assert not (tmp_path / "started").exists()

    def test_frozen_application(self, refused, monkeypatch):
        monkeypatch.setattr(sys, "frozen", True, raising=False)
        refused("set DESCRAMBLER_PYTHON")

    @pytest.mark.parametrize("name", ["python3.11", "Python", "PYTHON.EXE", "pypy3"])
    def test_names_of_interpreters(self, monkeypatch, name):
        monkeypatch.delenv("DESCRAMBLER_PYTHON", raising=False)
        monkeypatch.setattr(sys, "executable", f"/somewhere/{name}")
        assert _process.interpreter() == f"/somewhere/{name}"

    def test_another_python_may_be_named(self, tmp_path, monkeypatch):
        monkeypatch.setenv("DESCRAMBLER_PYTHON", sys.executable)
        monkeypatch.setattr(sys, "executable", None)
        savemat(tmp_path / "net.mat", {"W1": W1})
        assert load(tmp_path / "net.mat", ["tanh"]).n_in == 3

    @pytest.mark.parametrize(
        ("script", "message"),
        [
            ("exit 0", "is no Python interpreter: it stopped with exit code 0"),
            ("exit 3", "is no Python interpreter: it stopped with exit code 3"),
            ("echo 'usage: application FILE'", "is no Python interpreter: it answers otherwise"),
            ("printf 'descrambler\\002\\007'", "is Python 2.7, not this version"),
            ("sleep 60 & wait", "does not answer in time .DESCRAMBLER_READ_SECONDS"),
        ],
    )
    def test_python_that_is_none(self, refused, monkeypatch, tmp_path, script, message):
        application = tmp_path / "python"
        application.write_text(f"#!/bin/sh\n{script}\n")
        application.chmod(0o755)
        monkeypatch.setenv(limits.SECONDS, "2")
        monkeypatch.setenv("DESCRAMBLER_PYTHON", str(application))
        refused(f"{application} {message}")

    @pytest.mark.parametrize("name", ["", "/nowhere/python"])
    def test_python_that_cannot_be_started(self, refused, monkeypatch, tmp_path, name):
        monkeypatch.setenv("DESCRAMBLER_PYTHON", name or str(tmp_path))
        refused("cannot be started: (No such file|Permission denied)")

    def test_second_generation(self, refused, monkeypatch):
        """An application that was started as if it were a Python does not start another."""
        monkeypatch.setenv(_process.MARK, "1")
        refused("this process was started to read a file")

    def test_odd_search_path(self, tmp_path, monkeypatch):
        odd = [
            tmp_path,
            None,
            b"bytes",
            "x" * 300_000,
            "\udc80",
            *(f"/no/{k}" for k in range(9000)),
        ]
        monkeypatch.setattr(sys, "path", sys.path + odd)
        savemat(tmp_path / "net.mat", {"W1": W1})
        assert load(tmp_path / "net.mat", ["tanh"]).n_in == 3

    def read(self, tmp_path, libraries, contents="return {}"):
        reader = tmp_path / "reader.py"
        reader.write_text(
            "import mmap, os, time\n"
            f"def libraries(path):\n    {libraries}\ndef contents(path):\n    {contents}\n"
        )
        return _isolated.read(PATH, ".mat", reader)

    def test_library_that_maps_much(self, tmp_path):
        """As a PyTorch for CUDA does: 4.6 GB, of which it uses little."""
        assert self.read(tmp_path, "globals()['kept'] = mmap.mmap(-1, 5 * 2**30)") == {}

    @pytest.mark.parametrize(
        ("libraries", "message"),
        [
            (
                "import no_such_library",
                "cannot be imported .*ModuleNotFoundError.*DESCRAMBLER_PYTHON",
            ),
            (
                "raise ImportError('libcusparseLt.so.0: failed to map segment')",
                "DESCRAMBLER_READ_MEG",
            ),
            ("raise OSError('no')", "cannot be imported in a process of its own .OSError: no"),
            ("raise MemoryError", "cannot be imported in a process of its own .no memory"),
            ("os._exit(1)", "stopped with exit code 1 while it was imported"),
            ("os.abort()", "stopped with exit code -6, SIGABRT while it was imported"),
            ("time.sleep(60)", "takes more than 2 s to import .DESCRAMBLER_READ_SECONDS sets"),
        ],
    )
    def test_library_that_fails(self, tmp_path, libraries, message, monkeypatch):
        monkeypatch.setenv(limits.SECONDS, "2")
        with pytest.raises(ReaderProcessError, match=message) as info:
            self.read(tmp_path, libraries)
        assert str(info.value).startswith("net.mat: not read, since the library that reads .mat")

    @pytest.mark.parametrize(
        ("contents", "message"),
        [
            ("import no_such_library", "its reader lacks a part .ModuleNotFoundError"),
            ("os._exit(0)", "the process that reads it stopped with exit code 0; "),
            ("os.kill(os.getpid(), 9)", "exit code -9, SIGKILL .the system does so where memory"),
        ],
    )
    def test_reader_that_fails(self, tmp_path, contents, message):
        with pytest.raises(ReaderProcessError, match=message) as info:
            self.read(tmp_path, "pass", contents)
        assert "DESCRAMBLER_PYTHON" in str(info.value)

    def test_no_polling(self, tmp_path, monkeypatch):
        monkeypatch.delattr("select.poll")
        monkeypatch.delattr("os.readv")
        assert self.read(tmp_path, "pass") == {}


class TestBombs:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (bomb(b"W1", 2**14), "reading it takes more than 2048 MB"),
            (b"".join(bomb(b"W%d" % k, 2**12) for k in range(1, 65)), "reading it takes more"),
            (announced(b"W1", 2**14, 2**14), "reading it takes more"),
            (announced(b"W1", 2**31 - 1, 1, mx_class=1), "reading it takes more"),
            (announced(b"W1", 2**31 - 1, 2**31 - 1), "a damaged .mat file"),
        ],
        ids=["one array", "many arrays", "array without content", "cells", "absurd"],
    )
    def test_becomes_one_error(self, tmp_path, content, message, capfd):
        path = tmp_path / "net.mat"
        path.write_bytes(HEADER + content)
        before = peak()
        with pytest.raises(WeightFileError, match=f"^{path}: {message}"):
            load(path, ["tanh"])
        assert peak() - before < 20
        assert capfd.readouterr() == ("", "")

    def test_small_one_is_a_network(self, tmp_path):
        path = tmp_path / "net.mat"
        path.write_bytes(HEADER + bomb(b"W1", 2**11))
        assert load(path, ["tanh"]).n_in == 2**11


def test_mutant_on_which_scipy_loops(monkeypatch):
    """Found by tests/fuzz.py: mutant 8 of the .mat files of seed 3."""
    monkeypatch.setenv(limits.SECONDS, "3")
    with pytest.raises(WeightFileError, match="hang.mat: (not read within 3 s|a damaged)"):
        load(Path(__file__).parents[1] / "data" / "hang.mat", ["tanh", "logistic"])


class TestMutants:
    """Each loads or raises WeightFileError, and this process lives (tests/fuzz.py has more)."""

    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch):
        forked.install(monkeypatch)

    @staticmethod
    def mutant(whole, seed):
        """Change one to three bytes of array headers, or cut the end off."""
        rng = np.random.default_rng(seed)
        if seed % 10 == 0:
            return whole[: rng.integers(128, len(whole))]
        damaged = bytearray(whole)
        headers = [found.start() for found in re.finditer(rb"\x0e\0\0\0", whole)]
        for _ in range(1 + 2 * (seed % 3 == 0)):
            place = rng.choice(headers) + rng.integers(64)
            damaged[min(place, len(whole) - 1)] = rng.integers(256)
        return bytes(damaged)

    def survive(self, tmp_path, whole, n, activations):
        def attempt(seed):
            path = tmp_path / f"{seed}.mat"
            path.write_bytes(self.mutant(whole, seed))
            try:
                load(path, activations)
            except WeightFileError as error:
                return str(error)
            finally:
                path.unlink()
            return "read"

        outcomes = [attempt(seed) for seed in range(n)]
        assert 0 < outcomes.count("read") < n
        return outcomes

    def test_of_plain_weights(self, tmp_path):
        path = tmp_path / "net.mat"
        cells = np.array([np.eye(2), "text"], object)
        record = {"noise": 1.0, "cells": cells}
        savemat(path, {"W1": W1, "b1": W1[:, 0], "W2": W2, "note": "text", "tr": record})
        outcomes = self.survive(tmp_path, path.read_bytes(), 120, ["tanh", "logistic"])
        assert any("exit code -11" in outcome for outcome in outcomes)
