"""Eight Python threads call the public solvers at once, for minutes: no wrong result, no thread left.

Every result is compared with that of one thread alone, bit for bit. ``python benchmarks/soak.py --minutes 2``
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import threadpoolctl

import descrambler as ds

CALLERS = 8
Task = Callable[[int | None], np.ndarray]


def tasks() -> dict[str, Task]:
    """Return the calls, by name: each takes a number of threads and returns what is compared."""
    generator = np.random.default_rng(0)
    signals = generator.standard_normal((3000, 40)) * np.geomspace(1, 0.01, 40)
    wide = generator.standard_normal((600, 300)) * np.geomspace(1, 0.01, 300)
    weights = generator.standard_normal((96, 96))
    second = signals @ ds.group.random_rotation(40, 1)
    network = ds.Network([ds.Linear(generator.standard_normal((48, 40))), ds.Activation("tanh")])

    def solve(data: np.ndarray, *given: object, **more: object) -> Task:
        return lambda threads: ds.descramble(data, *given, threads=threads, **more).rotation.matrix

    return {
        "exact": solve(signals),
        "exact, 300 units": solve(wide),
        "exact, rank": solve(wide, rank=20),
        "cayley-lbfgs": solve(signals, method="cayley-lbfgs", max_iter=30),
        "riemannian-lbfgs": solve(wide, method="riemannian-lbfgs", max_iter=15),
        "entropy, 4 starts": solve(signals, "entropy", n_starts=4, random_state=0, max_iter=20),
        "varimax": solve(signals, ds.criteria.Orthomax(), max_iter=20),
        "kurtosis": solve(signals, "kurtosis", max_iter=20),
        "diagonal sum": lambda threads: ds.diagonalize(weights, threads=threads).rotation.matrix,
        "diagonal norm square": lambda threads: (
            ds.diagonalize(weights, "norm_square", threads=threads).rotation.matrix
        ),
        "align": lambda _: ds.align(signals, second, random_state=0).rotation.matrix,
        "gram": lambda _: ds.gram(wide).matrix,
        "gram of a layer": lambda _: ds.gram(network.signals(signals, tap="after")).matrix,
        "polar": lambda _: ds.group.polar(weights),
    }


def soak(seconds: float, callers: int = CALLERS) -> Counter[str]:
    """Call at once for so long; return how often each call was made.

    Raises
    ------
    AssertionError
        If a result differs from that of one thread alone, or threads or limits of BLAS are left.
    """
    calls = tasks()
    reference = {name: call(1) for name, call in calls.items()}
    threads_before, blas_before = _threads(), _blas()
    made: Counter[str] = Counter()
    wrong: list[str] = []
    until = time.monotonic() + seconds

    def caller(number: int) -> None:
        choose = random.Random(number)
        while time.monotonic() < until and not wrong:
            name = choose.choice(list(calls))
            try:
                found = calls[name](choose.choice((None, 1, 2, 3)))
                if not np.array_equal(found, reference[name]):
                    wrong.append(f"{name}: off by {np.abs(found - reference[name]).max():.1e}")
            except Exception as error:
                wrong.append(f"{name}: {error!r}")
            made[name] += 1

    started = [threading.Thread(target=caller, args=(number,)) for number in range(callers)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    assert not wrong, "; ".join(wrong)
    patience = time.monotonic() + 5  # a thread that was joined takes a moment to leave
    while _threads() > threads_before and time.monotonic() < patience:
        time.sleep(0.05)
    assert _threads() <= threads_before, f"{threads_before} threads became {_threads()}"
    assert _blas() == blas_before, f"threads of BLAS {blas_before} became {_blas()}"
    return made


def _threads() -> int:
    """Threads of Python; on Linux all of the process."""
    status = Path("/proc/self/status")
    if not status.exists():
        return threading.active_count()
    lines = status.read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Threads:")).split()[1])


def _blas() -> list[int]:
    return [each["num_threads"] for each in threadpoolctl.threadpool_info()]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    command = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    command.add_argument("--minutes", type=float, default=10, metavar="N", help="how long (10)")
    options = command.parse_args(arguments)
    warnings.simplefilter("ignore", ds.errors.ConvergenceWarning)
    made = soak(60 * options.minutes)
    for name, count in sorted(made.items()):
        print(f"{count:8d}  {name}")
    print(
        f"{made.total():8d}  calls from {CALLERS} threads at once: all as from one, no thread left"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
