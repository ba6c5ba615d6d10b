"""What more threads would give: the seconds of single tasks, measured at one thread, replayed for several."""

from __future__ import annotations

import heapq
import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import scipy.linalg

from descrambler import _core as core
from descrambler._solvers.settings import METHODS
from descrambler._util.threads import blas_threads
from descrambler.errors import DescramblerError

from .measure import median_seconds
from .run import ROOT

TITLE = "Critical path: what more threads give"
ABOUT = """\
The times of single tasks at one thread, replayed for more: a thread that is free takes the next task of a loop, a loop
ends with its last task, and waking the threads takes 20 us. Serial share: the part of the time outside of loops with more
than one task; at most 10 % at n = 256, 3 % from 1024. A varimax step is a pass over 100 000 signals, and a
singular value decomposition by LAPACK, which counts as serial. Peak: the share of the rate of a product of SciPy's BLAS on one thread,
n = 1024. "16 cores", "64 cores": the model, in which work that does not fit into 16 MB of cache also takes its memory traffic, at the measured
bandwidth of one core times the number of cores, but no more than that of 8 cores. More than that needs loops that overlap: a
graph of tasks, in place of one loop after the other."""
HEADER = (
    "| work | n | precision | one thread | serial share | at most | met | peak | 2 threads | 4 threads | 16 threads | 16 cores | 64 cores |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)
SOURCE = Path(__file__).with_suffix(".cpp")
FLAGS = {"baseline": [], "avx2": ["-mavx2", "-mfma"]}
FLAGS["avx512"] = [*FLAGS["avx2"], *(f"-mavx512{part}" for part in ("f", "dq", "bw", "vl"))]
EIGEN = "Eigen3_ROOT"
WAKE, CACHE, CHANNELS = 20e-6, 16e6, 8
# Matrices of n x n that one evaluation, or step, reads or writes.
PASSES = {"Cayley value and gradient": 24, "Riemannian L-BFGS step": 60}


@dataclass(frozen=True)
class Work:
    """Seconds of a work at one thread, and those of every task of its loops."""

    work: str
    n: int
    seconds: float
    loops: list[list[float]]
    precision: str = ""
    signals: int = 0

    @property
    def serial(self) -> float:
        """Seconds outside of loops."""
        return self.seconds - sum(map(sum, self.loops))

    def at(self, threads: int) -> float:
        """Seconds with more threads, by replay."""
        if threads == 1:
            return self.seconds
        return self.serial + sum(WAKE + makespan(tasks, threads) for tasks in self.loops)

    @property
    def operations(self) -> float:
        """Floating-point operations of its matrix products; NaN where they are not counted."""
        if self.work.startswith("Cayley"):
            return 8.0 * self.n**3
        return 4.0 * self.signals * self.n**2 if self.signals else float("nan")

    @property
    def traffic(self) -> float:
        """Bytes that it moves to or from memory, if nothing stays in a cache."""
        size = 4 if self.precision == "float32" else 8
        return float(size * (self.signals or PASSES[self.work] * self.n) * self.n)

    def on(self, cores: int, bandwidth: float) -> float:
        """Seconds on a processor with so many cores, by the model."""
        if not self.signals and self.traffic / PASSES[self.work] * 6 < CACHE:
            return self.at(cores)
        return max(self.at(cores), self.traffic / (bandwidth * min(cores, CHANNELS)))


@dataclass(frozen=True)
class Machine:
    """Rates of one core: operations of a product per second in either precision, bytes per second."""

    peak: dict[str, float] = field(default_factory=dict)
    bandwidth: float = 0.0


def makespan(tasks: Sequence[float], threads: int) -> float:
    """Seconds until the last task is done, where a thread that is free takes the next one."""
    busy = [0.0] * min(threads, len(tasks))
    for task in tasks:
        heapq.heapreplace(busy, busy[0] + task)
    return max(busy)


def measure(sizes: Sequence[int], signals: int, repeats: int) -> list[Work]:
    """Compile the program, for this processor's variant of the core, and run it in either precision.

    Raises
    ------
    OSError
        If there is no compiler, or Eigen's headers are not found.
    DescramblerError
        If the program fails.
    """
    found: list[Work] = []
    square = np.random.default_rng(0).standard_normal((256, 256))
    with blas_threads(1):
        svd = _warm_seconds(lambda: scipy.linalg.svd(square))
    with tempfile.TemporaryDirectory() as folder:
        for scalar, precision in (("double", "float64"), ("float", "float32")):
            program = _compile(scalar, Path(folder))
            given = [program, str(signals), str(repeats), *map(str, sizes)]
            done = subprocess.run(given, capture_output=True, text=True, check=False)
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
                raise DescramblerError(
                    f"{SOURCE.name}, compiled in {precision}, ended with exit code {done.returncode}: {last}; a negative code "
                    "is a signal. Leave this section out: python -m benchmarks performance ratios defaults"
                )
            for line in map(json.loads, done.stdout.splitlines()):
                if line["work"].startswith("varimax"):
                    line |= {"signals": signals, "seconds": line["seconds"] + svd}
                found.append(Work(**line, precision=precision))
    return found


def _compile(scalar: str, folder: Path) -> str:
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        raise OSError("no C++ compiler: install one, or name it in CXX")
    program = str(folder / scalar)
    given = [
        compiler, "-O3", "-DNDEBUG", "-std=c++17", *FLAGS[core.variant], f"-DSCALAR={scalar}",
        f"-DMEMORY={METHODS['riemannian-lbfgs']}", f"-DDESCRAMBLER_VARIANT={core.variant}", "-DEIGEN_DONT_PARALLELIZE",
        "-DEIGEN_MPL2_ONLY", f"-I{ROOT / 'cpp' / 'include'}", f"-I{_eigen()}", str(SOURCE), "-o", program, "-pthread",
    ]  # fmt: skip
    done = subprocess.run(given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{SOURCE.name} does not compile: {done.stderr.strip().splitlines()[0]}")
    return program


def _eigen() -> Path:
    """Folder of Eigen's headers, where the build of the package finds them."""
    named = [Path(os.environ[EIGEN])] if EIGEN in os.environ else []
    roots = (
        *named,
        Path(sysconfig.get_path("purelib"), "cmeel.prefix"),
        Path("/usr"),
        Path("/usr/local"),
    )
    folders = [root / "include" / "eigen3" for root in roots]
    for folder in folders:
        if (folder / "Eigen" / "Core").exists():
            return folder
    raise OSError("Eigen's headers are not found: pip install cmeel-eigen, or set Eigen3_ROOT")


def machine() -> Machine:
    """Measure the rates of one core."""
    peak = {}
    generator = np.random.default_rng(0)
    with blas_threads(1):
        for precision in ("float64", "float32"):
            a = np.asfortranarray(generator.standard_normal((1024, 1024)), dtype=precision)
            gemm = scipy.linalg.get_blas_funcs("gemm", (a,))
            peak[precision] = 2 * 1024**3 / _warm_seconds(lambda gemm=gemm, a=a: gemm(1.0, a, a))
    x, y = np.ones(2**24), np.empty(2**24)
    return Machine(peak, 2 * x.nbytes / _warm_seconds(lambda: np.copyto(y, x)))


def _warm_seconds(work: Callable[[], object]) -> float:
    work()
    return median_seconds(work, 7)


def limit(work: Work) -> float | None:
    """Return the largest serial share that meets the target."""
    return 0.1 if work.n == 256 else 0.03 if work.n >= 1024 else None


def lines(works: Sequence[Work], rates: Machine) -> Iterator[str]:
    """Yield the lines of the table."""
    for work in works:
        share, most = work.serial / work.seconds, limit(work)
        peak = work.operations / work.seconds / rates.peak[work.precision]
        cells = (
            work.work, str(work.n), work.precision, f"{1e3 * work.seconds:.3g} ms", f"{100 * share:.1f} %",
            "" if most is None else f"{100 * most:g} %", "" if most is None else "yes" if share <= most else "**no**",
            "" if np.isnan(peak) else f"{100 * peak:.0f} %",
            *(f"{work.seconds / work.at(threads):.2f}" for threads in (2, 4, 16)),
            *(f"{work.seconds / work.on(cores, rates.bandwidth):.1f}" for cores in (16, 64)),
        )  # fmt: skip
        yield f"| {' | '.join(cells)} |"
