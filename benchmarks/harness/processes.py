"""Two threads of one process against two processes, in Cayley values and gradients per second."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from .measure import Row
from .run import ROOT

SECONDS, ROUNDS = 1.0, 7
RATE = """
import sys, time
import numpy as np
from descrambler import _core as core
n, threads, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
core.set_threads(threads)
chart = core.CayleyChart(core.Brockett(np.linspace(0, 1, n), np.eye(n) + 1 / n))
packed = np.random.default_rng(0).standard_normal(n * (n - 1) // 2) / n
chart.value_and_gradient(packed)
print(flush=True)
sys.stdin.readline()
count, start = 0, time.perf_counter()
while time.perf_counter() - start < seconds:
    chart.value_and_gradient(packed)
    count += 1
print(count / (time.perf_counter() - start))
"""


def row(n: int) -> Row:
    """Evaluations per second of two processes, over those of one with two threads: medians, measured in turn."""
    rounds = [(sum(_rates(n, 2, 1)), sum(_rates(n, 1, 2))) for _ in range(ROUNDS)]
    together, apart = np.median(rounds, axis=0)
    return Row(
        f"n = {n}, Cayley value and gradient, two threads of one process",
        "two threads",
        "two processes, each evaluation",
        float(1 / together),
        float(1 / apart),
        float(np.median([processes / threads for threads, processes in rounds])),
        1 / 0.9,
    )


def _rates(n: int, count: int, processes: int) -> list[float]:
    """Evaluations per second of each of some processes that run at once."""
    given = [sys.executable, "-c", RATE, str(n), str(count), str(SECONDS)]
    pipe = subprocess.PIPE
    started = [
        subprocess.Popen(given, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        for _ in range(processes)
    ]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return [float(process.communicate()[0]) for process in started]
