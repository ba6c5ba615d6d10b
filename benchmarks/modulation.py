"""False alarms and misses of the test for dipolar modulation, on simulated traces."""

from __future__ import annotations

import numpy as np

from descrambler import deer

BACKGROUNDS, TRACES, POINTS = 500, 400, 256


def backgrounds(rng: np.random.Generator) -> int:
    """Backgrounds with white noise that are taken for modulated."""
    time = np.linspace(0, 2, POINTS)
    calls = 0
    for _ in range(BACKGROUNDS):
        decay = np.exp(-((rng.uniform(0, 0.5) * time) ** (rng.uniform(2, 3.5) / 3)))
        noise = rng.uniform(0.001, 0.05) * rng.standard_normal(POINTS)
        calls += deer.modulation(deer.Trace(time, decay + noise)).found
    return calls


def misses() -> int:
    """Modulated traces that are taken for backgrounds."""
    data = deer.simulate(TRACES, 5)
    return sum(not deer.modulation(deer.Trace(data.time, trace)).found for trace in data.traces)


if __name__ == "__main__":
    print(f"{backgrounds(np.random.default_rng(0))} of {BACKGROUNDS} backgrounds called modulated")
    print(f"{misses()} of {TRACES} modulated traces called backgrounds")
