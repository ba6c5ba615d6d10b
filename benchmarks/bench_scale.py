"""Large layers: time, peak memory and accuracy, each case in a process of its own.

python benchmarks/bench_scale.py gram      the Gram matrix against BLAS's SYRK
python benchmarks/bench_scale.py full      n = 4096, all modes, against LAPACK
python benchmarks/bench_scale.py streamed  n = 16 384, 256 modes, 100 000 signals in a file (6.6 GB in $TMPDIR)
python benchmarks/bench_scale.py wide      n = 65 536, 128 modes, 20 000 signals in a file (5.2 GB in $TMPDIR)
python benchmarks/bench_scale.py killed    Gram matrix by two worker processes, one of which is killed half-way
python benchmarks/bench_scale.py curves    cost against n, rank and number of signals; writes docs/scaling.png
python benchmarks/bench_scale.py extrapolate   to the layers of public models, from rates of one core

The signals in the files are C diag(s) V^T with orthonormal C and V, discrete cosine transforms, the units
permuted and with random signs: their Gram matrix has the eigenvalues s^2, here 1 / k, and its eigenvectors
are known, so that the answer is checked without our own code.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import scipy.fft
import scipy.linalg
from matplotlib.figure import Figure
from scipy.linalg import blas

import descrambler as ds

# Run as a script, too, by `measure`.
sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.harness.figures import cost_exponent  # noqa: E402

SEED = 0


class Spectrum:
    """Signals whose Gram matrix has the eigenvalues 1 / k, and known eigenvectors."""

    def __init__(self, m: int, n: int) -> None:
        self.m, self.n = m, n
        generator = np.random.default_rng(SEED)
        self.order, self.sign = generator.permutation(n), generator.choice([-1.0, 1.0], n)
        self.values = np.zeros(n)
        self.values[: min(m, n)] = 1 / np.arange(1, min(m, n) + 1)

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Signals `start` to `stop`, float32."""
        k = np.arange(self.n)
        # One period of the cosine is 4 m of these steps.
        steps = (np.outer(2 * np.arange(start, stop) + 1, k) % (4 * self.m)).astype(np.float32)
        c = np.cos(steps * np.float32(np.pi / (2 * self.m))) * np.float32(np.sqrt(2 / self.m))
        c[:, 0] *= np.float32(np.sqrt(0.5))
        c *= np.sqrt(self.values).astype(np.float32)
        units = scipy.fft.idct(c, axis=1, norm="ortho", workers=2)
        return np.ascontiguousarray(units[:, self.order]) * self.sign.astype(np.float32)

    def worth(self, modes: np.ndarray) -> np.ndarray:
        """u^T B u of modes in rows, exactly."""
        units = np.empty_like(modes)
        units[:, self.order] = modes * self.sign
        return scipy.fft.dct(units, axis=1, norm="ortho") ** 2 @ self.values

    def write(self, path: Path) -> None:
        file = np.lib.format.open_memmap(path, "w+", np.float32, (self.m, self.n))
        step = max(1, 2**22 // self.n)
        for start in range(0, self.m, step):
            stop = min(start + step, self.m)
            file[start:stop] = self.rows(start, stop)
        file.flush()


def streamed(path: str, rank: int, dtype: str | None = None) -> Iterator[dict[str, float]]:
    """Leading modes of the signals in a file; the answer is checked against the known spectrum."""
    signals = np.load(path, mmap_mode="r")
    (m, n), result = signals.shape, []
    taken = timed(lambda: result.append(ds.descramble(signals, rank=rank, dtype=dtype)))
    yield taken
    (found,) = result
    # S^T (S Q) in each pass, with blocks of a quarter of the rank, and one pass for the moments.
    rate = m * n * rank * (found.n_iter + 2) / taken["CPU seconds"]
    yield {
        "GFLOP/s of a core": rate / 1e9,
        "share of the rate of a product": rate / product_rate(found.rotation.dtype),
    }
    basis, known = found.criterion.basis(n), Spectrum(m, n)
    modes = found.rotation.inverse().left(basis.from_modes(np.eye(n, rank))).T
    a = basis.eigenvalues[:rank]
    best = float(a @ known.values[:rank])
    assert found.rotation.rank == rank
    yield {
        "passes": found.n_iter,
        "objective off the best": abs(float(a @ known.worth(modes)) / best - 1),
        "the same, as estimated": found.shortfall,
        "gap": found.gap,
        "orthogonality error": found.orthogonality_error,
    }


def product_rate(dtype: np.dtype) -> float:
    """Operations a second of one core in SciPy's matrix product, n = 1024."""
    a = np.random.default_rng(SEED).standard_normal((1024, 1024)).astype(dtype)
    gemm = blas.sgemm if dtype == np.float32 else blas.dgemm
    return 2 * 1024**3 / min(timed(lambda: gemm(1.0, a, a))["CPU seconds"] for _ in range(5))


def full(path: str, dtype: str | None = None) -> Iterator[dict[str, float]]:
    """All modes of a Gram matrix, from the file that holds it."""
    gram = ds.Gram.load(path)
    result = []
    yield timed(lambda: result.append(ds.descramble(gram, dtype=dtype)))
    (found,) = result
    best = float(found.criterion.basis(gram.n).eigenvalues @ (1 / np.arange(1, gram.n + 1)))
    yield {
        "objective off the best": abs(found.objective / best - 1),
        "gap": found.gap,
        "orthogonality error": found.orthogonality_error,
    }


def lapack(path: str) -> Iterator[dict[str, float]]:
    """Eigenvalues and eigenvectors of the same matrix, by LAPACK alone."""
    b = ds.Gram.load(path).matrix
    yield timed(lambda: scipy.linalg.eigh(b, driver="evd", check_finite=False))


def gram_rate(n: int, m: int) -> Iterator[dict[str, float]]:
    """Gram matrix of float32 batches in memory, and SYRK of as many float64 rows, in turn."""
    x = np.random.default_rng(SEED).standard_normal((m, n), dtype=np.float32)
    wide = x.astype(np.float64)

    def ours() -> np.ndarray:
        return ds.gram(iter(np.split(x, 4))).matrix

    def syrk() -> np.ndarray:
        return blas.dsyrk(1.0, wide.T)

    assert np.abs(np.triu(ours()) - np.triu(syrk())).max() < 1e-9 * m
    mine, theirs = np.array(
        [[timed(work)["seconds"] for work in (ours, syrk)] for _ in range(25)]
    ).T
    yield {
        "GFLOP/s": m * n**2 / mine.min() / 1e9,
        "SYRK GFLOP/s": m * n**2 / theirs.min() / 1e9,
        "share of SYRK's rate": float(theirs.min() / mine.min()),
        "the same, median of neighbors": float(np.median(theirs / mine)),
    }


def cost(m: int, n: int, rank: int | None) -> Iterator[dict[str, float]]:
    """Of descrambling signals in memory."""
    signals = Spectrum(m, n).rows(0, m)
    yield timed(lambda: ds.descramble(signals, rank=rank))


def timed(work: Callable[[], object]) -> dict[str, float]:
    """Seconds by the clock, and by the processors: other work on the machine changes only the first."""
    start, busy = time.perf_counter(), time.process_time()
    work()
    return {"seconds": time.perf_counter() - start, "CPU seconds": time.process_time() - busy}


CASES = {case.__name__: case for case in (streamed, full, lapack, gram_rate, cost)}


def measure(case: str, *arguments: object, threads: int = 2) -> dict[str, float]:
    """Run a case in a fresh process, and watch its anonymous memory from here while it is timed."""
    limits = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), str(threads))
    command = [sys.executable, __file__, "--child", json.dumps([case, *arguments])]
    with subprocess.Popen(
        command, env=os.environ | limits, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        lines, peak = watched(child)
    if child.returncode != 0:
        raise SystemExit(f"{case} failed: see above")
    return {key: value for line in lines for key, value in line.items()} | {"peak GiB": peak}


def watched(child: subprocess.Popen[str]) -> tuple[list[dict[str, float]], float]:
    """Lines that a child prints, and its peak memory above the imports until the first of them."""
    assert child.stdin is not None and child.stdout is not None
    output, lines = child.stdout, []

    def read() -> None:
        lines.extend(json.loads(line) for line in output)

    assert output.readline() == "imported\n"
    before = peak = anonymous_gigabytes(child.pid)
    print("go", file=child.stdin, flush=True)
    reader = threading.Thread(target=read)
    reader.start()
    while not lines and child.poll() is None:
        peak = max(peak, anonymous_gigabytes(child.pid))
        time.sleep(0.01)
    reader.join()
    return lines, peak - before


def anonymous_gigabytes(pid: int) -> float:
    found = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 2**20 if found else 0.0


def child(case: str, *arguments: object) -> None:
    print("imported", flush=True)
    input()
    for line in CASES[case](*arguments):
        print(json.dumps(line), flush=True)


def show(title: str, values: dict[str, float]) -> None:
    print(
        f"{title}: " + ", ".join(f"{name} {value:.4g}" for name, value in values.items()),
        flush=True,
    )


@contextmanager
def signals_in_a_file(m: int, n: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "signals.npy"
        Spectrum(m, n).write(path)
        yield str(path)


@contextmanager
def gram_in_a_file(n: int) -> Iterator[str]:
    spectrum = Spectrum(n, n)
    b = scipy.fft.idct(np.diag(spectrum.values), axis=0, norm="ortho")
    b = scipy.fft.idct(b, axis=1, norm="ortho")[np.ix_(spectrum.order, spectrum.order)]
    b *= np.outer(spectrum.sign, spectrum.sign)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gram.npz"
        ds.Gram((b + b.T) / 2).save(path)
        yield str(path)


def run_gram() -> None:
    for threads in (1, 2):
        show(
            f"Gram, n = 1024, {threads} threads", measure("gram_rate", 1024, 16384, threads=threads)
        )


def run_full() -> None:
    n = 4096
    with gram_in_a_file(n) as path:
        for threads in (1, 2):
            pairs = [compare_full(n, path, threads) for _ in range(2)]
            clock, processor = np.min(pairs, axis=0).T
            print(
                f"n = {n}, {threads} threads: ours / LAPACK {clock[0] / clock[1]:.3f} by the clock, "
                f"{processor[0] / processor[1]:.3f} by the processors, best of {len(pairs)}",
                flush=True,
            )
        show(f"n = {n}, float32, 2 threads", measure("full", path, "float32"))


def compare_full(n: int, path: str, threads: int) -> list[tuple[float, float]]:
    """Seconds, and CPU seconds, of both."""
    seconds = []
    for name, case in (("descramble", "full"), ("LAPACK alone", "lapack")):
        values = measure(case, path, threads=threads)
        values["peak n x n"] = values["peak GiB"] * 2**30 / (8 * n * n)
        show(f"n = {n}, {threads} threads, {name}", values)
        seconds.append((values["seconds"], values["CPU seconds"]))
    return seconds


def run_streamed() -> None:
    with signals_in_a_file(100_000, 16_384) as path:
        for dtype in (None, "float32"):
            show(
                f"n = 16384, rank 256, {dtype or 'float64'}", measure("streamed", path, 256, dtype)
            )


def run_wide() -> None:
    with signals_in_a_file(20_000, 65_536) as path:
        for dtype in (None, "float32"):
            show(
                f"n = 65536, rank 128, {dtype or 'float64'}", measure("streamed", path, 128, dtype)
            )


def run_killed() -> None:
    """Gram matrix by two workers; the same with one of them killed when half of the blocks were begun."""
    import dask.array
    from distributed import Client, LocalCluster

    m, n, blocks = 400_000, 1024, 80
    grams, times = [], []
    for kill in (False, True):
        with (
            tempfile.TemporaryDirectory() as folder,
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
            Client(cluster),
        ):
            signals = dask.array.random.default_rng(SEED).standard_normal(
                (m, n), chunks=(m // blocks, n)
            )
            ds.gram(signals[: 2 * m // blocks])  # workers import what they need
            signals = signals.map_blocks(begun, folder, dtype=float, meta=np.empty((0, 0)))
            if kill:
                threading.Thread(target=kill_when, args=(Path(folder), blocks // 2)).start()
            times.append(timed(lambda: grams.append(ds.gram(signals)))["seconds"])  # noqa: B023
            began = len(list(Path(folder).iterdir()))
        name = "one of 2 workers" if kill else "no worker"
        print(f"{name} killed: {times[-1]:.1f} s, {began} blocks begun for {blocks}", flush=True)
    whole, resumed = grams
    assert whole.count == resumed.count == m
    off = np.abs(whole.matrix - resumed.matrix).max() / whole.matrix.max()
    print(f"time with / without {times[1] / times[0]:.2f}, largest relative difference {off:.1e}")


def begun(block: np.ndarray, folder: str) -> np.ndarray:
    """Leave a mark of the process that has this block."""
    (Path(folder) / f"{time.monotonic_ns()}-{os.getpid()}").touch()
    return block


def kill_when(folder: Path, wanted: int) -> None:
    """Kill the worker that began the block of a number."""
    while len(marks := sorted(mark.name for mark in folder.iterdir())) < wanted:
        time.sleep(0.01)
    os.kill(int(marks[wanted - 1].split("-")[1]), signal.SIGKILL)


def run_curves() -> None:
    """Costs by the processor of one thread, which other work on the machine changes little."""
    panels = {
        "number of units n": {
            "rank 32, 4096 signals": [(n, (4096, n, 32)) for n in (1024, 2048, 4096, 8192, 16384)],
            "all modes, 4096 signals": [(n, (4096, n, None)) for n in (512, 1024, 2048)],
        },
        "rank r": {
            "n = 8192, 4096 signals": [(r, (4096, 8192, r)) for r in (16, 32, 64, 128, 256)]
        },
        "number of signals m": {
            "n = 4096, rank 64": [(m, (m, 4096, 64)) for m in (1024, 2048, 4096, 8192, 16384)]
        },
    }
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True)
    for ax, (label, curves) in zip(axes, panels.items(), strict=True):
        for (name, sizes), marker, style in zip(curves.items(), "os", ("-", "--"), strict=False):
            points = [(x, measure("cost", *case, threads=1)["CPU seconds"]) for x, case in sizes]
            exponent, offset = cost_exponent(points)
            x, seconds = np.array(points).T
            ax.plot(x, seconds, marker, color="black", label=f"{name}: exponent {exponent:.2f}")
            ax.plot(x, np.exp(offset) * x**exponent, style, color="#15529b", lw=1)
            costs = ", ".join(f"{size}: {cost:.3g} s" for size, cost in points)
            print(f"{label}, {name}: exponent {exponent:.2f} ({costs})", flush=True)
        ticks = sorted({size for sizes in curves.values() for size, _ in sizes})
        ax.set_xscale("log", base=2)
        ax.set_xticks(ticks, map(str, ticks))
        ax.set(yscale="log", xlabel=label)
        ax.grid(lw=0.3)
        ax.legend(loc="upper left", frameon=False, fontsize=8)
    axes[0].set_ylabel("time of one core (s)")
    figure.savefig(Path(__file__).parent.parent / "docs" / "scaling.png", dpi=110)


# Model, feed-forward width, layers: from the models' published configurations.
MODELS = (
    ("Llama 3.1 8B", 14336, 32),
    ("GPT-3 175B", 49152, 96),
    ("Llama 3.1 405B", 53248, 126),
    ("Megatron-Turing 530B", 81920, 105),
)
COLUMNS = (
    "model",
    "n",
    "signals, bf16",
    "reading",
    "rank 256: 2 cores",
    "64 cores",
    "memory",
    "all layers, 64 cores",
    "all modes: 2 cores",
    "64 cores",
    "memory",
)


def run_extrapolate(pass_rate: str = "42", gram_rate: str = "30", full: str = "9.9") -> None:
    """Print the cost of a feed-forward layer on a million signals, from rates of one core.

    GFLOP/s of the passes ("streamed"), of the Gram matrix ("gram"), seconds at n = 4096 ("full"); cores are
    taken to add up, a disk to give 1 GB/s.
    """
    m, rank, passes, disk = 10**6, 256, 14, 1e9
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for name, n, layers in MODELS:
        size = 2.0 * m * n
        reading = (passes + 1) * size / disk
        operations = 4 * m * n * passes * rank / 4 + 2 * m * n * 1.25 * rank
        few = operations / float(pass_rate) / 1e9
        gram = m * n**2 / float(gram_rate) / 1e9
        whole = gram + float(full) * (n / 4096) ** 3
        cells = (
            name,
            str(n),
            f"{size / 1e9:.0f} GB",
            hours(reading),
            hours(few / 2),
            hours(few / 64),
            f"{8 * n * rank * (passes / 4 + 6) / 1e9:.1f} GB",
            hours(layers * max(reading, few / 64)),
            hours(whole / 2),
            hours(whole / 64),
            f"{4.25 * 8 * n**2 / 1e9:.0f} GB",
        )
        print(f"| {' | '.join(cells)} |")


def hours(seconds: float) -> str:
    return f"{seconds / 3600:.2g} h" if seconds > 3600 else f"{seconds / 60:.2g} min"


RUNS = {
    "gram": run_gram,
    "full": run_full,
    "streamed": run_streamed,
    "wide": run_wide,
    "killed": run_killed,
    "curves": run_curves,
    "extrapolate": run_extrapolate,
}

if __name__ == "__main__":
    if sys.argv[1] == "--child":
        child(*json.loads(sys.argv[2]))
    else:
        RUNS[sys.argv[1]](*sys.argv[2:])
